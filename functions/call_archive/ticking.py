"""The tick: cuts the time since the cursor into windows, queues what is due again, tells how things stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from call_archive.calls import LEASE
from call_archive.listing import Queue, owe
from call_archive.messages import VisitMessage, WindowMessage
from call_archive.windows import SECOND, Window, cut, to_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime, timedelta

    from call_archive.ledger import IndexedCall
    from call_archive.windows import OwedWindow

CHUNK = 24
"""Windows noted and queued before the cursor moves over them."""
SHORTEST_SECONDS = 60
"""With less time left than this the rest waits for the next tick."""
MOST_WINDOWS = 100
"""Due windows queued again by one tick."""


class Ledger(Protocol):
    def listed_until(self) -> datetime | None: ...
    def move_cursor(self, until: datetime) -> bool: ...
    def owe_windows(self, owed: Sequence[OwedWindow]) -> None: ...
    def due_windows(self, now: datetime, most: int) -> list[OwedWindow]: ...
    def due_calls(self, now: datetime, most: int) -> list[tuple[str, datetime]]: ...
    def lease_window(self, window: Window, *, seen: datetime, until: datetime) -> bool: ...
    def lease_call(self, reference_id: str, *, seen: datetime, until: datetime) -> bool: ...
    def open_windows(self) -> list[OwedWindow]: ...
    def open_calls(self) -> Iterator[IndexedCall]: ...


class FetchQueue(Queue, Protocol):
    def length(self) -> int: ...


class Gauge(Protocol):
    def __call__(self, name: str, value: float) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticking:
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
    tell: Callable[..., None]
    lease: timedelta = LEASE


def tick(at: Ticking, *, seconds_left: Callable[[], float]) -> None:
    now = at.now()
    _cut_windows(at, now, seconds_left)
    _sweep_windows(at, now)
    _sweep_calls(at, now)
    _tell_gauges(at, now)


def recheck(at: Ticking) -> None:
    """Lists the last days once more: finds what a window missed, looks again at what was not archived."""
    now = at.now()
    # From a full hour, so that one day's windows are the next day's too: where the provider refuses to list a time,
    # it is owed once, and not once more each day.
    start = (now - at.recheck).replace(minute=0, second=0, microsecond=0)
    windows = cut(max(at.archive_from, start), now, again=True)
    owe(windows, ledger=at.ledger, queue=at.windows_queue, now=now, lease=at.lease)
    at.tell("recheck_queued", windows=len(windows))


def _cut_windows(at: Ticking, now: datetime, seconds_left: Callable[[], float]) -> None:
    """From the cursor, less an overlap for rows that were listed late, until now."""
    listed_until = at.ledger.listed_until()
    start = at.archive_from
    if listed_until is not None:
        start = max(start, listed_until + SECOND - at.overlap)
    windows = cut(start, now)
    for first in range(0, len(windows), CHUNK):
        if seconds_left() < SHORTEST_SECONDS:
            return
        chunk = windows[first : first + CHUNK]
        owe(chunk, ledger=at.ledger, queue=at.windows_queue, now=now, lease=at.lease)
        at.ledger.move_cursor(chunk[-1].end)
        at.tell(
            "windows_queued", start=to_text(chunk[0].start), end=to_text(chunk[-1].end), windows=len(chunk)
        )


def _sweep_windows(at: Ticking, now: datetime) -> None:
    due = at.ledger.due_windows(now, MOST_WINDOWS)
    leased = [
        owed.window
        for owed in due
        if at.ledger.lease_window(owed.window, seen=owed.next_visit_at, until=now + at.lease)
    ]
    at.windows_queue.send([WindowMessage(window=window) for window in leased])


def _sweep_calls(at: Ticking, now: datetime) -> None:
    """Only as many as keep the fetch queue short: a backlog that is queued already is not queued again. Messages
    that are delayed do not count: each open call may have one, and those that lost theirs would find no room."""
    room = at.fetch_queue_target - at.fetch_queue.length()
    if room <= 0:
        return
    leased = [
        reference_id
        for reference_id, seen in at.ledger.due_calls(now, room)
        if at.ledger.lease_call(reference_id, seen=seen, until=now + at.lease)
    ]
    at.fetch_queue.send([VisitMessage(reference_id=reference_id) for reference_id in leased])
    if leased:
        at.tell("due_calls_queued", calls=len(leased))


def _tell_gauges(at: Ticking, now: datetime) -> None:
    ages = [(now - call.opened_at).total_seconds() for call in at.ledger.open_calls()]
    at.gauge("OpenCalls", len(ages))
    at.gauge("OldestOpenCallAge", max(ages, default=0))
    at.gauge(
        "ListingLag", listing_lag(at.ledger.listed_until(), at.ledger.open_windows(), now).total_seconds()
    )


def listing_lag(listed_until: datetime | None, windows: Iterable[OwedWindow], now: datetime) -> timedelta:
    """How far behind now everything has been listed. Windows that look again do not count."""
    starts = [owed.window.start for owed in windows if not owed.window.again]
    return now - min([listed_until or now, *starts])
