"""One row of the provider's answers: one recording file, as a listing or a by-id answer describes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

AVAILABLE, STILL_RECORDING, DELETED = "available", "recording", "deleted"
"""The statuses that the provider's documents name."""

MAX_ID_BYTES = 900
"""Of a reference id: DynamoDB's sort keys hold 1,024 bytes, and one of ours a date besides."""

EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
"""A date outside of these is no date of a call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One recording file as the provider lists it; `file_name` is None while the call is in progress."""

    reference_id: str
    file_name: str | None
    status: str
    recorded_at: datetime | None
    url: str | None = field(default=None, repr=False)
    """A signed link: used at once, never stored, never printed."""
    transcribe: Mapping[str, Any] | None = field(default=None, repr=False)
