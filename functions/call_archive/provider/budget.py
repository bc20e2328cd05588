"""The part of the provider's request limit that one function may use."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from call_archive.errors import RetryableError

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_PATIENCE_SECONDS = 60
"""How long a request may wait for its turn; past that the work is planned anew instead."""


class Budget:
    """Spaces out requests over all threads of this function, so that they share one part of the account's limit."""

    def __init__(
        self,
        per_second: float,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._spacing = 1 / per_second
        self._now, self._sleep = now, sleep
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Waits for this request's turn; RetryableError when it is too far off to wait for."""
        with self._lock:
            now = self._now()
            turn = max(now, self._next)
            if turn - now > MAX_PATIENCE_SECONDS:
                raise RetryableError("the provider asked for a pause", retry_after_seconds=round(turn - now))
            self._next = turn + self._spacing
        self._sleep(turn - now)

    def pause(self, seconds: float) -> None:
        """Holds every request back for so long: the provider said so to one of us."""
        with self._lock:
            self._next = max(self._next, self._now() + seconds)
