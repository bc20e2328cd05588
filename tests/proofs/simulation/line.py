"""What every step of a simulated function passes: time goes by, others run, and what can go wrong does."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar

from call_archive.errors import RetryableError
from call_archive.provider.budget import Budget
from tests.proofs.models.steps import CrashError, Steps
from tests.proofs.simulation.faults import AFTER, BEFORE, MET, OUTAGES, Dice, Trouble
from tests.proofs.simulation.schedule import Schedule

T = TypeVar("T")

HTML = b"<html><body>This recording was moved.</body></html>"
LATENCY = {"provider": 1.0, "downloads": 0.5, "archive": 4.0}
"""Seconds a step takes at most, by what is asked."""
MIN_LATENCY = 0.02
SLOW = 200
"""A slow one takes up to so many times as long."""


@dataclass(slots=True, kw_only=True)
class Invocation:
    """A function that runs: its tasks die together, when it crashes or its time is up."""

    name: str
    ends: float
    budget: Budget
    dead: bool = False
    untold: list[tuple[str, str]] = field(default_factory=list)
    """Losses that are counted, but not yet written out."""


class Line(Steps):
    def __init__(
        self, schedule: Schedule, trouble: Trouble, random: Random, *, poison: frozenset[str], poisoned: str
    ) -> None:
        super().__init__()
        self.schedule, self.trouble, self.random = schedule, trouble, random
        self.faults: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        self.html: Counter[str] = Counter()
        """Pages served in a recording's place, by the recording's path."""
        self.noticed: dict[str, Callable[[Sequence[Any]], None]] = {}
        """What the harness does once a step was taken, whoever hears of it."""
        self.trace: Callable[[str], None] | None = None
        self._dice = Dice(trouble, random)
        self._poison, self._poisoned = poison, poisoned

    def before(self, step: str, asked: Sequence[Any]) -> None:
        invocation = self._invocation()
        if invocation is None:
            return
        self._pass_time(invocation, step)
        if step == "provider.call" and asked[0] in self._poison:
            raise TypeError(self._poisoned)
        self._fail(invocation, step, asked)

    def after(self, step: str, asked: Sequence[Any], answer: T) -> T:
        if (notice := self.noticed.get(step)) is not None:
            notice(asked)
        invocation = self._invocation()
        if invocation is None or not self._is_troubled:
            return answer
        kind = self._dice.after(step)
        if kind is None:
            return answer
        if kind in MET:
            if not answer:  # it did nothing that could be met
                return answer
            self._count(kind, step, asked)
            met: T = MET[kind][1]
            return met
        self._count(kind, step, asked)
        raise self._dying(invocation, AFTER[kind][1](self.random))

    def accepted(self, step: str, messages: int) -> int:
        if self._is_troubled and self._dice.comes("partly taken"):
            self._count("partly taken", step, ())
            return self.random.randrange(messages)
        return messages

    def served(self, url: str, body: bytes) -> bytes:
        if not self._is_troubled:
            return body
        path = url.split("?", maxsplit=1)[0]
        if self._dice.comes("html body"):
            self._count("html body", "downloads.open", ())
            self.html[path] += 1
            return HTML
        if self._dice.comes("short body"):
            self._count("short body", "downloads.open", ())
            return body[: self.random.randrange(12, len(body))] if len(body) > 12 else body
        return body

    def copies(self) -> int:
        if self._is_troubled and self._dice.comes("delivered twice"):
            self._count("delivered twice", "queue", ())
            return 2
        return 1

    @property
    def steps(self) -> int:
        return self.asked.total()

    @property
    def _is_troubled(self) -> bool:
        return self.schedule.seconds < self.trouble.until

    def _invocation(self) -> Invocation | None:
        owner = self.schedule.owner
        if not isinstance(owner, Invocation):
            return None
        if owner.dead:
            raise CrashError
        return owner

    def _pass_time(self, invocation: Invocation, step: str) -> None:
        self.asked[step] += 1
        asked = step.partition(".")[0]
        if asked == "provider":
            invocation.budget.wait()
        seconds = LATENCY.get(asked, MIN_LATENCY) * self.random.random()
        if self._is_troubled and self._dice.comes("slow"):
            self._count("slow", step, ())
            seconds *= SLOW
        schedule = self.schedule
        schedule.wait(max(0, min(seconds, invocation.ends - schedule.seconds)))
        if invocation.dead:
            raise CrashError
        if schedule.seconds >= invocation.ends:
            self._count("killed by timeout", step, ())
            invocation.dead = True
            raise CrashError

    def _fail(self, invocation: Invocation, step: str, asked: Sequence[Any]) -> None:
        seconds = self.schedule.seconds
        if seconds >= self.trouble.until:
            return
        outage = self.trouble.out(step, seconds)
        if outage is not None:
            self._count(f"outage: {outage}", step, asked)
            raise self._dying(invocation, OUTAGES[outage][1](self.random))
        kind = self._dice.before(step)
        if kind is not None:
            self._count(kind, step, asked)
            error = BEFORE[kind][1](self.random)
            if kind == "429" and isinstance(error, RetryableError):
                invocation.budget.pause(min(max(error.retry_after_seconds, 1), 60))
            raise self._dying(invocation, error)

    def _dying(self, invocation: Invocation, error: BaseException) -> BaseException:
        invocation.dead = invocation.dead or isinstance(error, CrashError)
        return error

    def _count(self, kind: str, step: str, asked: Sequence[Any]) -> None:
        self.faults[kind] += 1
        if self.trace is not None:
            self.trace(f"  !! {kind} at {step} {_short(asked)}")


def _short(asked: Sequence[Any]) -> str:
    first = asked[0] if asked else ""
    return str(getattr(first, "reference_id", first))[:80]
