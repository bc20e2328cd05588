"""The table: one call an id, written only by who read its last version; the windows owed; the cursor."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from call_archive.model.call import Call, RecordingFile, StoredObject
from call_archive.model.window import PendingWindow, Window
from call_archive.storage.ledger import IndexedCall
from tests.proofs.clock import Clock
from tests.proofs.models.steps import Steps, step

NOW = timedelta(0)

Key = TypeVar("Key")
Item = TypeVar("Item")


class Index(Generic[Key, Item]):
    """Shows each item of a table as it was up to `lag()` ago, one that is new not at all, one that is gone still."""

    def __init__(self, clock: Clock, lag: Callable[[], timedelta]) -> None:
        self._clock, self._lag = clock, lag
        self._old: dict[Key, tuple[datetime, Item | None]] = {}
        """What it still says of an item that was changed, and until when."""

    def changes(self, key: Key, old: Item | None) -> None:
        lag, now = self._lag(), self._clock()
        if lag > NOW and (key not in self._old or self._old[key][0] <= now):
            self._old[key] = now + lag, old

    def shown(self, table: Mapping[Key, Item]) -> Iterator[tuple[Key, Item]]:
        now = self._clock()
        self._old = {key: old for key, old in self._old.items() if old[0] > now}
        for key in {**table, **self._old}:
            item = self._old[key][1] if key in self._old else table[key]
            if item is not None:
                yield key, item


class Ledger:
    """Reads by key are consistent. What asks an index goes by each item as it was up to `lag()` ago."""

    name = "ledger"

    def __init__(self, clock: Clock, steps: Steps, *, lag: Callable[[], timedelta] = lambda: NOW) -> None:
        self.steps = steps
        self.calls: dict[str, Call] = {}
        self.windows: dict[Window, PendingWindow] = {}
        self.noted: list[Window] = []
        """Every window that was ever owed."""
        self.cursor: datetime | None = None
        self._indexed_calls: Index[str, Call] = Index(clock, lag)
        self._indexed_windows: Index[Window, PendingWindow] = Index(clock, lag)
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
    def read_each(self, reference_ids: Iterable[str]) -> dict[str, Call]:
        return {each: self.calls[each] for each in reference_ids if each in self.calls}

    def write_many(self, calls: Sequence[Call]) -> list[bool]:
        return [self.write(call) for call in calls]

    @step
    def lease_call(self, reference_id: str, *, expected: datetime, until: datetime) -> bool:
        call = self.calls.get(reference_id)
        if call is None or self._is_settled(call) or call.next_visit_at != expected:
            return False
        self._keep(replace(call, next_visit_at=_to_seconds(until)))
        return True

    @step
    def due_calls(self, now: datetime, limit: int) -> list[tuple[str, datetime]]:
        due = [
            (call.reference_id, call.next_visit_at) for call in self._indexed() if call.next_visit_at <= now
        ]
        return sorted(due, key=lambda pair: pair[1])[:limit]

    @step
    def open_calls(self) -> Iterator[IndexedCall]:
        return iter(
            [
                IndexedCall(
                    reference_id=call.reference_id,
                    recorded_at=call.recorded_at,
                    opened_at=call.opened_at,
                )
                for call in self._indexed()
            ]
        )

    @step
    def put_windows(self, pending: Sequence[PendingWindow]) -> None:
        kept = [_as_owed(each) for each in pending]
        for each in kept:
            self._keep_window(each)
        self.noted += [each.window for each in kept]

    @step
    def update_window(self, pending: PendingWindow) -> None:
        pending = _as_owed(pending)
        if pending.window in self.windows:
            self._keep_window(pending)

    @step
    def read_window(self, window: Window) -> PendingWindow | None:
        return self.windows.get(window)

    @step
    def finish_window(self, window: Window) -> None:
        self._indexed_windows.changes(window, self.windows.pop(window, None))

    @step
    def due_windows(self, now: datetime, limit: int) -> list[PendingWindow]:
        """Chosen by the index, and then read by their keys."""
        shown = [
            pending
            for _, pending in self._indexed_windows.shown(self.windows)
            if pending.next_visit_at <= now
        ]
        due = sorted(shown, key=lambda pending: pending.next_visit_at)[:limit]
        return [self.windows[pending.window] for pending in due if pending.window in self.windows]

    @step
    def open_windows(self) -> list[PendingWindow]:
        shown = self._indexed_windows.shown(self.windows)
        return [self.windows[window] for window, _ in shown if window in self.windows]

    @step
    def lease_window(self, window: Window, *, expected: datetime, until: datetime) -> bool:
        pending = self.windows.get(window)
        if pending is None or pending.next_visit_at != expected:
            return False
        self._keep_window(replace(pending, next_visit_at=_to_seconds(until)))
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
        self._indexed_calls.changes(call.reference_id, self.calls.get(call.reference_id))
        self.calls[call.reference_id] = call

    def _keep_window(self, pending: PendingWindow) -> None:
        self._indexed_windows.changes(pending.window, self.windows.get(pending.window))
        self.windows[pending.window] = pending

    def _indexed(self) -> Iterator[Call]:
        for _, call in self._indexed_calls.shown(self.calls):
            if not self._is_settled(call):
                yield call

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
        opened_at=_to_seconds(call.opened_at),
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


def _as_owed(pending: PendingWindow) -> PendingWindow:
    window = pending.window
    if window.start.microsecond or window.end.microsecond:
        window = replace(window, start=_to_seconds(window.start), end=_to_seconds(window.end))
    return replace(
        pending,
        window=window,
        due_at=_to_seconds(pending.due_at),
        next_visit_at=_to_seconds(pending.next_visit_at),
    )


def _to_seconds(moment: datetime) -> datetime:
    return moment.replace(microsecond=0) if moment.microsecond else moment
