"""Looks at a simulated archive from outside, at each write that matters, now and then, and at its end."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from call_archive.model.after_visit import MAX_INVALID_BODIES
from call_archive.model.call import Call, FileStatus
from call_archive.model.window import SECOND, Window
from infra.verification.differences import StoredVersion
from infra.verification.invariants import Violation, violations
from infra.verification.observation import Observation, Served
from tests.proofs.models.queue import Queue
from tests.proofs.simulation.scenario import SECRETS
from tests.proofs.simulation.world import World

if TYPE_CHECKING:
    from datetime import datetime

LOOKS = 12
"""While work goes on, spread over the run."""


class Watch:
    """Takes down every violation; the first look that finds one says when it was."""

    def __init__(self, world: World, *, closely: bool = True) -> None:
        self.world = world
        self.found: list[Violation] = []
        self._before: tuple[StoredVersion, ...] = ()
        self._cursor: datetime | None = None
        self._windows_seen = 0
        self._recent: list[Window] = []
        self._ended_at: dict[tuple[str, str], datetime] = {}
        if not closely:
            return
        world.line.noticed["ledger.write"] = self._call_written
        world.line.noticed["ledger.move_cursor"] = self._cursor_moved
        for number in range(1, LOOKS):
            world.schedule.begin(world.scenario.ends * number / LOOKS, self._look)

    def at_rest(self) -> list[Violation]:
        """What does not hold at the end, and what did not on the way."""
        self._take(violations(self._truth(), self._observation(at_rest=True)))
        return sorted(set(self.found))

    def _look(self) -> None:
        self._take(violations(self._truth(), self._observation(at_rest=False)))

    def _take(self, found: Collection[Violation]) -> None:
        for each in found:
            self.world.note(f"  ## {each}")
        self.found += found

    def _call_written(self, asked: Sequence[Any]) -> None:
        """I5 must hold at once: a moment later the object may be there after all."""
        call: Call | None = self.world.ledger.calls.get(asked[0].reference_id)
        if call is None:
            return
        for name, file in call.files.items():
            if file.status is not FileStatus.RECORDING:
                self._ended_at.setdefault((call.reference_id, name), self.world.clock())
        keys = set(_keys(call))
        versions = [each for each in self.world.archive.versions if each.key in keys]
        seen = Observation(at_rest=False, calls={call.reference_id: call}, versions=versions, read=self._read)
        self._take([each for each in violations((), seen) if each.invariant in ("I2", "I5")])

    def _cursor_moved(self, _: Sequence[Any]) -> None:
        """I6 must hold at once: a later tick could note a window that was passed."""
        cursor, noted = self.world.ledger.cursor, self.world.ledger.noted
        if cursor == self._cursor:
            return
        self._recent = [*self._recent[-30:], *noted[self._windows_seen :]]
        self._windows_seen = len(noted)
        seen = Observation(
            at_rest=False,
            calls={},
            versions=(),
            read=self._read,
            listed_from=self.world.scenario.archive_from if self._cursor is None else self._cursor + SECOND,
            listed_until=cursor,
            noted_windows=self._recent,
        )
        self._take(violations((), seen))
        self._cursor = cursor

    def _observation(self, *, at_rest: bool) -> Observation:
        world, before = self.world, self._before
        self._before = tuple(world.archive.versions)
        return Observation(
            at_rest=at_rest,
            calls=dict(world.ledger.calls),
            versions=self._before,
            read=self._read,
            versions_before=before,
            windows=list(world.ledger.windows.values()) if at_rest else (),
            listed_from=world.scenario.archive_from if at_rest else None,
            listed_until=world.ledger.cursor,
            noted_windows=world.ledger.noted if at_rest else (),
            uploads=world.archive.uploads,
            messages={body for queue in _queues(world) for body, _ in queue.sent} if at_rest else (),
            dead_letters={body for queue in _queues(world) for body in queue.dead},
            poison=world.scenario.poison,
            most_visits=world.scenario.most_visits,
            ended_at=self._ended_at,
            losses_reported=world.losses_reported if at_rest else None,
            secrets=SECRETS,
            texts=list(_texts(world)) if at_rest else (),
        )

    def _read(self, version: StoredVersion) -> bytes:
        return self.world.archive.bodies[version.key]

    def _truth(self) -> list[Served]:
        """A file for which no recording came five times may be given up: that was the provider's answer."""
        return [
            replace(each, recording_ends=each.recording_ends | {FileStatus.FAILED})
            if self._html_served(each) >= MAX_INVALID_BODIES
            else each
            for each in self.world.scenario.truth
        ]

    def _html_served(self, file: Served) -> int:
        return self.world.line.html[f"https://recordings.example/{file.reference_id}/{file.file_name}"]


def _keys(call: Call) -> Iterator[str]:
    for file in call.files.values():
        if file.recording is not None:
            yield file.recording.key
        if file.transcript is not None and file.transcript.stored is not None:
            yield file.transcript.stored.key


def _queues(world: World) -> tuple[Queue, Queue]:
    return world.windows_queue, world.fetch_queue


def _texts(world: World) -> Iterator[tuple[str, str]]:
    """All that a run leaves anywhere, but for the objects themselves."""
    yield from world.texts
    yield from (("ledger", repr(call)) for call in world.ledger.calls.values())
    yield from (("key", version.key) for version in world.archive.versions)
    for queue in _queues(world):
        yield from ((queue.name, body) for body, _ in queue.sent)
