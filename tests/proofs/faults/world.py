"""One cell's own archive: fresh resources, the real handlers, and time that passes only when told to."""

import contextlib
import io
import json
import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from aws_lambda_powertools import Logger
from botocore.config import Config
from botocore.exceptions import ClientError

from call_archive import fetcher, lister, telemetry, wiring
from call_archive.list_window import enqueue_windows
from call_archive.model.window import cut, to_text
from call_archive.provider import client as telesign
from call_archive.provider import download as downloads
from call_archive.storage import ledger
from call_archive.storage.ledger import Ledger
from call_archive.storage.queues import Queue
from infra.local.embedded_aws.ministack import ACCOUNT, REGION
from infra.verification.differences import StoredVersion
from tests.debugging import logged_at_debug
from tests.proofs.faults.cells import Cell, Dependency
from tests.proofs.faults.stage import BEGIN, END, Stage

CONTEXT = SimpleNamespace(aws_request_id="request", get_remaining_time_in_millis=lambda: 600_000)
CACHED: Any = (
    wiring.settings,
    wiring.ledger,
    wiring.fetch_queue,
    wiring.windows_queue,
    wiring.telesign,
    wiring._sqs,
    telemetry.metrics,
    lister.list_deps,
    lister.tick_deps,
    fetcher.visit_deps,
    fetcher.workers,
)
MAX_RECEIVES = 2
"""Until a message goes to the dead-letter queue: 5 where it is deployed."""
DEADLINE_MINUTES = 30
IMPATIENT_SECONDS = 0.4
ARCHIVE_FROM = END - timedelta(minutes=20)
SETTINGS = {
    "REQUESTS_PER_SECOND": "1000",
    "ARCHIVE_FROM": to_text(ARCHIVE_FROM),
    "RETRY_DEADLINE_SECONDS": str(DEADLINE_MINUTES * 60 // 4),  # outages are outlasted four times as long
    "TRANSCRIPT_DEADLINE_SECONDS": str(DEADLINE_MINUTES * 60),
    "TRANSCRIPT_GRACE_SECONDS": "240",
    "RECHECK_DAYS": "0.1",
    "LEASE_SECONDS": "60",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    table: str
    bucket: str
    fetch_queue: str
    windows_queue: str
    fetch_dlq: str
    windows_dlq: str


@dataclass(slots=True, kw_only=True)
class World:
    stage: Stage
    names: Names
    log: io.StringIO = field(default_factory=io.StringIO)
    raised: list[str] = field(default_factory=list)
    """What the lister raised to Lambda, by kind."""
    texts: list[str] = field(default_factory=list)
    received: list[str] = field(default_factory=list)
    """Bodies of all messages that were handed out, an operator's among them."""
    versions: list[StoredVersion] = field(default_factory=list)
    """What the last look found in the bucket."""

    @property
    def ledger(self) -> Ledger:
        """The ledger as it is, read past the proxy."""
        return Ledger(self.stage.clients["dynamodb"], self.names.table)

    def tick(self) -> None:
        self._scheduled("tick")

    def recheck(self) -> None:
        self._scheduled("recheck")

    def backfill(self) -> None:
        """As the operator's command does, past the proxy."""
        windows = cut(END.replace(hour=11), self.stage.clock.now(), recheck=True)
        queue = Queue(self.stage.clients["sqs"], self.names.windows_queue)
        enqueue_windows(windows, ledger=self.ledger, queue=queue, now=self.stage.clock.now())

    def deliver(self) -> bool:
        """The messages that wait, in a batch as Lambda makes it (there are never more): windows first, then
        visits. Whether one of them failed."""
        of_windows = self._deliver(self.names.windows_queue, "lister", lister.handler)
        return self._deliver(self.names.fetch_queue, "fetcher", fetcher.handler) or of_windows

    def _scheduled(self, kind: str) -> None:
        try:
            with self._invoked("lister"):
                lister.handler({"kind": kind}, CONTEXT)
        except Exception as error:  # noqa: BLE001 - Lambda catches everything too
            code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
            self.raised.append(f"the lister raised {code}")
            self.texts.append(str(error))

    def _deliver(
        self, url: str, service: str, handler: Callable[[dict[str, Any], Any], dict[str, Any]]
    ) -> bool:
        sqs = self.stage.clients["sqs"]
        batch = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        if not batch:
            return False
        self.received += [message["Body"] for message in batch]
        with self._invoked(service):
            answer = handler({"Records": [_record(message) for message in batch]}, CONTEXT)
        failed = {each["itemIdentifier"] for each in answer["batchItemFailures"]}
        receipts = {message["MessageId"]: message["ReceiptHandle"] for message in batch}
        done = [{"Id": name, "ReceiptHandle": receipts[name]} for name in receipts.keys() - failed]
        if done:
            sqs.delete_message_batch(QueueUrl=url, Entries=done)
        for name in failed:
            sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=receipts[name], VisibilityTimeout=0)
        return bool(failed)

    @contextlib.contextmanager
    def _invoked(self, service: str) -> Iterator[None]:
        """As one of the two functions, whose metrics the alarms tell apart."""
        telemetry.metrics.cache_clear()
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.redirect_stdout(self.log),
            logged_at_debug(self.log),
        ):
            patch.setenv("POWERTOOLS_SERVICE_NAME", service)
            yield


@contextlib.contextmanager
def a_world(stage: Stage, patch: pytest.MonkeyPatch) -> Iterator[World]:
    names = _resources(stage)
    world = World(stage=stage, names=names)
    stage.clock.moment = BEGIN
    environment = {
        **stage.functions["fetcher"],
        **stage.functions["lister"],
        **SETTINGS,
        "AWS_ENDPOINT_URL": stage.fronts.aws_url,
        "AWS_CA_BUNDLE": str(stage.authority),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "TABLE_NAME": names.table,
        "BUCKET_NAME": names.bucket,
        "FETCH_QUEUE_URL": names.fetch_queue,
        "WINDOWS_QUEUE_URL": names.windows_queue,
        "PROVIDER_URL": stage.fronts.api_url,
    }
    for name, text in environment.items():
        patch.setenv(name, text)
    for name in [name for name in os.environ if name.startswith("AWS_") and name not in environment]:
        patch.delenv(name)
    patch.setattr(boto3, "DEFAULT_SESSION", stage.session)
    # Pauses between tries take no time, as all else that waits: botocore's, and the ledger's own.
    patch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _seconds: None))
    patch.setattr(ledger, "PAUSES_SECONDS", [0.0] * len(ledger.PAUSES_SECONDS))
    patch.setattr(wiring, "now", stage.clock.now)
    patch.setattr(telesign, "MAX_SHARED_PAUSE_SECONDS", 0.02)
    logger = Logger(service=f"faults-{names.table}", location=None, stream=world.log, level="DEBUG")
    patch.setattr(telemetry, "logger", lambda: logger)
    with _connections_closed(patch):
        new_environment()
        try:
            yield world
        finally:
            new_environment()


def new_environment() -> None:
    """As Lambda begins one: nothing is cached, no connection is open."""
    if fetcher.workers.cache_info().currsize:
        fetcher.workers().shutdown()
    for cached in CACHED:
        cached.cache_clear()


@contextlib.contextmanager
def _connections_closed(patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Those of downloads end with their threads, and Python warns of what it finds open."""
    opened: list[downloads._Connection] = []

    class Kept(downloads._Connection):
        def connect(self) -> None:
            super().connect()
            opened.append(self)

    patch.setattr(downloads, "_Connection", Kept)
    yield
    for connection in opened:
        connection.close()


@contextlib.contextmanager
def impatience(cell: Cell) -> Iterator[None]:
    """Where the cell's fault is waited for, its client waits for a moment, and not up to a minute as in Lambda.

    That one client alone: on a busy machine a moment may be too short for what is sound.
    """
    with pytest.MonkeyPatch.context() as patch:
        if cell.waits:
            _be_impatient(cell.dependency, patch)
        yield


def _be_impatient(dependency: Dependency, patch: pytest.MonkeyPatch) -> None:
    match dependency:
        case Dependency.LIST | Dependency.CALL:
            patch.setattr(telesign, "TIMEOUTS_SECONDS", (1, IMPATIENT_SECONDS))
            patch.setattr(telesign, "MAX_ANSWER_SECONDS", IMPATIENT_SECONDS)
        case Dependency.DOWNLOAD | Dependency.DNS:
            patch.setattr(downloads, "TIMEOUT_SECONDS", IMPATIENT_SECONDS)
            patch.setattr(downloads, "GRACE_SECONDS", IMPATIENT_SECONDS)
            patch.setattr(downloads, "SLOWEST", 2**40)
        case _:
            _be_impatient_with_aws(patch)


def _be_impatient_with_aws(patch: pytest.MonkeyPatch) -> None:
    patient = wiring.aws_config
    short = Config(read_timeout=IMPATIENT_SECONDS)
    few = {"retries": {"mode": "standard", "total_max_attempts": 2}}
    patch.setattr(wiring, "aws_config", lambda **options: patient(**{**few, **options}).merge(short))


def _resources(stage: Stage) -> Names:
    name = f"cell-{uuid.uuid4().hex[:12]}"
    stage.clients["dynamodb"].create_table(TableName=name, **stage.table)
    stage.clients["s3"].create_bucket(Bucket=name)
    stage.clients["s3"].put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    queues = [_queue_with_dlq(stage, f"{name}-{kind}") for kind in ("fetch", "windows")]
    (fetch, fetch_dlq), (windows, windows_dlq) = queues
    return Names(
        table=name,
        bucket=name,
        fetch_queue=fetch,
        windows_queue=windows,
        fetch_dlq=fetch_dlq,
        windows_dlq=windows_dlq,
    )


def _queue_with_dlq(stage: Stage, name: str) -> tuple[str, str]:
    sqs = stage.clients["sqs"]
    dlq = sqs.create_queue(QueueName=f"{name}-dlq")["QueueUrl"]
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}-dlq"
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": MAX_RECEIVES})
    # A batch that Lambda works on is hidden for longer than any test runs.
    attributes: Any = {"RedrivePolicy": redrive, "VisibilityTimeout": "600"}
    return sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"], dlq


def _record(message: dict[str, Any]) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": {},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:queue",
        "awsRegion": REGION,
    }
