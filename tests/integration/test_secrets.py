"""After everything else: no credential and no signed link lies anywhere."""

import base64
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.conftest import API_KEY, CUSTOMER
from tests.integration.running_archive import RunningArchive, Troubled
from tests.observing import logs, spoken

SECRETS = [
    API_KEY,
    base64.b64encode(f"{CUSTOMER}:{API_KEY}".encode()).decode(),
    "Signature=",
    "CANARY-wrong-key",
    base64.b64encode(f"{CUSTOMER}:CANARY-wrong-key==".encode()).decode(),
]


def logs_and_metrics(archive: RunningArchive) -> Iterator[str]:
    yield from logs(archive.deployment)


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
ELSEWHERE: list[Texts] = [logs_and_metrics, items, messages, screens, ministack_log]


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
