"""What an operator breaks and mends: credentials, and messages that are none of ours."""

import contextlib
import json
from collections.abc import Iterator

from infra.local.demo.comparison import Comparison
from tests.integration.conftest import API_KEY, CUSTOMER, MALFORMED, WRONG_KEY
from tests.integration.running_archive import RunningArchive, Slice, Troubled, eventually


def holds(compared: Comparison) -> bool:
    return not (compared.missing or compared.altered or compared.extra)


def put_key(archive: RunningArchive, api_key: str) -> None:
    archive.deployment.connection.client("secretsmanager").put_secret_value(
        SecretId=archive.deployment.secret_id,
        SecretString=json.dumps({"customer_id": CUSTOMER, "api_key": api_key}),
    )


@contextlib.contextmanager
def wrong_key(archive: RunningArchive) -> Iterator[None]:
    # A warm function has the right key and keeps it while it works: the provider itself refuses it.
    try:
        put_key(archive, WRONG_KEY)
        yield
    finally:
        put_key(archive, API_KEY)


def refresh_functions(archive: RunningArchive) -> None:
    """New environments for both functions: the warm ones would use the key that they read before."""
    client = archive.deployment.connection.client("lambda")
    for name in (archive.deployment.lister_function, archive.deployment.fetcher_function):
        environment = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        client.update_function_configuration(FunctionName=name, Environment={"Variables": environment})


def test_wrong_credentials_are_named_and_once_they_are_right_all_is_archived_with_nobody_acting(
    archive: RunningArchive, troubled: Troubled
) -> None:
    troubled.outcome()  # or its faults and ours would add up
    part: Slice = archive.parts["refused"]
    with wrong_key(archive):
        refresh_functions(archive)
        code, outcome = archive.backfill(part)
    assert code == 1
    assert "credentials" in outcome["failed"][0]["reason"]
    assert eventually(lambda: archive.windows_are_listed(part))
    assert eventually(lambda: holds(archive.compared(part)))


def test_messages_that_are_none_of_ours_delay_no_call(archive: RunningArchive) -> None:
    sqs = archive.deployment.connection.client("sqs")
    for body in MALFORMED * 4:
        sqs.send_message(QueueUrl=archive.deployment.fetch_queue_url, MessageBody=body)
    code, outcome = archive.backfill(archive.parts["malformed"])
    assert (code, outcome["open"]) == (0, [])
    assert holds(archive.compared(archive.parts["malformed"]))
