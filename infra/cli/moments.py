"""Times as an operator types and reads them: UTC, to the second."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

import click

FORM = "UTC, such as 2026-01-31 or 2026-01-31T12:00:00"


class Moment(click.ParamType[datetime]):
    """A time, or a day: then its first second, or its last where a range ends."""

    name = "time"

    def __init__(self, *, ends_range: bool = False) -> None:
        self._ends_range = ends_range

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time. Give {FORM}.", param, ctx)
        if moment.utcoffset() not in (None, timedelta(0)):
            self.fail(f"{value!r} is not in UTC. Give {FORM}.", param, ctx)
        if moment.microsecond:
            self.fail(f"{value!r} is finer than a second. Give {FORM}.", param, ctx)
        if len(value) == len("2026-01-31") and self._ends_range:
            moment = datetime.combine(moment, time(23, 59, 59))
        return moment.replace(tzinfo=UTC)


def check_range(start: datetime, end: datetime) -> None:
    """Raises click.UsageError for a range that cannot be meant."""
    if start > end:
        raise click.UsageError(f"The start, {in_utc(start)}, is after the end, {in_utc(end)}.")
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
