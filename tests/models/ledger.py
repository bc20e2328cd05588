"""The table: one call an id, written only by who read its last version; the windows owed; the cursor."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from call_archive.calls import Call, RecordingFile, StoredObject
from call_archive.ledger import IndexedCall
from call_archive.windows import OwedWindow, Window
from tests.models.steps import Clock, Steps, step

NOW = timedelta(0)


class Ledger:
    """Reads by key are consistent. What asks an index sees each item as it was up to `lag()` ago."""

    name = "ledger"

    def __init__(self, clock: Clock, steps: Steps, *, lag: Callable[[], timedelta] = lambda: NOW) -> None:
        self.steps = steps
        self.calls: dict[str, Call] = {}
        self.windows: dict[Window, OwedWindow] = {}
        self.noted: list[Window] = []
        """Every window that was ever owed."""
        self.cursor: datetime | None = None
        self._clock, self._lag = clock, lag
        self._hidden: dict[str, tuple[datetime, Call | None]] = {}
        """What the indexes still say of a call that was changed, and until when."""
        self._settled: dict[str, tuple[Call, bool]] = {}

    @step
    def read(self, reference_id: str) -> Call | None:
        return self.calls.get(reference_id)

    @step
    def write(self, call: Call) -> bool:
        held = self.calls.get(call.reference_id)
        if (held.version if held else 0) != call.version:
            return False
        self._keep(_as_kept(replace(call, version=call.version + 1)))
        return True

    @step
    def read_many(self, reference_ids: Iterable[str]) -> dict[str, Call]:
        return {each: self.calls[each] for each in reference_ids if each in self.calls}

    def write_many(self, calls: Sequence[Call]) -> list[bool]:
        return [self.write(call) for call in calls]

    @step
    def lease_call(self, reference_id: str, *, seen: datetime, until: datetime) -> bool:
        call = self.calls.get(reference_id)
        if call is None or self._is_settled(call) or call.next_visit_at != seen:
            return False
        self._keep(replace(call, next_visit_at=_to_seconds(until)))
        return True

    @step
    def due_calls(self, now: datetime, most: int) -> list[tuple[str, datetime]]:
        due = [
            (call.reference_id, call.next_visit_at) for call in self._indexed() if call.next_visit_at <= now
        ]
        return sorted(due, key=lambda pair: pair[1])[:most]

    @step
    def open_calls(self) -> Iterator[IndexedCall]:
        return iter(
            [
                IndexedCall(
                    reference_id=call.reference_id,
                    recorded_at=call.recorded_at,
                    first_listed_at=call.first_listed_at,
                )
                for call in self._indexed()
            ]
        )

    @step
    def owe_windows(self, owed: Sequence[OwedWindow]) -> None:
        kept = [_as_owed(each) for each in owed]
        self.windows |= {each.window: each for each in kept}
        self.noted += [each.window for each in kept]

    @step
    def note_window(self, owed: OwedWindow) -> None:
        owed = _as_owed(owed)
        if owed.window in self.windows:
            self.windows[owed.window] = owed

    @step
    def read_window(self, window: Window) -> OwedWindow | None:
        return self.windows.get(window)

    @step
    def finish_window(self, window: Window) -> None:
        self.windows.pop(window, None)

    @step
    def due_windows(self, now: datetime, most: int) -> list[OwedWindow]:
        due = [owed for owed in self.windows.values() if owed.next_visit_at <= now]
        return sorted(due, key=lambda owed: owed.next_visit_at)[:most]

    @step
    def open_windows(self) -> list[OwedWindow]:
        return list(self.windows.values())

    @step
    def lease_window(self, window: Window, *, seen: datetime, until: datetime) -> bool:
        owed = self.windows.get(window)
        if owed is None or owed.next_visit_at != seen:
            return False
        self.windows[window] = replace(owed, next_visit_at=_to_seconds(until))
        return True

    @step
    def listed_until(self) -> datetime | None:
        return self.cursor

    @step
    def move_cursor(self, until: datetime) -> bool:
        until = _to_seconds(until)
        if self.cursor is not None and self.cursor >= until:
            return False
        self.cursor = until
        return True

    def _keep(self, call: Call) -> None:
        lag = self._lag()
        if lag > NOW:
            reference_id = call.reference_id
            self._hidden.setdefault(reference_id, (self._clock() + lag, self.calls.get(reference_id)))
        self.calls[call.reference_id] = call

    def _indexed(self) -> Iterator[Call]:
        now = self._clock()
        self._hidden = {name: old for name, old in self._hidden.items() if old[0] > now}
        for reference_id, call in self.calls.items():
            seen = self._hidden[reference_id][1] if reference_id in self._hidden else call
            if seen is not None and not self._is_settled(seen):
                yield seen

    def _is_settled(self, call: Call) -> bool:
        """Asked of every call at every tick, and answered anew only for one that was changed."""
        known = self._settled.get(call.reference_id)
        if known is None or known[0] is not call:
            known = self._settled[call.reference_id] = (call, call.settled)
        return known[1]


def _as_kept(call: Call) -> Call:
    """The table keeps moments to the second, and of a settled call none for its next visit."""
    return replace(
        call,
        recorded_at=_to_seconds(call.recorded_at),
        first_listed_at=_to_seconds(call.first_listed_at),
        due_at=_to_seconds(call.due_at),
        next_visit_at=_to_seconds(call.due_at if call.settled else call.next_visit_at),
        missing_since=_to_seconds(call.missing_since) if call.missing_since else None,
        files={name: _file_as_kept(file) for name, file in call.files.items()},
        unnamed=_file_as_kept(call.unnamed) if call.unnamed else None,
    )


def _file_as_kept(file: RecordingFile) -> RecordingFile:
    transcript = file.transcript
    return replace(
        file,
        recorded_at=_to_seconds(file.recorded_at),
        first_seen_at=_to_seconds(file.first_seen_at),
        available_at=_to_seconds(file.available_at) if file.available_at else None,
        recording=_stored_as_kept(file.recording),
        transcript=replace(transcript, stored=_stored_as_kept(transcript.stored)) if transcript else None,
    )


def _stored_as_kept(stored: StoredObject | None) -> StoredObject | None:
    return replace(stored, archived_at=_to_seconds(stored.archived_at)) if stored else None


def _as_owed(owed: OwedWindow) -> OwedWindow:
    window = owed.window
    if window.start.microsecond or window.end.microsecond:
        window = replace(window, start=_to_seconds(window.start), end=_to_seconds(window.end))
    return replace(
        owed,
        window=window,
        due_at=_to_seconds(owed.due_at),
        next_visit_at=_to_seconds(owed.next_visit_at),
    )


def _to_seconds(moment: datetime) -> datetime:
    return moment.replace(microsecond=0) if moment.microsecond else moment
