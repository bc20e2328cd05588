"""Ends the functions' process at each moment of each call, and looks at what becomes of the archive.

At each moment the world is forked. In the copy the process that made the call ends there as if it were killed: not
a line of it runs on. Time goes on, nobody acts, and what is left must come to a good end. The original runs on to
the next moment. So what is found is what is tried, and each crash leaves the very state that the run had there.

A killed process leaves nothing but what is outside of it. So moments between which nothing outside has changed
(after one call and before the next, before and after a read) are the same crash, and are tried once.
"""

import gc
import json
import os
import traceback
import warnings
from collections import deque
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final, NoReturn

from tests.proofs.aws import Stack
from tests.proofs.crashes.outside import Moment, Site
from tests.proofs.crashes.world import StoryWorld
from tests.proofs.stories import Story

SEED: Final = 1
AGAIN_WITHIN: Final = 60
"""A second crash comes within so many moments of the recovery."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    story: str
    number: int
    """Of the moment in the story's run."""
    site: Site
    moment: Moment
    again: int | None = None
    """The moment of the recovery at which the process ends once more."""

    def __str__(self) -> str:
        again = "" if self.again is None else f", and again {self.again} moments later"
        return f"{self.story}: crash {self.number}, {self.moment} {self.site}{again}"


@dataclass(slots=True, kw_only=True)
class Report:
    found: dict[Crash, Crash] = field(default_factory=dict)
    """Each moment of a run, in order, and the crash that stands for it: itself, or an earlier one like it."""
    verdicts: dict[Crash, list[str]] = field(default_factory=dict)
    """What each crash that was tried has led to that must not be."""
    twice: int = 0
    """In how many of these the recovery lasted long enough for its own crash."""
    uncrashed: list[str] = field(default_factory=list)
    """What is wrong without any crash."""

    @property
    def tried(self) -> list[Crash]:
        return [crash for crash, same in self.found.items() if same in self.verdicts]

    @property
    def wrong(self) -> list[str]:
        crashed = [f"{crash}: {what}" for crash, wrong in self.verdicts.items() for what in wrong]
        return self.uncrashed + crashed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Copy:
    crash: Crash
    pid: int
    verdict: int
    """The reading end of a pipe."""


@dataclass(slots=True, kw_only=True)
class _InCopy:
    answer: int | None = None
    """The writing end of the pipe; None in the original."""
    until_again: int = 0
    ends: int = 0
    wrong: list[str] = field(default_factory=list)


class Killer:
    """Runs one story. `again` is the share of its crashes that are followed by a second, as a case of its own;
    `each` tries every moment by itself, also those that are the same crash."""

    def __init__(
        self, story: Story, stack: Stack, *, jobs: int = 1, again: float = 0, each: bool = False
    ) -> None:
        self.report = Report()
        self._world = StoryWorld(story, stack, self._hear)
        self._jobs, self._again, self._each = jobs, again, each
        self._dice = Random(f"{SEED}/{story.name}")  # noqa: S311 - the same crashes each time
        self._last: tuple[object, Crash] | None = None
        self._copies: deque[_Copy] = deque()
        self._copy = _InCopy()

    def run(self) -> Report:
        with self._world.opened():
            self._world.run()
            self.report.uncrashed = self._world.found_wrong(at_rest=True)
            while self._copies:
                self._hear_verdict()
        return self.report

    def _hear(self, site: Site, moment: Moment) -> None:
        if self._copy.answer is not None:
            self._copy.until_again -= 1
            if self._copy.until_again == 0:
                self._end_process()
            return
        number = len(self.report.found)
        crash = Crash(story=self._world.story.name, number=number, site=site, moment=moment)
        state = self._world.state()
        if self._last is None or self._last[0] != state or self._each:
            self._last = (state, crash)
            self._fork(crash)
            if self._dice.random() < self._again:
                self._fork(replace(crash, again=self._dice.randint(1, AGAIN_WITHIN)))
        self.report.found[crash] = self._last[1]

    def _fork(self, crash: Crash) -> None:
        if len(self._copies) >= self._jobs:
            self._hear_verdict()
        verdict, answer = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # threads: none holds a lock at these moments
            pid = os.fork()
        if pid:
            os.close(answer)
            self._copies.append(_Copy(crash=crash, pid=pid, verdict=verdict))
            return
        self._copy = _InCopy(answer=answer, until_again=crash.again or 0)
        self._end_process()

    def _end_process(self) -> NoReturn:
        """Nothing of the calls that led here is returned to: they are the process that has ended."""
        copy, world = self._copy, self._world
        copy.ends += 1
        gc.disable()  # a collection would touch, and so copy, all that the copy shares with the original
        try:
            world.crash()
            copy.wrong += world.found_wrong(at_rest=False)
            world.recover()
            copy.wrong += world.found_wrong(at_rest=True)
        except BaseException:  # noqa: BLE001 - whatever it is, it must be heard of
            copy.wrong.append(traceback.format_exc())
        with os.fdopen(copy.answer or 0, "w") as pipe:
            json.dump([copy.ends, copy.wrong], pipe)
        os._exit(0)

    def _hear_verdict(self) -> None:
        copy = self._copies.popleft()
        with os.fdopen(copy.verdict) as pipe:
            text = pipe.read()
        os.waitpid(copy.pid, 0)
        ends, wrong = json.loads(text) if text else (0, ["the copy ended without a verdict"])
        self.report.verdicts[copy.crash] = wrong
        self.report.twice += ends > 1
