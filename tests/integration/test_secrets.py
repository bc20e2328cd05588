"""After everything else: no credential and no signed link lies anywhere."""

import base64
from collections.abc import Callable, Iterator

import pytest

from tests.integration.conftest import API_KEY, CUSTOMER
from tests.integration.running_archive import RunningArchive, Troubled

SECRETS = [
    API_KEY,
    base64.b64encode(f"{CUSTOMER}:{API_KEY}".encode()).decode(),
    "Signature=",
    "CANARY-wrong-key",
    base64.b64encode(f"{CUSTOMER}:CANARY-wrong-key==".encode()).decode(),
]


def logs(archive: RunningArchive) -> Iterator[str]:
    client = archive.deployment.connection.client("logs")
    for groups in client.get_paginator("describe_log_groups").paginate():
        for group in groups["logGroups"]:
            pages = client.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
            for page in pages:
                yield from (event["message"] for event in page["events"])


def items(archive: RunningArchive) -> Iterator[str]:
    pages = archive.deployment.connection.client("dynamodb").get_paginator("scan")
    for page in pages.paginate(TableName=archive.deployment.table):
        yield from map(str, page["Items"])


def messages(archive: RunningArchive) -> Iterator[str]:
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


def ministack_log(archive: RunningArchive) -> Iterator[str]:
    yield archive.log_file.read_text(encoding="utf-8", errors="replace")


@pytest.mark.parametrize("texts", [logs, items, messages, objects, ministack_log])
def test_no_secret_lies_in(
    archive: RunningArchive, troubled: Troubled, texts: Callable[[RunningArchive], Iterator[str]]
) -> None:
    troubled.outcome()
    looked_at = 0
    for text in texts(archive):
        looked_at += 1
        assert not [secret for secret in SECRETS if secret in text]
    assert looked_at


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
