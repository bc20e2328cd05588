"""An archive around the real handlers: AWS in memory, the simulated provider over HTTP, one virtual clock."""

import io
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any, Final
from unittest.mock import patch

from aws_lambda_powertools import Logger

from call_archive import fetcher, lister, telemetry, wiring
from call_archive import tick as ticking
from call_archive.provider import client as telesign
from call_archive.storage import ledger
from call_archive.storage import ledger_items as items
from call_archive.storage.ledger import Ledger
from infra.simulator import Options, SimulatedTelesign
from tests.proofs.crashes.aws import ACCOUNT, BUCKET, QUEUES, SECRET, TABLE, Aws, aws_in_memory
from tests.proofs.crashes.clock import Clock
from tests.proofs.crashes.losses import Losses
from tests.proofs.crashes.outside import Moment, Outside, Site, drop_process_memory
from tests.proofs.crashes.stack import Stack
from tests.proofs.crashes.stories import NOW, Story

BATCHES: Final = {"windows": 1, "fetch": 10}
ASYNC_RETRIES: Final = (timedelta(minutes=1), timedelta(minutes=2))
"""What Lambda waits before it tries a scheduled event again."""
PATIENCE: Final = timedelta(hours=12)
SHARDS, PAGE_SIZE, CHUNK = 2, 2, 2
"""Smaller than they are: what is done in eight rounds or on a page of a hundred can be killed in two."""
PLENTY_SECONDS, HURRY_SECONDS = 170, 30

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]
Listener = Callable[[Site, Moment], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """An event of EventBridge's; Lambda tries it `ASYNC_RETRIES` times again when the function ends without an answer."""

    at: datetime
    kind: str
    tries: int = 0


class World:
    """`listener` hears of each moment at which the functions' process may end."""

    def __init__(self, story: Story, stack: Stack, listener: Listener) -> None:
        self.story = story
        self.clock = Clock(NOW)
        self.log = io.StringIO()
        self.metrics = io.StringIO()
        self.errors: list[str] = []
        self.losses = Losses(self.log, self.metrics)
        self.outside = Outside(self._hear)
        self.provider = _provider(story, self.clock)
        self.aws: Aws
        self._stack = stack
        self._listener = listener
        self._rivals = set(story.rivals)
        self._hurries = story.hurried_listings
        self._scheduled = [Scheduled(at=story.recheck_at, kind="recheck")] if story.recheck_at else []
        self._tick_at = NOW
        self._running: Scheduled | None = None
        self._requests = 0

    def state(self) -> tuple[object, ...]:
        """Differs when what a killed process leaves behind differs: what is outside of it, and how far it had come."""
        faults = tuple(left for _, left in self.provider.faults._left.values())
        told = (self.log.tell(), self.metrics.tell())
        return (self._requests, self.outside.effects, self.clock(), told, faults, len(self._rivals))

    @contextmanager
    def opened(self) -> Iterator[None]:
        options = self.provider.options
        credentials = {"customer_id": options.customer_id, "api_key": options.api_key}
        with ExitStack() as open_:
            open_.enter_context(self.provider)
            open_.enter_context(patch.dict(os.environ, ACCOUNT))
            self.aws = open_.enter_context(aws_in_memory(self._stack, credentials, self.clock.seconds))
            open_.enter_context(patch.dict(os.environ, self._environment()))
            open_.enter_context(self.outside.attached())
            for patched in self._patches():
                open_.enter_context(patched)
            open_.callback(self._start_process)
            self._start_process()
            self._put_what_is_there()
            yield

    def run(self) -> None:
        """Everything that comes, in its order, until all is done and nothing is left to come."""
        end = self.story.busy_until + PATIENCE
        while (coming := self._coming()) and (first := min(coming, key=lambda pair: pair[0]))[0] <= end:
            self.clock.move_to(first[0])
            first[1]()

    def end_process(self) -> None:
        """What it remembered is gone; what it had begun comes again by itself."""
        self.outside.watching = False
        self.losses.ended()
        self._start_process()
        self._retry_later()

    def recover(self) -> None:
        self.provider._sites, self.provider._ports = None, (0, 0)  # a fork has no threads that would serve
        self.provider.start()
        os.environ["PROVIDER_URL"] = self.provider.api_url
        self.run()

    def _coming(self) -> list[tuple[datetime, Callable[[], None]]]:
        coming: list[tuple[datetime, Callable[[], None]]] = [
            (at, partial(self._deliver, queue))
            for queue in QUEUES
            if (at := self.aws.next_at(queue)) is not None
        ]
        coming += [(each.at, partial(self._happen, each)) for each in self._scheduled]
        soon = min((at for at, _ in coming), default=self._tick_at)
        if self._tick_at > soon or not self._at_rest():
            coming.append((self._tick_at, self._tick))
        return coming

    def _at_rest(self) -> bool:
        """Nothing is owed: a tick would find nothing, so the rest of the messages is all that is left to see."""
        if self.clock() < self.story.busy_until or self._scheduled or self._tick_at == NOW:
            return False
        answer = self.aws.dynamodb.scan(TableName=TABLE, FilterExpression="attribute_exists(open_shard)")
        return answer["Count"] == 0

    def _tick(self) -> None:
        self._tick_at += self.story.tick_every
        self._happen(Scheduled(at=self.clock(), kind="tick"))

    def _happen(self, event: Scheduled) -> None:
        self._scheduled = [each for each in self._scheduled if each != event]
        self._running = event
        if self._invoke(lister.handler, {"kind": event.kind}) is None:
            self._retry_later()
        self._running = None

    def _retry_later(self) -> None:
        event, self._running = self._running, None
        if event is not None and event.tries < len(ASYNC_RETRIES):
            at = self.clock() + ASYNC_RETRIES[event.tries]
            self._scheduled.append(replace(event, at=at, tries=event.tries + 1))

    def _deliver(self, queue: str) -> None:
        """A batch, as Lambda hands it out: what it does not name as failed is deleted."""
        messages = self.aws.receive(queue, BATCHES[queue])
        if not messages:
            return
        handler = lister.handler if queue == "windows" else fetcher.handler
        answer = self._invoke(handler, {"Records": [_record(each) for each in messages]})
        failed = {each["itemIdentifier"] for each in (answer or {}).get("batchItemFailures", [])}
        for message in messages if answer is not None else []:
            if message["MessageId"] not in failed:
                self.aws.delete(queue, message)

    def _invoke(self, handler: Handler, event: dict[str, Any]) -> dict[str, Any] | None:
        seconds = PLENTY_SECONDS
        if handler is lister.handler and "Records" in event and self._hurries:
            self._hurries -= 1
            seconds = HURRY_SECONDS
        self._requests += 1
        context = SimpleNamespace(
            aws_request_id=f"request-{self._requests}",
            get_remaining_time_in_millis=lambda: seconds * 1000,
        )
        self.losses.invoked()
        self.outside.watching = True
        try:
            with redirect_stdout(self.metrics):
                answer = handler(event, context)
            self.outside.emit("Lambda", "answer", Moment.BEFORE)
        except Exception as error:  # noqa: BLE001 - Lambda tells any error, and tries again
            self.errors.append(f"{type(error).__name__}: {error}")
            return None
        finally:
            self.outside.watching = False
        self.losses.ended()
        return answer

    def _hear(self, site: Site, moment: Moment, about: str) -> None:
        called = about.rpartition("/")[2]
        if moment is Moment.AFTER and site.operation == "call" and called in self._rivals:
            self._rivals.discard(called)
            self._write_as_a_rival(called)
        self._listener(site, moment)

    def _write_as_a_rival(self, reference_id: str) -> None:
        self.outside.watching = False
        rival = Ledger(self.aws.dynamodb, TABLE)
        call = rival.read(reference_id)
        if call is not None:
            rival.write(call)
        self.outside.watching = True

    def _start_process(self) -> None:
        self.outside.disconnect()
        telemetry.metrics().clear_metrics()
        drop_process_memory(wiring, telemetry, lister, fetcher)

    def _put_what_is_there(self) -> None:
        for truth in self.story.served():
            if truth.file_name in self.story.already_there:
                body = next(file.audio() for file in self.story.files if file.file_name == truth.file_name)
                self.aws.s3.put_object(
                    Bucket=BUCKET, Key=truth.origin.recording_key, Body=body, ChecksumAlgorithm="SHA256"
                )

    def _environment(self) -> dict[str, str]:
        return {
            **self._stack.environment,
            "TABLE_NAME": TABLE,
            "BUCKET_NAME": BUCKET,
            "FETCH_QUEUE_URL": self.aws.urls["fetch"],
            "WINDOWS_QUEUE_URL": self.aws.urls["windows"],
            "SECRET_ID": SECRET,
            "PROVIDER_URL": self.provider.api_url,
            "REQUESTS_PER_SECOND": "1e6",  # so that no time passes between two
            "ARCHIVE_FROM": f"{self.story.archive_from:%Y-%m-%dT%H:%M:%S}",
        }

    def _patches(self) -> Iterator[Any]:
        """The clock, the dice, one thread where there are several, so that a run is the same each time."""
        logger = Logger(service=f"crashes-{id(self)}", location=None, stream=self.log, level="INFO")
        budget = partial(telesign.Budget, now=self.clock.seconds, sleep=self.clock.sleep)
        dice = SimpleNamespace(random=lambda: 0.5)
        yield patch.object(wiring, "now", self.clock)
        yield patch.object(telemetry, "logger", lambda: logger)
        yield patch.object(telesign, "Budget", budget)
        yield patch.object(telesign, "PAGE_SIZE", PAGE_SIZE)
        yield patch.object(ticking, "CHUNK", CHUNK)
        yield patch.object(items, "SHARDS", SHARDS)
        yield patch.object(ledger, "OPEN_SHARDS", items.OPEN_SHARDS[:SHARDS])
        for module in (lister, fetcher):
            yield patch.object(module, "random", dice)
        for threaded in (ledger, fetcher):
            yield patch.object(threaded, "ThreadPoolExecutor", lambda _most: ThreadPoolExecutor(1))


def _provider(story: Story, clock: Clock) -> SimulatedTelesign:
    provider = SimulatedTelesign(Options(calls=0, history_end=NOW, now=clock))
    provider._history._add(story.calls)
    for fault in story.faults:
        provider.faults.add(fault)
    return provider


def _record(message: dict[str, Any]) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": {},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-central-1:1:queue",
        "awsRegion": "eu-central-1",
    }
