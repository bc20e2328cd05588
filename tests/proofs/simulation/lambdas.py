"""Lambda: functions that run, several at once, and what brings them messages."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from call_archive.provider.budget import Budget
from call_archive.telemetry import log_failures
from tests.proofs.models.steps import CrashError
from tests.proofs.simulation.line import Invocation
from tests.proofs.simulation.scenario import START

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.proofs.models.queue import Message, Queue
    from tests.proofs.simulation.world import World


class Function:
    """Runs invocations; each of its execution environments spaces its own requests out."""

    def __init__(self, world: World, name: str, *, share: float, slots: int) -> None:
        self.world, self.name = world, name
        self.free = [
            Budget(share, now=lambda: world.schedule.seconds, sleep=world.schedule.wait) for _ in range(slots)
        ]

    def begin(self) -> Invocation:
        world = self.world
        world.invocations += 1
        budget = self.free.pop() if self.free else Budget(1, now=lambda: 0.0, sleep=lambda _: None)
        ends = world.schedule.seconds + world.scenario.settings.timeout_seconds
        return Invocation(name=f"{self.name} {world.invocations}", ends=ends, budget=budget)

    def end(self, invocation: Invocation) -> None:
        world = self.world
        world.longest = max(
            world.longest, world.schedule.seconds - invocation.ends + world.scenario.settings.timeout_seconds
        )
        self.free.append(invocation.budget)
        if invocation.dead:
            world.events["crash"] += 1
        else:
            world.losses_reported.update(invocation.untold)


class Poller:
    """Lambda's side of a queue: batches to a function, as many at once as it may run."""

    def __init__(
        self, function: Function, queue: Queue, handle: Callable[[str, Invocation], None], *, batch: int
    ) -> None:
        self._function, self._queue, self._handle, self._batch = function, queue, handle, batch
        self._schedule, self._random = function.world.schedule, function.world.random
        self._wakes_at: float | None = None

    def wake(self, _: Sequence[Any] = ()) -> None:
        """Looks again when the next message can be received."""
        visible_at = self._queue.next_at()
        if visible_at is None or not self._function.free:
            return
        seconds = max((visible_at - START).total_seconds(), self._schedule.seconds)
        if self._wakes_at is None or seconds < self._wakes_at:
            self._wakes_at = seconds
            self._schedule.begin(seconds, self._receive)

    def _receive(self) -> None:
        if self._wakes_at is not None and self._wakes_at <= self._schedule.seconds:
            self._wakes_at = None
        while self._function.free and (messages := self._queue.receive(self._random.randint(1, self._batch))):
            invocation = self._function.begin()
            open_tasks = set(range(len(messages)))
            done: list[Message] = []
            for number, message in enumerate(messages):
                task = partial(self._work, invocation, message, number, open_tasks, done)
                self._schedule.begin(self._schedule.seconds + 0.001 * self._random.random(), task)
        self.wake()

    def _work(
        self, invocation: Invocation, message: Message, number: int, open_tasks: set[int], done: list[Message]
    ) -> None:
        world = self._function.world
        self._schedule.own(invocation)
        try:
            with log_failures(str(message.number), emit=world.emit):
                self._handle(message.body, invocation)
        except CrashError:
            pass
        except Exception as error:  # noqa: BLE001 - as the real handler: it fails its message alone
            world.note(f"  {invocation.name}: message failed, {type(error).__name__}")
        else:
            done.append(message)
        self._schedule.own(None)
        open_tasks.discard(number)
        if not open_tasks:
            if not invocation.dead:
                for each in done:
                    self._queue.delete(each)
            self._function.end(invocation)
            self.wake()
