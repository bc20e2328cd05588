"""The world in which a story is played: what Lambda, SQS and EventBridge do comes by itself, in virtual time."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Final
from unittest.mock import patch

from call_archive import fetcher, lister
from call_archive import tick as ticking
from call_archive.provider import client as telesign
from call_archive.provider.budget import Budget
from call_archive.storage import ledger
from call_archive.storage import ledger_items as items
from call_archive.storage.ledger import Ledger
from infra.verification.invariants import violations
from tests.proofs.aws import QUEUES, Stack
from tests.proofs.clock import Clock
from tests.proofs.crashes.outside import Moment, Outside, Site
from tests.proofs.stories import NOW, Story
from tests.proofs.world import PLENTY_SECONDS, Event, World

BATCHES: Final = {"windows": 1, "fetch": 10}
ASYNC_RETRIES: Final = (timedelta(minutes=1), timedelta(minutes=2))
"""What Lambda waits before it tries a scheduled event again."""
PATIENCE: Final = timedelta(hours=12)
SHARDS, PAGE_SIZE, CHUNK = 2, 2, 2
"""Smaller than they are: what is done in eight rounds or on a page of a hundred can be killed in two."""
HURRY_SECONDS = 30

Listener = Callable[[Site, Moment], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """An event of EventBridge's; Lambda tries it `ASYNC_RETRIES` times again when the function ends without an answer."""

    at: datetime
    kind: str
    tries: int = 0


class StoryWorld(World):
    """`listener` hears of each moment at which the functions' process may end."""

    most_visits = 12
    """Of one call in any of these stories, two crashes included."""

    def __init__(self, story: Story, stack: Stack, listener: Listener) -> None:
        clock = Clock(NOW)
        super().__init__(stack, story.simulated(history_end=NOW, now=clock), clock)
        self.story, self.archive_from = story, story.archive_from
        self.outside = Outside(self._hear, self.record)
        self._listener = listener
        self._rivals = set(story.rivals)
        self._hurries = story.hurried_listings
        self._scheduled = [Scheduled(at=story.recheck_at, kind="recheck")] if story.recheck_at else []
        self._tick_at = NOW
        self._running: Scheduled | None = None

    def state(self) -> tuple[object, ...]:
        """Differs when what a killed process leaves behind differs: what is outside of it, and how far it had come."""
        faults = tuple(left for _, left in self.provider.faults._left.values())
        written = self.log.tell()
        return (self.invocations, self.outside.effects, self.clock(), written, faults, len(self._rivals))

    @contextmanager
    def opened(self) -> Iterator[None]:
        with self.provider, super().opened():
            self._put_what_is_there()
            yield

    def found_wrong(self, *, at_rest: bool) -> list[str]:
        """Broken invariants, and errors: a crash leaves nothing that may make a later invocation fail."""
        seen = self.observed(at_rest=at_rest)
        if not at_rest:  # what a killed function has noted and not told, its next visit tells
            seen = replace(seen, losses_reported=None)
        failed = [line for _, line in self.log.lines() if "message_failed" in line]
        raised = [f"{type(error).__name__}: {error}" for error in self.errors]
        broken = [str(violation) for violation in violations(self.story.served(), seen)]
        return broken + [f"failed: {text}" for text in (*raised, *failed)]

    def run(self) -> None:
        """Everything that comes, in its order, until all is done and nothing is left to come."""
        end = self.story.busy_until + PATIENCE
        while (coming := self._coming()) and (first := min(coming, key=lambda pair: pair[0]))[0] <= end:
            self.clock.move_to(first[0])
            first[1]()

    def crash(self) -> None:
        """What the process remembered is gone; what it had begun comes again by itself."""
        self.outside.watching = False
        self.begin_process()
        self._retry_later()

    def recover(self) -> None:
        self.provider._sites, self.provider._ports = None, (0, 0)  # a fork has no threads that would serve
        self.provider.start()
        os.environ["PROVIDER_URL"] = self.provider.api_url
        self.run()

    def invoke(self, service: str, event: Event, *, seconds: float = PLENTY_SECONDS) -> Event | None:
        if service == "lister" and "Records" in event and self._hurries:
            self._hurries -= 1
            seconds = HURRY_SECONDS
        self.outside.watching = True
        answer = super().invoke(service, event, seconds=seconds)
        if answer is not None:
            self.outside.emit("Lambda", "answer", Moment.BEFORE)
        self.outside.watching = False
        return answer

    def environment(self) -> dict[str, str]:
        return super().environment() | {
            "PROVIDER_URL": self.provider.api_url,
            "REQUESTS_PER_SECOND": "1e6",  # so that no time passes between two
        }

    def patches(self) -> Iterable[AbstractContextManager[object]]:
        """The clock, the dice, one thread where there are several, so that a run is the same each time."""
        yield self.outside.attached()
        yield from super().patches()
        yield patch.object(
            telesign, "Budget", partial(Budget, now=self.clock.timestamp, sleep=self.clock.sleep)
        )
        yield patch.object(telesign, "PAGE_SIZE", PAGE_SIZE)
        yield patch.object(ticking, "CHUNK", CHUNK)
        yield patch.object(items, "SHARDS", SHARDS)
        yield patch.object(ledger, "OPEN_SHARDS", items.OPEN_SHARDS[:SHARDS])
        for module in (lister, fetcher):
            yield patch.object(module, "random", SimpleNamespace(random=lambda: 0.5))
        for threaded in (ledger, fetcher):
            yield patch.object(threaded, "ThreadPoolExecutor", lambda _most: ThreadPoolExecutor(1))

    def _coming(self) -> list[tuple[datetime, Callable[[], object]]]:
        coming: list[tuple[datetime, Callable[[], object]]] = [
            (at, partial(self.deliver, queue, BATCHES[queue]))
            for queue in QUEUES
            if (at := self.account.next_at(queue)) is not None
        ]
        coming += [(each.at, partial(self._happen, each)) for each in self._scheduled]
        soon = min((at for at, _ in coming), default=self._tick_at)
        if self._tick_at > soon or not self._at_rest():
            coming.append((self._tick_at, self._tick_as_scheduled))
        return coming

    def _at_rest(self) -> bool:
        """Nothing is owed: a tick would find nothing, so the rest of the messages is all that is left to see."""
        if self.clock() < self.story.busy_until or self._scheduled or self._tick_at == NOW:
            return False
        return not any("open_shard" in item for item in self.account.items())

    def _tick_as_scheduled(self) -> None:
        self._tick_at += self.story.tick_every
        self._happen(Scheduled(at=self.clock(), kind="tick"))

    def _happen(self, event: Scheduled) -> None:
        self._scheduled = [each for each in self._scheduled if each != event]
        self._running = event
        if self.invoke("lister", {"kind": event.kind}) is None:
            self._retry_later()
        self._running = None

    def _retry_later(self) -> None:
        event, self._running = self._running, None
        if event is not None and event.tries < len(ASYNC_RETRIES):
            at = self.clock() + ASYNC_RETRIES[event.tries]
            self._scheduled.append(replace(event, at=at, tries=event.tries + 1))

    def _hear(self, site: Site, moment: Moment, about: str) -> None:
        called = about.rpartition("/")[2]
        if moment is Moment.AFTER and site.operation == "call" and called in self._rivals:
            self._rivals.discard(called)
            self._write_as_a_rival(called)
        self._listener(site, moment)

    def _write_as_a_rival(self, reference_id: str) -> None:
        self.outside.watching = False
        rival = Ledger(self.account.dynamodb, self.account.table)
        call = rival.read(reference_id)
        if call is not None:
            rival.write(call)
        self.outside.watching = True

    def _put_what_is_there(self) -> None:
        for file in self.story.files:
            if file.file_name in self.story.already_there:
                self.account.put(file)
