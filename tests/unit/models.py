"""One archive of one scripted provider, in virtual time: the use cases are the real ones, the rest are models."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from call_archive.list_window import ListDeps, list_window
from call_archive.model.message import VisitMessage, WindowMessage
from call_archive.model.pending import Policy
from call_archive.tick import TickDeps, recheck, tick
from call_archive.visit_call import VisitDeps, visit
from tests.proofs.models.archive import Archive
from tests.proofs.models.ledger import Ledger
from tests.proofs.models.provider import WAVE, Provider, ScriptedFile
from tests.proofs.models.queue import Queue
from tests.proofs.models.steps import Clock, CrashError, Steps, crash

__all__ = ["WAVE", "CrashError", "ScriptedFile", "World", "crash"]

TICK_EVERY = timedelta(minutes=5)
PLENTY_SECONDS = 600.0


class World:
    """One archive of one scripted provider, its use cases the real ones, run in virtual time."""

    def __init__(
        self,
        calls: Mapping[str, Sequence[ScriptedFile]],
        *,
        now: datetime,
        policy: Policy | None = None,
        copies: int = 1,
        page_size: int = 100,
        fetch_queue_target: int = 1000,
    ) -> None:
        policy = policy or Policy()
        self.clock, self.steps = Clock(now), Steps()
        self.told: list[tuple[str, dict[str, object]]] = []
        self.gauges: dict[str, float] = {}
        self.seconds_left = PLENTY_SECONDS
        self.ledger = Ledger(self.clock, self.steps)
        self.archive = Archive(self.clock, self.steps)
        self.provider = Provider(calls, self.clock, self.steps, page_size=page_size)
        self.fetch_queue = Queue("fetch_queue", self.clock, self.steps, copies=lambda: copies)
        self.windows_queue = Queue("windows_queue", self.clock, self.steps, copies=lambda: copies)
        self.visiting = VisitDeps(
            ledger=self.ledger,
            provider=self.provider,
            downloads=self.provider,
            bucket=self.archive,
            queue=self.fetch_queue,
            policy=policy,
            now=self.clock,
            random=lambda: 0.5,
            emit=self._tell,
        )
        self.listing = ListDeps(
            ledger=self.ledger,
            provider=self.provider,
            fetch_queue=self.fetch_queue,
            windows_queue=self.windows_queue,
            now=self.clock,
            random=lambda: 0.5,
            emit=self._tell,
            lease=policy.lease,
        )
        self.ticking = TickDeps(
            ledger=self.ledger,
            fetch_queue=self.fetch_queue,
            windows_queue=self.windows_queue,
            archive_from=now,
            overlap=timedelta(minutes=15),
            recheck=timedelta(days=7),
            fetch_queue_target=fetch_queue_target,
            now=self.clock,
            gauge=self._gauge,
            emit=self._tell,
            lease=policy.lease,
        )

    def visit(self, message: VisitMessage) -> None:
        visit(message, self.visiting, seconds_left=lambda: self.seconds_left)

    def list_window(self, message: WindowMessage) -> None:
        list_window(message, self.listing, seconds_left=lambda: self.seconds_left)

    def tick(self) -> None:
        tick(self.ticking, seconds_left=lambda: self.seconds_left)

    def recheck(self) -> None:
        recheck(self.ticking)

    def run(self, until: datetime, *, ticks: bool = True) -> None:
        """Delivers messages as they become visible, and ticks every five minutes, until that moment."""
        tick_at = self.clock() if ticks else None
        while (first := self._first(tick_at)) is not None and first[0] <= until:
            moment, happen = first
            self.clock.move_to(moment)
            happen()
            if tick_at is not None and moment == tick_at and happen == self.tick:
                tick_at += TICK_EVERY
        self.clock.move_to(until)

    def deliver_visit(self) -> None:
        self.fetch_queue.deliver(lambda body: self.visit(VisitMessage.from_json(body)))

    def deliver_window(self) -> None:
        self.windows_queue.deliver(lambda body: self.list_window(WindowMessage.from_json(body)))

    def told_of(self, event: str) -> list[dict[str, object]]:
        return [fields for name, fields in self.told if name == event]

    def _first(self, tick_at: datetime | None) -> tuple[datetime, Callable[[], None]] | None:
        coming: list[tuple[datetime | None, Callable[[], None]]] = [
            (self.windows_queue.next_at(), self.deliver_window),
            (self.fetch_queue.next_at(), self.deliver_visit),
            (tick_at, self.tick),
        ]
        known = [(moment, happen) for moment, happen in coming if moment is not None]
        return min(known, key=lambda pair: pair[0], default=None)

    def _gauge(self, name: str, value: float) -> None:
        self.gauges[name] = value

    def _tell(self, event: str, **fields: object) -> None:
        self.told.append((event, fields))
