"""Reference models of what the use cases work with, in virtual time: small enough to be seen to be right."""

import hashlib
import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Generic, TypeVar, cast

from call_archive.calls import Call, Row, StoredObject
from call_archive.downloads import Download
from call_archive.errors import ArchiveError, PermanentError, StaleTokenError, UnknownCallError
from call_archive.keys import Origin
from call_archive.ledger import IndexedCall
from call_archive.listing import Listing, list_window
from call_archive.messages import VisitMessage, WindowMessage
from call_archive.rows import Page
from call_archive.ticking import Ticking, recheck, tick
from call_archive.visiting import Visiting, visit
from call_archive.visits import Policy
from call_archive.windows import OwedWindow, Window

M = TypeVar("M", VisitMessage, WindowMessage)

WAVE = b"RIFF\x24\x00\x00\x00WAVEfmt "
LONGEST_DELAY_SECONDS = 900
MOST_RECEIVES = 5
VISIBILITY = timedelta(minutes=18)
TICK_EVERY = timedelta(minutes=5)
PLENTY_SECONDS = 600.0


class CrashError(Exception):
    """The function's process ends here."""


def crash() -> None:
    raise CrashError


class Clock:
    """Stands still until it is moved, never back."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def __call__(self) -> datetime:
        return self._now

    def advance(self, **elapsed: float) -> None:
        self.move_to(self._now + timedelta(**elapsed))

    def move_to(self, moment: datetime) -> None:
        self._now = max(self._now, moment)


class Steps:
    """What the models were asked for, in order; `interrupt` puts a crash or a rival just before a step."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self._interrupts: defaultdict[str, list[Callable[[], object]]] = defaultdict(list)

    def __call__(self, step: str) -> None:
        self.taken.append(step)
        if self._interrupts[step]:
            self._interrupts[step].pop(0)()

    def interrupt(self, step: str, *actions: Callable[[], object]) -> None:
        """Does the first action before the next such step, the second before the one after it, and so on."""
        self._interrupts[step] += actions


@dataclass(order=True, slots=True)
class _Waiting:
    visible_at: datetime
    number: int
    body: str = field(compare=False)
    receives: int = field(compare=False, default=0)


class Queue(Generic[M]):
    """SQS: delays, gives each message at least once (`copies` times), and a failed one again, five times."""

    def __init__(
        self, name: str, parse: Callable[[str], M], clock: Clock, steps: Steps, *, copies: int = 1
    ) -> None:
        self.sent: list[tuple[str, int]] = []
        """Each message's body and delay in seconds."""
        self.dead: list[str] = []
        self._name, self._copies = name, copies
        self._parse: Callable[[str], M] = parse
        self._clock, self._steps = clock, steps
        self._waiting: list[_Waiting] = []
        self._numbers = count()

    def send(self, messages: Sequence[VisitMessage | WindowMessage], *, delay_seconds: int = 0) -> None:
        assert 0 <= delay_seconds <= LONGEST_DELAY_SECONDS
        for message in messages:
            self._steps(f"{self._name}.send")
            self.sent.append((message.to_json(), delay_seconds))
            for _ in range(self._copies):
                self._put(message.to_json(), timedelta(seconds=delay_seconds))

    def length(self) -> int:
        return len(self._waiting)

    def next_at(self) -> datetime | None:
        """When the next message can be received; None when there is none."""
        return self._waiting[0].visible_at if self._waiting else None

    def deliver(self, handle: Callable[[M], None]) -> None:
        """Hands out the next message; it comes back when handling it fails."""
        waiting = heapq.heappop(self._waiting)
        try:
            handle(self._parse(waiting.body))
        except (ArchiveError, CrashError):
            if waiting.receives + 1 < MOST_RECEIVES:
                self._put(waiting.body, VISIBILITY, receives=waiting.receives + 1)
            else:
                self.dead.append(waiting.body)

    def lose_all(self) -> None:
        """Every message in flight vanishes."""
        self._waiting.clear()

    def _put(self, body: str, delay: timedelta, *, receives: int = 0) -> None:
        waiting = _Waiting(self._clock() + delay, next(self._numbers), body, receives)
        heapq.heappush(self._waiting, waiting)


class Ledger:
    """The table: one call an id, written only by who read its last version; the windows owed; the cursor."""

    def __init__(self, steps: Steps) -> None:
        self.calls: dict[str, Call] = {}
        self.windows: dict[Window, OwedWindow] = {}
        self.cursor: datetime | None = None
        self._steps = steps

    def read(self, reference_id: str) -> Call | None:
        self._steps("ledger.read")
        return self.calls.get(reference_id)

    def write(self, call: Call) -> bool:
        self._steps("ledger.write")
        held = self.calls.get(call.reference_id)
        if (held.version if held else 0) != call.version:
            return False
        self.calls[call.reference_id] = replace(call, version=call.version + 1)
        return True

    def read_many(self, reference_ids: Iterable[str]) -> dict[str, Call]:
        return {each: self.calls[each] for each in reference_ids if each in self.calls}

    def write_many(self, calls: Sequence[Call]) -> list[bool]:
        return [self.write(call) for call in calls]

    def lease_call(self, reference_id: str, *, seen: datetime, until: datetime) -> bool:
        call = self.calls[reference_id]
        if call.settled or call.next_visit_at != seen:
            return False
        self.calls[reference_id] = replace(call, next_visit_at=until)
        return True

    def due_calls(self, now: datetime, most: int) -> list[tuple[str, datetime]]:
        due = [
            (call.reference_id, call.next_visit_at)
            for call in self.calls.values()
            if not call.settled and call.next_visit_at <= now
        ]
        return sorted(due, key=lambda pair: pair[1])[:most]

    def open_calls(self) -> Iterator[IndexedCall]:
        for call in self.calls.values():
            if not call.settled:
                yield IndexedCall(
                    reference_id=call.reference_id,
                    recorded_at=call.recorded_at,
                    first_listed_at=call.first_listed_at,
                )

    def owe_windows(self, owed: Sequence[OwedWindow]) -> None:
        self._steps("ledger.owe_windows")
        self.windows |= {each.window: each for each in owed}

    def note_window(self, owed: OwedWindow) -> None:
        if owed.window in self.windows:
            self.windows[owed.window] = owed

    def read_window(self, window: Window) -> OwedWindow | None:
        return self.windows.get(window)

    def finish_window(self, window: Window) -> None:
        self._steps("ledger.finish_window")
        self.windows.pop(window, None)

    def due_windows(self, now: datetime, most: int) -> list[OwedWindow]:
        due = [owed for owed in self.windows.values() if owed.next_visit_at <= now]
        return sorted(due, key=lambda owed: owed.next_visit_at)[:most]

    def open_windows(self) -> list[OwedWindow]:
        return list(self.windows.values())

    def lease_window(self, window: Window, *, seen: datetime, until: datetime) -> bool:
        owed = self.windows.get(window)
        if owed is None or owed.next_visit_at != seen:
            return False
        self.windows[window] = replace(owed, next_visit_at=until)
        return True

    def listed_until(self) -> datetime | None:
        return self.cursor

    def move_cursor(self, until: datetime) -> bool:
        self._steps("ledger.move_cursor")
        if self.cursor is not None and self.cursor >= until:
            return False
        self.cursor = until
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedFile:
    """A recording file's life at the provider. It has no name until it is available."""

    name: str = "a.wav"
    begins_at: datetime
    available_at: datetime
    transcribing_at: datetime | None = None
    transcribed_at: datetime | None = None
    deleted_at: datetime | None = None
    body: bytes = WAVE

    def row(self, reference_id: str, now: datetime) -> Row | None:
        """What the provider tells of it now; None before it begins."""
        if now < self.begins_at:
            return None
        row = Row(reference_id=reference_id, file_name=None, status="recording", recorded_at=self.begins_at)
        if now < self.available_at:
            return row
        row = replace(row, file_name=self.name, status="available", transcribe=self._transcribe(now))
        if _passed(self.deleted_at, now):
            return replace(row, status="deleted")
        return replace(row, url=f"https://recordings.example/{reference_id}/{self.name}")

    def _transcribe(self, now: datetime) -> Mapping[str, Any] | None:
        if _passed(self.transcribed_at, now):
            return {"transcription": [{"status": "completed", "result": [{"text": f"of {self.name}"}]}]}
        if _passed(self.transcribing_at, now):
            return {"transcription": [{"status": "in progress"}]}
        return None


def _passed(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and moment <= now


class Provider:
    """The provider and its download host; `calls` may be changed as a test goes on."""

    def __init__(
        self, calls: Mapping[str, Sequence[ScriptedFile]], clock: Clock, steps: Steps, *, page_size: int = 100
    ) -> None:
        self.calls = dict(calls)
        self._clock, self._steps, self._page_size = clock, steps, page_size
        self._tokens: dict[str, tuple[Window, int]] = {}

    def call(self, reference_id: str) -> tuple[Row, ...]:
        self._steps("provider.call")
        rows = self._rows(reference_id)
        if not rows:
            raise UnknownCallError("the provider does not know this call (404)")
        return tuple(rows)

    def first_page(self, window: Window) -> Page:
        self._steps("provider.first_page")
        return self._page(window, 0)

    def next_page(self, token: str) -> Page:
        self._steps("provider.next_page")
        if token not in self._tokens:
            raise StaleTokenError("the provider no longer accepts the page's token (400)")
        return self._page(*self._tokens[token])

    @contextmanager
    def open(self, url: str, *, seconds: float) -> Iterator[Download]:
        assert seconds > 0
        self._steps("downloads.open")
        reference_id, name = url.split("/")[-2:]
        yield cast("Download", _Body(next(f.body for f in self.calls[reference_id] if f.name == name)))

    def _rows(self, reference_id: str) -> list[Row]:
        files = self.calls.get(reference_id, ())
        return [row for file in files if (row := file.row(reference_id, self._clock())) is not None]

    def _page(self, window: Window, offset: int) -> Page:
        rows = [
            row
            for reference_id in self.calls
            for row in self._rows(reference_id)
            if row.recorded_at is not None and window.start <= row.recorded_at <= window.end
        ]
        end = offset + self._page_size
        token = f"{window.start}/{window.end}/{end}" if end < len(rows) else None
        if token:
            self._tokens[token] = (window, end)
        return Page(rows=tuple(rows[offset:end]), token=token, unreadable=0)


class _Body:
    """As much of a Download as is used, of bytes in memory."""

    def __init__(self, body: bytes) -> None:
        self._left = body
        self.size = len(body)

    def sha256(self) -> str:
        return hashlib.sha256(self.read()).hexdigest()

    def read(self, most: int = -1) -> bytes:
        most = len(self._left) if most < 0 else most
        piece, self._left = self._left[:most], self._left[most:]
        return piece


class Archive:
    """The bucket: an object is put once and never again."""

    def __init__(self, clock: Clock, steps: Steps) -> None:
        self.objects: dict[str, StoredObject] = {}
        self._clock, self._steps = clock, steps

    def put_recording(self, origin: Origin, download: Download) -> StoredObject | None:
        self._steps("archive.put_recording")
        return self._put(origin.recording_key, download.size, download.sha256())

    def put_transcript(self, origin: Origin, document: bytes) -> StoredObject:
        self._steps("archive.put_transcript")
        key, sha256 = origin.transcript_key, hashlib.sha256(document).hexdigest()
        stored = self._put(key, len(document), sha256)
        return stored or self.same(key, size=len(document), sha256=sha256)

    def same(self, key: str, *, size: int, sha256: str) -> StoredObject:
        there = self.objects[key]
        if (there.size, there.sha256) != (size, sha256):
            raise PermanentError(f"a different object already lies at {key}: it was left as it is")
        return there

    def _put(self, key: str, size: int, sha256: str) -> StoredObject | None:
        if key in self.objects:
            return None
        self.objects[key] = StoredObject(
            key=key, size=size, sha256=sha256, version_id="1", archived_at=self._clock()
        )
        return self.objects[key]


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
        self.ledger = Ledger(self.steps)
        self.archive = Archive(self.clock, self.steps)
        self.provider = Provider(calls, self.clock, self.steps, page_size=page_size)
        self.fetch_queue = Queue("fetch_queue", VisitMessage.from_json, self.clock, self.steps, copies=copies)
        self.windows_queue = Queue(
            "windows_queue", WindowMessage.from_json, self.clock, self.steps, copies=copies
        )
        self.visiting = Visiting(
            ledger=self.ledger,
            provider=self.provider,
            downloads=self.provider,
            archive=self.archive,
            queue=self.fetch_queue,
            policy=policy,
            now=self.clock,
            random=lambda: 0.5,
            tell=self._tell,
        )
        self.listing = Listing(
            ledger=self.ledger,
            provider=self.provider,
            fetch_queue=self.fetch_queue,
            windows_queue=self.windows_queue,
            now=self.clock,
            random=lambda: 0.5,
            tell=self._tell,
            lease=policy.lease,
        )
        self.ticking = Ticking(
            ledger=self.ledger,
            fetch_queue=self.fetch_queue,
            windows_queue=self.windows_queue,
            archive_from=now,
            overlap=timedelta(minutes=15),
            recheck=timedelta(days=7),
            fetch_queue_target=fetch_queue_target,
            now=self.clock,
            gauge=self._gauge,
            tell=self._tell,
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

    def told_of(self, event: str) -> list[dict[str, object]]:
        return [fields for name, fields in self.told if name == event]

    def _first(self, tick_at: datetime | None) -> tuple[datetime, Callable[[], None]] | None:
        coming: list[tuple[datetime | None, Callable[[], None]]] = [
            (self.windows_queue.next_at(), self._deliver_window),
            (self.fetch_queue.next_at(), self._deliver_visit),
            (tick_at, self.tick),
        ]
        known = [(moment, happen) for moment, happen in coming if moment is not None]
        return min(known, key=lambda pair: pair[0], default=None)

    def _deliver_visit(self) -> None:
        self.fetch_queue.deliver(self.visit)

    def _deliver_window(self) -> None:
        self.windows_queue.deliver(self.list_window)

    def _gauge(self, name: str, value: float) -> None:
        self.gauges[name] = value

    def _tell(self, event: str, **fields: object) -> None:
        self.told.append((event, fields))
