"""The adapters twice: over an AWS with the template's own table, and over the models that simulations trust."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from call_archive.storage.bucket import Bucket
from call_archive.storage.ledger import Ledger
from call_archive.storage.queues import Queue
from infra.connection import Connection
from infra.local.embedded_aws.ministack import start_ministack, wait_until_healthy
from infra.local.embedded_aws.processes import stop
from tests.proofs.models.archive import Archive as ModelArchive
from tests.proofs.models.ledger import Ledger as ModelLedger
from tests.proofs.models.queue import Queue as ModelQueue
from tests.proofs.models.steps import Clock, Steps
from tests.synthesis import synthesized, table_of
from tests.unit.factories import NOW

VISIBILITY_SECONDS, MAX_RECEIVES = 2, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    body: str
    delete: Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """What both have: the adapters, and the other end of the queue."""

    ledger: Any
    archive: Any
    queue: Any
    receive: Callable[[], list[Received]]
    dead: Callable[[], list[str]]
    passes: Callable[[float], None]
    """Lets so many seconds go by."""


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    ministack = start_ministack(tmp_path_factory.mktemp("aws"))
    try:
        wait_until_healthy(ministack)
        yield ministack.connection
    finally:
        stop(ministack.process)


@pytest.fixture(scope="session")
def table_properties() -> dict[str, Any]:
    """The table as the app synthesizes it."""
    return table_of(synthesized())


@pytest.fixture(params=["model", "aws"])
def system(request: pytest.FixtureRequest) -> System:
    if request.param == "model":
        return of_models()
    connection: Connection = request.getfixturevalue("aws")
    return on_aws(connection, request.getfixturevalue("table_properties"))


def of_models() -> System:
    clock, steps = Clock(NOW), Steps()
    queue = ModelQueue("fetch_queue", clock, steps, visibility=timedelta(seconds=VISIBILITY_SECONDS))
    return System(
        ledger=ModelLedger(clock, steps),
        archive=ModelArchive(clock, steps),
        queue=queue,
        receive=lambda: [
            Received(body=each.body, delete=partial(queue.delete, each)) for each in queue.receive(10)
        ],
        dead=lambda: list(queue.dead),
        passes=lambda seconds: clock.advance(seconds=seconds),
    )


def on_aws(connection: Connection, table_properties: dict[str, Any]) -> System:
    name = f"conformance-{uuid.uuid4()}"
    dynamodb, s3, sqs = connection.client("dynamodb"), connection.client("s3"), connection.client("sqs")
    dynamodb.create_table(TableName=name, **table_properties)
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": MAX_RECEIVES})
    url = sqs.create_queue(
        QueueName=name, Attributes={"VisibilityTimeout": str(VISIBILITY_SECONDS), "RedrivePolicy": redrive}
    )["QueueUrl"]

    def receive(queue_url: str = url) -> list[Received]:
        found = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages", [])
        return [
            Received(
                body=each["Body"],
                delete=partial(sqs.delete_message, QueueUrl=queue_url, ReceiptHandle=each["ReceiptHandle"]),
            )
            for each in found
        ]

    return System(
        ledger=Ledger(dynamodb, name),
        archive=Bucket(s3, name, lambda: datetime.now(UTC)),
        queue=Queue(sqs, url),
        receive=receive,
        dead=lambda: [each.body for each in receive(dead)],
        passes=time.sleep,
    )
