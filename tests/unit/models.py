"""One archive of one scripted provider, in virtual time: the use cases are the real ones, the rest are models."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from call_archive.list_window import list_window
from call_archive.model.message import VisitMessage, WindowMessage
from call_archive.model.policy import Policy
from call_archive.tick import recheck, tick
from call_archive.visit_call import visit
from tests.proofs.clock import Clock
from tests.proofs.models.parts import Parts
from tests.proofs.models.provider import WAVE, Provider, ScriptedFile
from tests.proofs.models.steps import CrashError, Steps, crash

__all__ = ["WAVE", "CrashError", "ScriptedFile", "World", "crash"]

TICK_EVERY = timedelta(minutes=5)
PLENTY_SECONDS = 600.0


class World(Parts):
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
        clock, steps = Clock(now), Steps()
        self.told: list[tuple[str, dict[str, object]]] = []
        self.seconds_left = PLENTY_SECONDS
        super().__init__(
            clock,
            steps,
            Provider(calls, clock, steps, page_size=page_size),
            lambda event, **fields: self.told.append((event, fields)),
            archive_from=now,
            policy=policy or Policy(),
            copies=lambda: copies,
            fetch_queue_target=fetch_queue_target,
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
