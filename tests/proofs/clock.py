"""The one clock of every proof that runs in virtual time."""

from datetime import datetime, timedelta


class Clock:
    """Stands still until it is moved, never back."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def __call__(self) -> datetime:
        return self._now

    def move_to(self, moment: datetime) -> None:
        self._now = max(self._now, moment)

    def advance(self, **elapsed: float) -> None:
        self.move_to(self._now + timedelta(**elapsed))

    def sleep(self, seconds: float) -> None:
        """By whole milliseconds, as SQS counts."""
        self._now += timedelta(milliseconds=round(seconds * 1000))

    def timestamp(self) -> float:
        return self._now.timestamp()
