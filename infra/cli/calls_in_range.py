"""Finding calls in the ledger by their dates."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from call_archive.model.call import Call
    from call_archive.storage.ledger import IndexedCall, Ledger

DAY = timedelta(days=1)
READ_AT_ONCE = 500


def calls_between(ledger: Ledger, start: datetime, end: datetime) -> Iterator[Call]:
    """Calls that have a file dated from `start` to `end`, by the date of their first; in bounded memory.

    A call lies under the day of its first file and may cross midnight, so the search begins a day early.
    """
    day = start - DAY
    while day.date() <= end.date():
        yield from _within(read_calls(ledger, ledger.calls_of_day(f"{day:%Y-%m-%d}")), start, end)
        day += DAY


def indexed_between(
    ledger: Ledger, indexed: Iterable[IndexedCall], start: datetime, end: datetime
) -> list[Call]:
    """Those of an index's calls that have a file dated from `start` to `end`."""
    near = (call.reference_id for call in indexed if start - DAY <= call.recorded_at <= end)
    return list(_within(read_calls(ledger, near), start, end))


def read_calls(ledger: Ledger, reference_ids: Iterable[str]) -> Iterator[Call]:
    """Reads many calls, a batch at a time, in the order of their ids."""
    left = iter(reference_ids)
    while batch := list(islice(left, READ_AT_ONCE)):
        calls = ledger.read_many(batch)
        yield from (calls[reference_id] for reference_id in batch if reference_id in calls)


def _within(calls: Iterable[Call], start: datetime, end: datetime) -> Iterator[Call]:
    return (call for call in calls if any(start <= part.recorded_at <= end for part in call.parts))
