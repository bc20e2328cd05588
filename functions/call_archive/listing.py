"""Listing a window: page the API, note in the ledger what it does not know, queue a visit for each."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from call_archive.calls import LEASE, after_listing
from call_archive.errors import PermanentError, RefusedError, RetryableError, StaleTokenError
from call_archive.messages import VisitMessage, WindowMessage
from call_archive.revisits import Revisit, revisit
from call_archive.windows import OwedWindow, Window, to_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime, timedelta

    from call_archive.calls import Call, Row
    from call_archive.rows import Page

SHORTEST_SECONDS = 60
"""With less time left than this no further page is asked for: the window is halved instead."""
MOST_RESTARTS = 2
"""Of a listing whose token went stale; then shorter windows are the mend."""


class Ledger(Protocol):
    def read_many(self, reference_ids: Iterable[str]) -> dict[str, Call]: ...
    def write_many(self, calls: Sequence[Call]) -> Sequence[bool | PermanentError]: ...
    def read_window(self, window: Window) -> OwedWindow | None: ...
    def owe_windows(self, owed: Sequence[OwedWindow]) -> None: ...
    def note_window(self, owed: OwedWindow) -> None: ...
    def finish_window(self, window: Window) -> None: ...


class OwingLedger(Protocol):
    def owe_windows(self, owed: Sequence[OwedWindow]) -> None: ...


class Provider(Protocol):
    def first_page(self, window: Window) -> Page: ...
    def next_page(self, token: str) -> Page: ...


class Queue(Protocol):
    def send(self, messages: Sequence[VisitMessage | WindowMessage], *, delay_seconds: int = 0) -> None: ...


class Tell(Protocol):
    def __call__(self, event: str, **fields: object) -> None: ...


class CutShortError(Exception):
    """The listing broke off after a page or more: shorter windows are the mend."""

    def __init__(self, error: RetryableError) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What listing works with; `random` is in [0, 1)."""

    ledger: Ledger
    provider: Provider
    fetch_queue: Queue
    windows_queue: Queue
    now: Callable[[], datetime]
    random: Callable[[], float]
    tell: Tell
    lease: timedelta = LEASE


def list_window(message: WindowMessage, at: Listing, *, seconds_left: Callable[[], float]) -> None:
    """Lists one window that the ledger owes. Trouble is planned again there and is no exception."""
    owed = at.ledger.read_window(message.window)
    if owed is None or owed.due_at > at.now():
        return  # a duplicate: it has been listed, or will be when it is due
    try:
        rows = _list_pages(message.window, at, seconds_left)
    except CutShortError as cut_short:
        _halve(owed, cut_short.error, at, hop=message.hop)
    except RetryableError as error:
        _postpone(owed, error, at, hop=message.hop)
    else:
        at.ledger.finish_window(message.window)
        at.tell("window_listed", **_told(message.window), rows=rows)


def owe(
    windows: Sequence[Window],
    *,
    ledger: OwingLedger,
    queue: Queue,
    now: datetime,
    lease: timedelta = LEASE,
) -> None:
    """Notes windows as owed, then queues them: a message may be lost, a window may not."""
    ledger.owe_windows(
        [OwedWindow(window=window, due_at=now, next_visit_at=now + lease) for window in windows]
    )
    queue.send([WindowMessage(window=window) for window in windows])


def _list_pages(window: Window, at: Listing, seconds_left: Callable[[], float]) -> int:
    for _ in range(MOST_RESTARTS):
        try:
            return _list_once(window, at, seconds_left)
        except StaleTokenError:
            continue
    raise CutShortError(RetryableError("the pages' tokens are not accepted"))


def _list_once(window: Window, at: Listing, seconds_left: Callable[[], float]) -> int:
    """All pages; the number of rows. The list ends at no token, and at one that was there before."""
    page = at.provider.first_page(window)
    rows = len(page.rows)
    _note_page(page, window, at)
    tokens = set()
    while page.token is not None and page.token not in tokens:
        if seconds_left() < SHORTEST_SECONDS:
            raise CutShortError(RetryableError("the function's time was running out"))
        tokens.add(page.token)
        page = _next_page(page.token, at)
        rows += len(page.rows)
        _note_page(page, window, at)
    return rows


def _next_page(token: str, at: Listing) -> Page:
    try:
        return at.provider.next_page(token)
    except (RefusedError, StaleTokenError):
        raise
    except RetryableError as error:
        # From the first page again, many pages would hardly ever follow each other without trouble.
        raise CutShortError(error) from None


def _note_page(page: Page, window: Window, at: Listing) -> None:
    """Notes each call of the page that is news, then queues its visit."""
    if page.unreadable:
        at.tell("row_unreadable", **_told(window), rows=page.unreadable)
    rows_by_call: dict[str, list[Row]] = defaultdict(list)
    for row in page.rows:
        rows_by_call[row.reference_id].append(row)
    while rows_by_call:
        known = at.ledger.read_many(rows_by_call)
        news = [
            call
            for reference_id, rows in rows_by_call.items()
            if (call := _after_listing(known.get(reference_id), rows, window, at)) is not None
        ]
        written = dict(zip([call.reference_id for call in news], at.ledger.write_many(news), strict=True))
        noted = [reference_id for reference_id, outcome in written.items() if outcome is True]
        for reference_id in noted:
            at.tell("call_listed", reference_id=reference_id)
        at.fetch_queue.send([VisitMessage(reference_id=reference_id) for reference_id in noted])
        _tell_refused(written, window, at)
        # Somebody else wrote these between our read and our write: look at them anew.
        lost = [reference_id for reference_id, outcome in written.items() if outcome is False]
        rows_by_call = defaultdict(list, {each: rows_by_call[each] for each in lost})


def _tell_refused(written: Mapping[str, bool | PermanentError], window: Window, at: Listing) -> None:
    """What cannot be noted counts as unreadable, and holds up neither its page nor its window."""
    for reference_id, outcome in written.items():
        if isinstance(outcome, PermanentError):
            at.tell("row_unreadable", **_told(window), reference_id=reference_id, reason=str(outcome))


def _after_listing(call: Call | None, rows: list[Row], window: Window, at: Listing) -> Call | None:
    return after_listing(call, rows, now=at.now(), undated=window.start, again=window.again, lease=at.lease)


def _halve(owed: OwedWindow, error: RetryableError, at: Listing, *, hop: int) -> None:
    """Puts the halves in the window's place, the halves first; one second is tried again as it is."""
    halves = owed.window.halves()
    if halves is None:
        _postpone(owed, error, at, hop=hop)
        return
    plan = _plan(at, hop=hop, retry_after_seconds=error.retry_after_seconds)
    at.ledger.owe_windows(
        [OwedWindow(window=half, due_at=plan.due_at, next_visit_at=plan.next_visit_at) for half in halves]
    )
    at.ledger.finish_window(owed.window)
    at.tell("window_halved", **_told(owed.window), reason=str(error))
    _send(halves, plan, at)


def _postpone(owed: OwedWindow, error: RetryableError, at: Listing, *, hop: int) -> None:
    plan = _plan(at, hop=hop, attempts=owed.attempts, retry_after_seconds=error.retry_after_seconds)
    at.ledger.note_window(
        replace(
            owed,
            due_at=plan.due_at,
            next_visit_at=plan.next_visit_at,
            attempts=owed.attempts + 1,
            last_error=str(error),
            refused=isinstance(error, RefusedError),
        )
    )
    at.tell("window_postponed", **_told(owed.window), attempts=owed.attempts + 1, reason=str(error))
    _send([owed.window], plan, at)


def _plan(at: Listing, *, hop: int, attempts: int = 0, retry_after_seconds: float = 0) -> Revisit:
    return revisit(
        now=at.now(),
        hop=hop,
        quiet=attempts,
        jitter=at.random(),
        retry_after_seconds=retry_after_seconds,
        lease=at.lease,
    )


def _send(windows: Sequence[Window], plan: Revisit, at: Listing) -> None:
    if plan.hop is not None:
        messages = [WindowMessage(window=window, hop=plan.hop) for window in windows]
        at.windows_queue.send(messages, delay_seconds=plan.delay_seconds)


def _told(window: Window) -> dict[str, object]:
    return {"start": to_text(window.start), "end": to_text(window.end)}
