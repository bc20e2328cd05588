"""How long the archive waits for what is not ready."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from call_archive.model.call import LEASE


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How long what is not ready is waited for."""

    transcript_grace: timedelta = timedelta(minutes=10)
    """A transcript that is absent may never come, or not yet; also how long an unknown call is asked for."""
    transcript_deadline: timedelta = timedelta(hours=24)
    retry_deadline: timedelta = timedelta(days=7)
    transcript_failures: frozenset[str] = frozenset({"failed"})
    lease: timedelta = LEASE

    @property
    def outage_deadline(self) -> timedelta:
        """Of what fails instead of answering. That may be an outage of days, which is no reason to give up:
        at its end each call still needs a few tries."""
        return 4 * self.retry_deadline
