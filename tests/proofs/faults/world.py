"""One cell's own archive, behind the proxies; time passes only when told to."""

import contextlib
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from botocore.config import Config

from call_archive import fetcher, wiring
from call_archive.list_window import enqueue_windows
from call_archive.model.window import cut
from call_archive.provider import client as telesign
from call_archive.provider import download as downloads
from call_archive.storage import aws_client, ledger
from call_archive.storage.queues import Queue
from tests.debugging import logged_at_debug
from tests.proofs.aws import QUEUES
from tests.proofs.clock import Clock
from tests.proofs.faults.cells import Cell, Dependency
from tests.proofs.faults.stage import BEGIN, Stage
from tests.proofs.stories import NOW
from tests.proofs.world import PLENTY_SECONDS, Event, World, named

MAX_RECEIVES = 2
"""Until a message goes to the dead-letter queue: 5 where it is deployed."""
DEADLINE_MINUTES = 30
IMPATIENT_SECONDS = 0.4
SETTINGS = {
    "REQUESTS_PER_SECOND": "1000",
    "RETRY_DEADLINE_SECONDS": str(DEADLINE_MINUTES * 60 // 4),  # outages are outlasted four times as long
    "TRANSCRIPT_DEADLINE_SECONDS": str(DEADLINE_MINUTES * 60),
    "TRANSCRIPT_GRACE_SECONDS": "240",
    "RECHECK_DAYS": "0.1",
    "LEASE_SECONDS": "60",
}
PATIENT, CLIENT = aws_client.aws_config, aws_client.aws_client


class CellWorld(World):
    log_level = "DEBUG"
    archive_from = NOW - timedelta(minutes=20)
    most_visits = 6
    """Of one call in any cell."""

    def __init__(self, stage: Stage) -> None:
        stage.clock = Clock(BEGIN)
        stack = replace(stage.stack, most_receives=MAX_RECEIVES)
        super().__init__(stack, stage.fronts.simulator, stage.clock)
        self.stage, self.plan = stage, stage.fronts.plan
        self.plan.clear()
        self.record = self.plan.record
        self.forgiven = 0

    @property
    def raised(self) -> list[str]:
        """What the lister raised to Lambda, by kind, since it was forgiven."""
        return [f"the lister raised {named(error)}" for error in self.errors[self.forgiven :]]

    def forgive(self) -> None:
        self.forgiven = len(self.errors)

    def backfill(self) -> None:
        """As the operator's command does, past the proxy."""
        windows = cut(NOW - timedelta(hours=1), self.clock(), recheck=True)
        queue = Queue(self.account.sqs, self.account.urls["windows"])
        enqueue_windows(windows, ledger=self.account.ledger, queue=queue, now=self.clock())

    def deliver_all(self) -> bool:
        """The messages that wait, in a batch as Lambda makes it (there are never more): windows first, then
        visits. Whether one of them failed, which is then received again at once."""
        failed = False
        for queue in QUEUES:
            for message in self.deliver(queue, 10):
                failed = True
                self.account.give_back(queue, message)
        if failed:
            self.clock.sleep(0.001)  # SQS shows them a moment later
        return failed

    def invoke(self, service: str, event: Event, *, seconds: float = PLENTY_SECONDS) -> Event | None:
        with logged_at_debug(self.log):
            return super().invoke(service, event, seconds=seconds)

    def environment(self) -> dict[str, str]:
        return (
            super().environment()
            | SETTINGS
            | {
                "AWS_ENDPOINT_URL": self.stage.fronts.aws_url,
                "AWS_CA_BUNDLE": str(self.stage.authority),
                "PROVIDER_URL": self.stage.fronts.api_url,
            }
        )

    def patches(self) -> Iterable[AbstractContextManager[object]]:
        yield from super().patches()
        # Pauses between tries take no time, as all else that waits: botocore's, and the ledger's own.
        yield patch("botocore.endpoint.time", SimpleNamespace(sleep=lambda _seconds: None))
        yield patch.object(ledger, "PAUSES_SECONDS", [0.0] * len(ledger.PAUSES_SECONDS))
        yield patch.object(telesign, "MAX_SHARED_PAUSE_SECONDS", 0.02)
        for module in (fetcher, wiring):
            yield patch.object(module, "aws_client", self._client)

    def _client(self, service: str, **options: Any) -> Any:
        """All cells have the same, for making one takes as long as ten requests: those with the same patience."""
        alike = f"{service} {options} {aws_client.aws_config.__name__}"
        if alike not in self.stage.clients:
            self.stage.clients[alike] = CLIENT(service, **options)
        return self.stage.clients[alike]


@contextlib.contextmanager
def impatience(cell: Cell) -> Iterator[None]:
    """Where the cell's fault is waited for, its client waits for a moment, and not up to a minute as in Lambda.

    That one client alone: on a busy machine a moment may be too short for what is sound.
    """
    with contextlib.ExitStack() as stack:
        for patched in _impatient(cell.dependency) if cell.waits else ():
            stack.enter_context(patched)
        yield


def _impatient(dependency: Dependency) -> Iterator[Any]:
    match dependency:
        case Dependency.LIST | Dependency.CALL:
            yield patch.object(telesign, "TIMEOUTS_SECONDS", (1, IMPATIENT_SECONDS))
            yield patch.object(telesign, "MAX_ANSWER_SECONDS", IMPATIENT_SECONDS)
        case Dependency.DOWNLOAD | Dependency.DNS:
            yield patch.object(downloads, "TIMEOUT_SECONDS", IMPATIENT_SECONDS)
            yield patch.object(downloads, "GRACE_SECONDS", IMPATIENT_SECONDS)
            yield patch.object(downloads, "MIN_BYTES_PER_SECOND", 2**40)
        case _:
            yield patch.object(aws_client, "aws_config", _impatient_config)


def _impatient_config(**options: Any) -> Config:
    few = {"retries": {"mode": "standard", "total_max_attempts": 2}}
    return PATIENT(**{**few, **options}).merge(Config(read_timeout=IMPATIENT_SECONDS))
