"""After everything else: no credential and no signed link lies anywhere."""

from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.conftest import API_KEY, CUSTOMER, WRONG_KEY
from tests.integration.running_archive import RunningArchive, Troubled
from tests.proofs.observer import basic_credentials, logs, spoken
from tests.proofs.recording import recorded

SECRETS = [
    API_KEY,
    CUSTOMER,
    basic_credentials(CUSTOMER, API_KEY),
    WRONG_KEY,
    basic_credentials(CUSTOMER, WRONG_KEY),
    "Signature=",
    "Key-Pair-Id",
]


def logs_and_metrics(archive: RunningArchive) -> Iterator[str]:
    yield from logs(archive.deployment)


def items(archive: RunningArchive) -> Iterator[str]:
    pages = archive.deployment.connection.client("dynamodb").get_paginator("scan")
    for page in pages.paginate(TableName=archive.deployment.table):
        yield from map(str, page["Items"])


def messages(archive: RunningArchive) -> Iterator[str]:
    """All that were ever sent to our queues, though they were taken from them long ago."""
    yield from recorded(archive.folder).messages


def events(archive: RunningArchive) -> Iterator[str]:
    """What the consumer was told, and what lies in a queue by now, whoever put it there."""
    archive.heard()
    yield from archive.bodies
    sqs = archive.deployment.connection.client("sqs")
    for url in sqs.list_queues()["QueueUrls"]:
        answer = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0, MessageAttributeNames=["All"]
        )
        yield from map(str, answer.get("Messages", []))


def objects(archive: RunningArchive) -> Iterator[str]:
    s3 = archive.deployment.connection.client("s3")
    for key in archive.versions():
        answer = s3.get_object(Bucket=archive.deployment.bucket, Key=key)
        with answer["Body"] as body:
            yield f"{key} {answer['Metadata']} {body.read().decode('latin-1')}"


def recordings(archive: RunningArchive) -> Iterator[str]:
    """Keys and metadata of all objects, and what recordings hold."""
    yield from (
        text if text.startswith("recordings/") else text[: text.index("}")] for text in objects(archive)
    )


def screens(archive: RunningArchive) -> Iterator[str]:
    yield from archive.screens
    end = datetime.now(UTC)
    day = timedelta(days=1)
    yield archive.command("find", "--start", f"{end - day:%Y-%m-%d}", "--end", f"{end + day:%Y-%m-%d}").stdout


def ministack_log(archive: RunningArchive) -> Iterator[str]:
    yield archive.log_file.read_text(encoding="utf-8", errors="replace")


Texts = Callable[[RunningArchive], Iterator[str]]
ELSEWHERE: list[Texts] = [logs_and_metrics, items, messages, events, screens, ministack_log]


def found_in(texts: Iterator[str], secrets: Collection[str]) -> set[str]:
    looked_at, found = 0, set()
    for text in texts:
        looked_at += 1
        found |= {secret for secret in secrets if secret in text}
    assert looked_at
    return found


@pytest.mark.parametrize("texts", [*ELSEWHERE, objects])
def test_no_secret_lies_in(archive: RunningArchive, troubled: Troubled, texts: Texts) -> None:
    troubled.outcome()
    assert found_in(texts(archive), SECRETS) == set()


@pytest.mark.parametrize("texts", [*ELSEWHERE, recordings])
def test_nothing_that_was_said_lies_in(archive: RunningArchive, troubled: Troubled, texts: Texts) -> None:
    troubled.outcome()
    assert found_in(texts(archive), spoken(archive.simulator.truth())) == set()


def test_the_messages_that_are_looked_at_name_every_call(archive: RunningArchive, troubled: Troubled) -> None:
    troubled.outcome()
    ids = {file.reference_id for file in archive.files(troubled.part)}
    assert len(ids) > 100
    assert found_in(messages(archive), ids) == ids


def test_what_was_said_lies_in_transcripts(archive: RunningArchive, troubled: Troubled) -> None:
    """Else looking for it elsewhere would find nothing anyway."""
    troubled.outcome()
    assert len(found_in(objects(archive), spoken(archive.simulator.truth()))) > 10


def test_no_request_to_the_cdn_carries_our_credentials(archive: RunningArchive, troubled: Troubled) -> None:
    troubled.outcome()
    requests = [request for request in archive.simulator.requests if request.server == "cdn"]
    assert len(requests) > 100
    assert not any(request.has_authorization for request in requests)


def test_every_object_came_from_the_provider(archive: RunningArchive) -> None:
    keys = archive.versions()
    served = {file.file_name for call in archive.simulator.truth() for file in call.files}
    names = {key.rpartition("/")[2].removesuffix(".json") for key in keys}
    assert names <= served
    assert set(keys.values()) == {1}
