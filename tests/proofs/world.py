"""The one world of proofs on real handlers: an AWS in memory, a simulated provider over HTTP, one virtual clock."""

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, redirect_stdout
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

from call_archive import fetcher, lister, telemetry, wiring
from call_archive.model.window import to_text
from call_archive.provider import download as downloads
from infra.simulator import SimulatedTelesign
from tests.proofs.aws import REGION, SECRET, InMemory, Stack, account_in_memory
from tests.proofs.clock import Clock
from tests.proofs.observer import Log, Sources, credentials, observed, spoken
from tests.proofs.recording import Record

if TYPE_CHECKING:
    from datetime import datetime

    from infra.verification.differences import StoredVersion
    from infra.verification.observation import Observation

Event = dict[str, Any]

HANDLERS: Final[Mapping[str, telemetry.Handler]] = {"lister": lister.handler, "fetcher": fetcher.handler}
OF_QUEUE: Final = {"windows": "lister", "fetch": "fetcher"}
PLENTY_SECONDS: Final = 170
ENVIRONMENT: Final = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


class World:
    """Everything that happens to an archive happens when it is told to: a tick, a delivery, time that passes."""

    log_level = "INFO"
    account: InMemory
    archive_from: "datetime"
    most_visits: int

    def __init__(self, stack: Stack, provider: SimulatedTelesign, clock: Clock) -> None:
        self.stack, self.provider, self.clock = stack, provider, clock
        self.log, self.record = Log(), Record()
        self.errors: list[Exception] = []
        """What a function raised to Lambda."""
        self.received: list[str] = []
        """Bodies of all messages that were handed out."""
        self.versions: list[StoredVersion] = []
        """What the last look found in the bucket."""
        self.invocations = 0

    @contextmanager
    def opened(self) -> Iterator[None]:
        options = self.provider.options
        secret = {"customer_id": options.customer_id, "api_key": options.api_key}
        strangers = [name for name in os.environ if name.startswith("AWS_")]
        with patch.dict(os.environ), ExitStack() as open_:
            for name in strangers:
                del os.environ[name]
            os.environ |= ENVIRONMENT
            in_memory = account_in_memory(self.stack, secret, self.clock.timestamp)
            self.account = open_.enter_context(in_memory)
            os.environ |= self.environment()
            for patched in self.patches():
                open_.enter_context(patched)
            open_.callback(end_process)
            self.begin_process()
            yield

    def environment(self) -> dict[str, str]:
        return {
            **self.stack.environment,
            "TABLE_NAME": self.account.table,
            "BUCKET_NAME": self.account.bucket,
            "FETCH_QUEUE_URL": self.account.urls["fetch"],
            "WINDOWS_QUEUE_URL": self.account.urls["windows"],
            "SECRET_ID": SECRET,
            "ARCHIVE_FROM": to_text(self.archive_from),
        }

    def patches(self) -> Iterable[AbstractContextManager[object]]:
        yield from virtual_time(self.clock, self.log, level=self.log_level)
        yield unchanged("moto")  # AWS's own log is none of the functions'
        yield connections_kept()

    def begin_process(self) -> None:
        """As Lambda begins one: nothing is remembered, no connection is open."""
        end_process()
        self.log.begin_process()

    def tick(self) -> None:
        self.invoke("lister", {"kind": "tick"})

    def recheck(self) -> None:
        self.invoke("lister", {"kind": "recheck"})

    def deliver(self, queue: str, most: int) -> list[dict[str, Any]]:
        """A batch, as Lambda hands it out: what it does not name as failed is deleted. The messages that failed."""
        at = self.account.next_at(queue)
        messages = self.account.receive(queue, most) if at and at <= self.clock() else []
        if not messages:
            return []
        self.received += [each["Body"] for each in messages]
        answer = self.invoke(OF_QUEUE[queue], {"Records": [record(each) for each in messages]})
        if answer is None:
            return messages
        failed = {each["itemIdentifier"] for each in answer["batchItemFailures"]}
        for message in messages:
            if message["MessageId"] not in failed:
                self.account.delete(queue, message)
        return [each for each in messages if each["MessageId"] in failed]

    def invoke(self, service: str, event: Event, *, seconds: float = PLENTY_SECONDS) -> Event | None:
        """The function's answer; None when it raised an error, which Lambda keeps to itself."""
        self.invocations += 1
        telemetry.metrics.cache_clear()  # whose service the environment names
        context = SimpleNamespace(
            aws_request_id=f"request-{self.invocations}",
            get_remaining_time_in_millis=lambda: seconds * 1000,
        )
        with redirect_stdout(self.log), patch.dict(os.environ, {"POWERTOOLS_SERVICE_NAME": service}):
            try:
                return dict(HANDLERS[service](event, context))
            except Exception as error:  # noqa: BLE001 - Lambda catches everything too
                self.errors.append(error)
                return None

    def observed(self, *, at_rest: bool) -> "Observation":
        sources = Sources(
            account=self.account,
            record=lambda: self.record,
            log=self.log.lines,
            listed_from=self.archive_from,
        )
        seen = observed(
            sources,
            at_rest=at_rest,
            most_visits=self.most_visits,
            before=self.versions,
            secrets=[*credentials(self.provider.options), *sorted(spoken(self.provider.truth()))],
            texts=[
                *(("an error", str(error)) for error in self.errors),
                *(("a message", body) for body in self.received),
            ],
        )
        self.versions = list(seen.versions)
        return seen


def named(error: Exception) -> str:
    return error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__


def end_process() -> None:
    """Its threads, its connections, and everything that its modules keep."""
    if fetcher.workers.cache_info().currsize:
        fetcher.workers().shutdown(wait=False)  # one of them may be who asks
    while _connections:
        _connections.pop().close()
    telemetry.metrics().clear_metrics()
    for module in (wiring, telemetry, lister, fetcher):
        for each in vars(module).values():
            if hasattr(each, "cache_clear"):
                each.cache_clear()


def virtual_time(
    clock: Callable[[], Any], log: Log, *, level: str = "INFO"
) -> Iterator[AbstractContextManager[object]]:
    logger = Logger(service=f"proofs-{id(log)}", location=None, stream=log, level=level)
    yield patch.object(wiring, "now", clock)
    yield patch.object(telemetry, "logger", lambda: logger)


@contextmanager
def unchanged(library: str) -> Iterator[None]:
    logger = logging.getLogger(library)
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


_connections: list[downloads._Connection] = []
"""To the download host: their threads alone know them, and a process that ends closes them."""


def connections_kept() -> AbstractContextManager[object]:
    class Kept(downloads._Connection):
        def connect(self) -> None:
            super().connect()
            _connections.append(self)

    return patch.object(downloads, "_Connection", Kept)


def record(message: Mapping[str, Any]) -> dict[str, Any]:
    """As SQS hands it to Lambda."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": {},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{REGION}:1:queue",
        "awsRegion": REGION,
    }
