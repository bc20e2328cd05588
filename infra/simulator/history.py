"""The truth the simulated account holds, in time: what exists, in which state, at any moment."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from threading import Lock

from infra.simulator.audio import audio_source
from infra.simulator.call_plans import arrival, history_calls, history_end
from infra.simulator.options import Options
from infra.simulator.truth import TrueCall, TrueFile


class History:
    """Calls are a pure function of the options and the time asked for; deletions are the only state."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._audio = audio_source(options)
        self._lock = Lock()
        self._arrivals = 0
        self._deletions: dict[str, datetime] = {}
        self._calls: dict[str, TrueCall] = {}
        self._by_name: dict[str, TrueFile] = {}
        self._rows: list[TrueFile] = []
        self._add(history_calls(options, self._audio))

    def calls(self, now: datetime) -> list[TrueCall]:
        """Give all calls created until then, oldest first, each with its files created until then."""
        with self._lock:
            self._arrive(now)
            known = [self._visible(call, now) for call in self._calls.values()]
        return sorted((call for call in known if call.files), key=lambda call: call.files[0].created_at)

    def call(self, reference_id: str, now: datetime) -> TrueCall | None:
        with self._lock:
            self._arrive(now)
            call = self._calls.get(reference_id)
            visible = self._visible(call, now) if call else None
        return visible if visible and visible.files else None

    def file(self, file_name: str, now: datetime) -> TrueFile | None:
        with self._lock:
            self._arrive(now)
            file = self._by_name.get(file_name)
            return self._with_deletion(file) if file and file.created_at <= now else None

    def rows(self, start: datetime, end: datetime, taken_at: datetime) -> list[TrueFile]:
        """Give the files created from start to end, both included, that existed at `taken_at`."""
        with self._lock:
            self._arrive(taken_at)
            first = bisect_left(self._rows, start, key=_created_at)
            last = bisect_right(self._rows, min(end, taken_at), key=_created_at)
            return [self._with_deletion(file) for file in self._rows[first:last]]

    def delete(self, reference_id: str, now: datetime) -> None:
        with self._lock:
            self._deletions[reference_id] = now

    def _visible(self, call: TrueCall, now: datetime) -> TrueCall:
        files = tuple(self._with_deletion(file) for file in call.files if file.created_at <= now)
        return replace(call, files=files)

    def _with_deletion(self, file: TrueFile) -> TrueFile:
        deleted_at = self._deletions.get(file.reference_id)
        if deleted_at is None or file.created_at > deleted_at or file.deleted_at is not None:
            return file
        return replace(file, deleted_at=deleted_at)

    def _arrive(self, now: datetime) -> None:
        elapsed = (now - history_end(self._options)).total_seconds()
        if elapsed <= 0 or not self._options.arrivals_per_minute:
            return
        due = int(elapsed * self._options.arrivals_per_minute / 60) + 1
        indexes = range(self._arrivals, due)
        self._arrivals = max(due, self._arrivals)
        self._add([arrival(self._options, index, self._audio) for index in indexes])

    def _add(self, calls: Iterable[TrueCall]) -> None:
        for call in calls:
            self._calls[call.reference_id] = call
            self._rows.extend(call.files)
            self._by_name.update((file.file_name, file) for file in call.files)
        # Invented: the order of rows is not documented; creation, then file name, is stable.
        self._rows.sort(key=lambda file: (file.created_at, file.file_name))


def _created_at(file: TrueFile) -> datetime:
    return file.created_at
