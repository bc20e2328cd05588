"""Windows of time, to list by: inclusive at both ends, to the second, so neighbours share no second."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

SECOND = timedelta(seconds=1)
MAX_WINDOW = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Window:
    start: datetime
    end: datetime
    recheck: bool = False
    """Recheck: calls that ended without everything archived are opened once more."""

    def halves(self) -> tuple[Window, Window] | None:
        """The two halves, or None for one second, which cannot be cut."""
        if self.start >= self.end:
            return None
        middle = self.start + timedelta(seconds=(self.end - self.start) // SECOND // 2)
        return (
            Window(start=self.start, end=middle, recheck=self.recheck),
            Window(start=middle + SECOND, end=self.end, recheck=self.recheck),
        )

    def overlaps(self, start: datetime, end: datetime) -> bool:
        return self.start <= end and start <= self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingWindow:
    """A window that the ledger holds until it has been listed."""

    window: Window
    due_at: datetime
    next_visit_at: datetime
    attempts: int = 0
    last_error: str | None = None
    refused: bool = False
    """Only an operator can resolve it: the provider refused it (credentials, a bad request), or a call of it
    has a schema that this version does not read."""


def cut(
    start: datetime, end: datetime, *, recheck: bool = False, max_length: timedelta = MAX_WINDOW
) -> list[Window]:
    """The whole of `start`..`end` in windows of at most `longest`; none when start is past end."""
    windows = []
    while start <= end:
        stop = min(start + max_length - SECOND, end)
        windows.append(Window(start=start, end=stop, recheck=recheck))
        start = stop + SECOND
    return windows


def to_text(moment: datetime) -> str:
    """`YYYY-MM-DDThh:mm:ss` in UTC, exactly 19 characters, as the provider's list call wants it."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds")


def from_text(text: str) -> datetime:
    """The opposite of `to_text`; ValueError when it is not of that form."""
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)  # far quicker than strptime, and takes more
    if to_text(moment) != text:
        raise ValueError(f"{text!r} is not of the form YYYY-MM-DDThh:mm:ss")
    return moment
