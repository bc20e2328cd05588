"""Listing a window: page the API, note in the ledger what it does not know, queue a visit for each."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from call_archive.errors import (
    PermanentError,
    RefusedError,
    RetryableError,
    SchemaError,
    StaleTokenError,
)
from call_archive.model.after_listing import after_listing
from call_archive.model.backoff import NextVisit, back_off
from call_archive.model.call import LEASE
from call_archive.model.message import VisitMessage, WindowMessage
from call_archive.model.window import PendingWindow, Window, to_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    from call_archive.model.call import Call
    from call_archive.model.row import Row
    from call_archive.provider.parse import Page

MIN_SECONDS = 60
"""With less time left than this no further page is asked for: the window is halved instead."""
MAX_RESTARTS = 2
"""Of a listing whose token went stale; then shorter windows are the remedy."""


class Ledger(Protocol):
    def read_each(self, reference_ids: Iterable[str]) -> Mapping[str, Call | SchemaError]: ...
    def write_many(self, calls: Sequence[Call]) -> Sequence[bool | PermanentError | SchemaError]: ...
    def read_window(self, window: Window) -> PendingWindow | None: ...
    def put_windows(self, pending: Sequence[PendingWindow]) -> None: ...
    def update_window(self, pending: PendingWindow) -> None: ...
    def finish_window(self, window: Window) -> None: ...


class WindowLedger(Protocol):
    def put_windows(self, pending: Sequence[PendingWindow]) -> None: ...


class Provider(Protocol):
    def first_page(self, window: Window) -> Page: ...
    def next_page(self, token: str) -> Page: ...


class Queue(Protocol):
    def send(self, messages: Sequence[VisitMessage | WindowMessage], *, delay_seconds: int = 0) -> None: ...


class EventSink(Protocol):
    def __call__(self, event: str, **fields: object) -> None: ...


class CutShortError(Exception):
    """The listing broke off after a page or more: shorter windows are the remedy."""

    def __init__(self, error: RetryableError) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True, slots=True, kw_only=True)
class ListDeps:
    """What listing works with; `random` is in [0, 1)."""

    ledger: Ledger
    provider: Provider
    fetch_queue: Queue
    windows_queue: Queue
    now: Callable[[], datetime]
    random: Callable[[], float]
    emit: EventSink
    lease: timedelta = LEASE


def list_window(message: WindowMessage, deps: ListDeps, *, seconds_left: Callable[[], float]) -> None:
    """Lists one window that is pending in the ledger. A failed attempt is planned again there and is no exception."""
    pending = deps.ledger.read_window(message.window)
    if pending is None or pending.due_at > deps.now():
        return  # a duplicate: it has been listed, or will be when it is due
    try:
        rows = _list_pages(message.window, deps, seconds_left)
    except CutShortError as cut_short:
        _halve(pending, cut_short.error, deps, hop=message.hop)
    except RetryableError as error:
        _postpone(pending, error, deps, hop=message.hop)
    else:
        deps.ledger.finish_window(message.window)
        deps.emit("window_listed", **_bounds(message.window), rows=rows)


def enqueue_windows(
    windows: Sequence[Window],
    *,
    ledger: WindowLedger,
    queue: Queue,
    now: datetime,
    lease: timedelta = LEASE,
) -> None:
    """Notes windows as pending, then queues them: a message may be lost, a window may not."""
    ledger.put_windows(
        [PendingWindow(window=window, due_at=now, next_visit_at=now + lease) for window in windows]
    )
    queue.send([WindowMessage(window=window) for window in windows])


def _list_pages(window: Window, deps: ListDeps, seconds_left: Callable[[], float]) -> int:
    for _ in range(MAX_RESTARTS):
        try:
            return _list_once(window, deps, seconds_left)
        except StaleTokenError:
            continue
    raise CutShortError(RetryableError("the pages' tokens are not accepted"))


def _list_once(window: Window, deps: ListDeps, seconds_left: Callable[[], float]) -> int:
    """All pages; the number of rows. The list ends at no token, and at one that was there before.

    SchemaError when a call's item cannot be read, once all the others are noted: the window must stay pending, for
    what is listed of that call may be new.
    """
    page = deps.provider.first_page(window)
    rows = len(page.rows)
    refused = _record_page(page, window, deps)
    tokens = set()
    while page.token is not None and page.token not in tokens:
        if seconds_left() < MIN_SECONDS:
            raise CutShortError(RetryableError("the function's time was running out"))
        tokens.add(page.token)
        page = _next_page(page.token, deps)
        rows += len(page.rows)
        refused += _record_page(page, window, deps)
    if refused:
        raise refused[0]
    return rows


def _next_page(token: str, deps: ListDeps) -> Page:
    try:
        return deps.provider.next_page(token)
    except (RefusedError, StaleTokenError):
        raise
    except RetryableError as error:
        # From the first page again, many pages would hardly ever follow each other without an error.
        raise CutShortError(error) from None


def _record_page(page: Page, window: Window, deps: ListDeps) -> list[SchemaError]:
    """Notes each call of the page that is news, then queues its visit; an error for each that cannot be read."""
    refused: list[SchemaError] = []
    if page.unreadable:
        deps.emit("row_unreadable", **_bounds(window), rows=page.unreadable)
    rows_by_call: dict[str, list[Row]] = defaultdict(list)
    for row in page.rows:
        rows_by_call[row.reference_id].append(row)
    while rows_by_call:
        known = deps.ledger.read_each(rows_by_call)
        news = list(_news(known, rows_by_call, window, deps))
        written = dict(zip([call.reference_id for call in news], deps.ledger.write_many(news), strict=True))
        noted = [reference_id for reference_id, outcome in written.items() if outcome is True]
        for reference_id in noted:
            deps.emit("call_listed", reference_id=reference_id)
        deps.fetch_queue.send([VisitMessage(reference_id=reference_id) for reference_id in noted])
        unnoted = {
            reference_id: outcome
            for reference_id, outcome in {**known, **written}.items()
            if isinstance(outcome, PermanentError | SchemaError)
        }
        _emit_rejected(unnoted, window, deps)
        refused += [error for error in unnoted.values() if isinstance(error, SchemaError)]
        # Somebody else wrote these between our read and our write: read them anew.
        lost = [reference_id for reference_id, outcome in written.items() if outcome is False]
        rows_by_call = defaultdict(list, {each: rows_by_call[each] for each in lost})
    return refused


def _emit_rejected(
    unnoted: Mapping[str, PermanentError | SchemaError], window: Window, deps: ListDeps
) -> None:
    """What cannot be noted counts as unreadable, and does not hold up its page."""
    for reference_id, error in unnoted.items():
        deps.emit("row_unreadable", **_bounds(window), reference_id=reference_id, reason=str(error))


def _news(
    known: Mapping[str, Call | SchemaError],
    rows_by_call: Mapping[str, list[Row]],
    window: Window,
    deps: ListDeps,
) -> Iterator[Call]:
    for reference_id, rows in rows_by_call.items():
        before = known.get(reference_id)
        if isinstance(before, SchemaError):
            continue
        after = after_listing(
            before, rows, now=deps.now(), default_date=window.start, recheck=window.recheck, lease=deps.lease
        )
        if after is not None:
            yield after


def _halve(pending: PendingWindow, error: RetryableError, deps: ListDeps, *, hop: int) -> None:
    """Puts the halves in the window's place, the halves first; one second is tried again as it is."""
    halves = pending.window.halves()
    if halves is None:
        _postpone(pending, error, deps, hop=hop)
        return
    plan = _plan(deps, hop=hop, retry_after_seconds=error.retry_after_seconds)
    deps.ledger.put_windows(
        [PendingWindow(window=half, due_at=plan.due_at, next_visit_at=plan.next_visit_at) for half in halves]
    )
    deps.ledger.finish_window(pending.window)
    deps.emit("window_halved", **_bounds(pending.window), reason=str(error))
    _send(halves, plan, deps)


def _postpone(pending: PendingWindow, error: RetryableError, deps: ListDeps, *, hop: int) -> None:
    plan = _plan(deps, hop=hop, attempts=pending.attempts, retry_after_seconds=error.retry_after_seconds)
    deps.ledger.update_window(
        replace(
            pending,
            due_at=plan.due_at,
            next_visit_at=plan.next_visit_at,
            attempts=pending.attempts + 1,
            last_error=str(error),
            refused=isinstance(error, RefusedError | SchemaError),
        )
    )
    deps.emit("window_postponed", **_bounds(pending.window), attempts=pending.attempts + 1, reason=str(error))
    _send([pending.window], plan, deps)


def _plan(deps: ListDeps, *, hop: int, attempts: int = 0, retry_after_seconds: float = 0) -> NextVisit:
    return back_off(
        now=deps.now(),
        hop=hop,
        unchanged=attempts,
        jitter=deps.random(),
        retry_after_seconds=retry_after_seconds,
        lease=deps.lease,
    )


def _send(windows: Sequence[Window], plan: NextVisit, deps: ListDeps) -> None:
    if plan.hop is not None:
        messages = [WindowMessage(window=window, hop=plan.hop) for window in windows]
        deps.windows_queue.send(messages, delay_seconds=plan.delay_seconds)


def _bounds(window: Window) -> dict[str, object]:
    return {"start": to_text(window.start), "end": to_text(window.end)}
