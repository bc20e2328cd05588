"""Virtual time. Tasks run one at a time and take turns where they wait, so that a seed decides who goes first.

A task is synchronous code that waits deep inside of a call, hence greenlets: with threads that hand over a baton the
same costs a switch of the operating system each time, and on a busy machine those are most of the run.
"""

import heapq
from collections.abc import Callable
from datetime import datetime, timedelta

from greenlet import getcurrent, greenlet

from tests.proofs.clock import Clock


class Task(greenlet):
    owner: object = None
    """Whom it works for; None for the harness itself."""


class _Clock(Clock):
    """Reckons the time when it is asked for: most moves are seen by nobody."""

    def __init__(self, start: datetime) -> None:
        super().__init__(start)
        self.seconds = 0.0
        self._start, self._reckoned = start, 0.0

    def __call__(self) -> datetime:
        if self.seconds != self._reckoned:
            self._reckoned = self.seconds
            self._now = self._start + timedelta(seconds=self.seconds)
        return self._now


class Schedule:
    """What happens when: seconds since `start`, and for one moment in the order in which it was planned."""

    def __init__(self, start: datetime) -> None:
        self.clock = _Clock(start)
        self._coming: list[tuple[float, int, Callable[[], None] | Task]] = []
        self._planned = 0
        self._hub = getcurrent()
        self._until = 0.0

    @property
    def seconds(self) -> float:
        return self.clock.seconds

    @property
    def owner(self) -> object:
        task = getcurrent()
        return task.owner if isinstance(task, Task) else None

    def own(self, owner: object) -> None:
        task = getcurrent()
        if isinstance(task, Task):
            task.owner = owner

    def begin(self, seconds: float, work: Callable[[], None]) -> None:
        """Begins a task at that moment."""
        self._plan(seconds, work)

    def wait(self, seconds: float) -> None:
        """Lets others run for so long. Called from within a task."""
        wakes_at, task = self.seconds + seconds, getcurrent()
        if wakes_at < min(self._coming[0][0] if self._coming else self._until, self._until):
            self._move_to(wakes_at)  # nobody comes before: a switch would lead back here
        elif isinstance(task, Task):
            self._plan(wakes_at, task)
            self._hub.switch()

    def run(self, until: float) -> None:
        """Runs everything up to that moment; what a task raises ends it."""
        self._until = until
        while self._coming and self._coming[0][0] <= until:
            moment, _, entry = heapq.heappop(self._coming)
            self._move_to(moment)
            (entry if isinstance(entry, Task) else Task(entry)).switch()
        self._move_to(until)

    def stop(self) -> None:
        """Ends what still waits."""
        for _, _, entry in self._coming:
            if isinstance(entry, Task):
                entry.throw()

    def _plan(self, seconds: float, entry: Callable[[], None] | Task) -> None:
        self._planned += 1
        heapq.heappush(self._coming, (max(seconds, self.seconds), self._planned, entry))

    def _move_to(self, seconds: float) -> None:
        self.clock.seconds = max(self.clock.seconds, seconds)
