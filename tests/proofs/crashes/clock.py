from datetime import datetime, timedelta


class Clock:
    """Stands still until it is moved, never back, by a millisecond at least."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def __call__(self) -> datetime:
        return self._now

    def move_to(self, moment: datetime) -> None:
        self._now = max(self._now, moment)

    def sleep(self, seconds: float) -> None:
        self._now += timedelta(milliseconds=round(seconds * 1000))

    def seconds(self) -> float:
        return self._now.timestamp()
