"""The tick: cuts the time since the cursor into windows, queues what is due again, emits the gauges."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from call_archive.errors import SchemaError
from call_archive.list_window import Queue, enqueue_windows
from call_archive.model.call import LEASE
from call_archive.model.message import VisitMessage, WindowMessage
from call_archive.model.window import SECOND, Window, cut, to_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime, timedelta

    from call_archive.model.window import PendingWindow
    from call_archive.storage.ledger import IndexedCall

CHUNK = 24
"""Windows noted and queued before the cursor moves over them."""
MIN_SECONDS = 60
"""With less time left than this the rest waits for the next tick."""
MAX_WINDOWS = 100
"""Due windows queued again by one tick."""


class Ledger(Protocol):
    def listed_until(self) -> datetime | None: ...
    def move_cursor(self, until: datetime) -> bool: ...
    def put_windows(self, pending: Sequence[PendingWindow]) -> None: ...
    def due_windows(self, now: datetime, limit: int) -> list[PendingWindow]: ...
    def due_calls(self, now: datetime, limit: int) -> list[tuple[str, datetime]]: ...
    def lease_window(self, window: Window, *, expected: datetime, until: datetime) -> bool: ...
    def lease_call(self, reference_id: str, *, expected: datetime, until: datetime) -> bool: ...
    def open_windows(self) -> list[PendingWindow]: ...
    def open_calls(self) -> Iterator[IndexedCall]: ...


class FetchQueue(Queue, Protocol):
    def length(self) -> int: ...


class Gauge(Protocol):
    def __call__(self, name: str, value: float) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TickDeps:
    """What a tick works with; `fetch_queue_target` in messages."""

    ledger: Ledger
    fetch_queue: FetchQueue
    windows_queue: Queue
    archive_from: datetime
    overlap: timedelta
    recheck: timedelta
    fetch_queue_target: int
    now: Callable[[], datetime]
    gauge: Gauge
    emit: Callable[..., None]
    lease: timedelta = LEASE


def tick(deps: TickDeps, *, seconds_left: Callable[[], float]) -> None:
    """SchemaError when an item of the ledger cannot be read, once everything else is done."""
    now = deps.now()
    refused = []
    steps = (
        partial(_cut_windows, seconds_left=seconds_left),
        _sweep_windows,
        _sweep_calls,
        _emit_open_calls,
        _emit_listing_lag,
    )
    for step in steps:
        try:
            step(deps, now)
        except SchemaError as error:
            refused.append(error)
    if refused:
        raise refused[0]


def recheck(deps: TickDeps) -> None:
    """Lists the last days once more: finds what a window missed, reopens what was not archived."""
    now = deps.now()
    # From a full hour, so that one day's windows are the next day's too: where the provider refuses to list a time,
    # it is pending once, and not once more each day.
    start = (now - deps.recheck).replace(minute=0, second=0, microsecond=0)
    windows = cut(max(deps.archive_from, start), now, recheck=True)
    enqueue_windows(windows, ledger=deps.ledger, queue=deps.windows_queue, now=now, lease=deps.lease)
    deps.emit("recheck_queued", windows=len(windows))


def _cut_windows(deps: TickDeps, now: datetime, *, seconds_left: Callable[[], float]) -> None:
    """From the cursor, less an overlap for rows that were listed late, until now."""
    listed_until = deps.ledger.listed_until()
    start = deps.archive_from
    if listed_until is not None:
        start = max(start, listed_until + SECOND - deps.overlap)
    windows = cut(start, now)
    for first in range(0, len(windows), CHUNK):
        if seconds_left() < MIN_SECONDS:
            return
        chunk = windows[first : first + CHUNK]
        enqueue_windows(chunk, ledger=deps.ledger, queue=deps.windows_queue, now=now, lease=deps.lease)
        deps.ledger.move_cursor(chunk[-1].end)
        deps.emit(
            "windows_queued", start=to_text(chunk[0].start), end=to_text(chunk[-1].end), windows=len(chunk)
        )


def _sweep_windows(deps: TickDeps, now: datetime) -> None:
    due = deps.ledger.due_windows(now, MAX_WINDOWS)
    leased = [
        pending.window
        for pending in due
        if deps.ledger.lease_window(pending.window, expected=pending.next_visit_at, until=now + deps.lease)
    ]
    deps.windows_queue.send([WindowMessage(window=window) for window in leased])


def _sweep_calls(deps: TickDeps, now: datetime) -> None:
    """Only as many as keep the fetch queue short: a backlog that is queued already is not queued again. Messages
    that are delayed do not count: each open call may have one, and those that lost theirs would find no room."""
    room = deps.fetch_queue_target - deps.fetch_queue.length()
    if room <= 0:
        return
    leased = [
        reference_id
        for reference_id, expected in deps.ledger.due_calls(now, room)
        if deps.ledger.lease_call(reference_id, expected=expected, until=now + deps.lease)
    ]
    deps.fetch_queue.send([VisitMessage(reference_id=reference_id) for reference_id in leased])
    if leased:
        deps.emit("due_calls_queued", calls=len(leased))


def _emit_open_calls(deps: TickDeps, now: datetime) -> None:
    ages = [(now - call.opened_at).total_seconds() for call in deps.ledger.open_calls()]
    deps.gauge("OpenCalls", len(ages))
    deps.gauge("OldestOpenCallAge", max(ages, default=0))


def _emit_listing_lag(deps: TickDeps, now: datetime) -> None:
    lag = listing_lag(deps.ledger.listed_until(), deps.ledger.open_windows(), now)
    deps.gauge("ListingLag", lag.total_seconds())


def listing_lag(listed_until: datetime | None, windows: Iterable[PendingWindow], now: datetime) -> timedelta:
    """How far behind now everything has been listed. Windows of a recheck do not count."""
    starts = [pending.window.start for pending in windows if not pending.window.recheck]
    return now - min([listed_until or now, *starts])
