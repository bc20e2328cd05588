"""Times as an operator types and reads them: UTC, to the second."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from infra.errors import in_one_line

FORM = "UTC, such as 2026-01-31 or 2026-01-31T12:00:00"


EARLIEST, LATEST = 2000, 2099
"""The years in which a call may be dated."""


class Moment(click.ParamType[datetime]):
    """A time, or a day: then its first second, or its last where a range ends."""

    name = "time"

    def __init__(self, *, ends_range: bool = False) -> None:
        self._ends_range = ends_range

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        shown = in_one_line(value)
        found = re.fullmatch(r"(\d{4}-\d\d-\d\d)([T ]\d\d:\d\d:\d\d)?(Z|\+00:00)?", value)
        if found is None:
            self.fail(f"'{shown}' is no time. Give {FORM}.", param, ctx)
        day, second, _ = found.groups()
        try:
            moment = datetime.fromisoformat(day + (second or "T00:00:00")).replace(tzinfo=UTC)
        except ValueError:
            self.fail(f"'{shown}' is not in the calendar. Give {FORM}.", param, ctx)
        if not EARLIEST <= moment.year <= LATEST:
            self.fail(f"'{shown}' is not in the years {EARLIEST} to {LATEST}.", param, ctx)
        return moment if second or not self._ends_range else moment + timedelta(days=1, seconds=-1)


def check_range(start: datetime, end: datetime) -> None:
    """Raises click.UsageError for a range that holds nothing."""
    if start > end:
        raise click.UsageError(f"The start, {in_utc(start)}, is after the end, {in_utc(end)}.")


def check_backfill(start: datetime, end: datetime) -> None:
    """Raises click.UsageError for a range that nothing can be listed of."""
    check_range(start, end)
    if start > datetime.now(UTC):
        raise click.UsageError(f"The start, {in_utc(start)}, has not come yet.")
    if end > datetime.now(UTC) + timedelta(days=1):
        raise click.UsageError(f"The end, {in_utc(end)}, is more than a day ahead.")


def in_utc(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def in_words(seconds: float) -> str:
    """About how long, in the two largest units: `2 d 3 h`, `45 s`."""
    parts = []
    left = round(seconds)
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, length)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"
