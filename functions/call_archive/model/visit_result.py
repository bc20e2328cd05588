"""What one visit of a call found, and how each thing that it tried ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from call_archive.errors import ArchiveError, RetryableError
from call_archive.model.call import StoredObject

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from call_archive.model.row import Row

Outcome: TypeAlias = StoredObject | ArchiveError


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitResult:
    """The provider's rows or its error, and how archiving each pending part ended."""

    now: datetime
    rows: tuple[Row, ...] = ()
    error: ArchiveError | None = None
    recordings: Mapping[str, Outcome] = field(default_factory=dict)
    transcripts: Mapping[str, Outcome] = field(default_factory=dict)

    @property
    def retry_after_seconds(self) -> float:
        errors = [self.error, *self.recordings.values(), *self.transcripts.values()]
        return max((e.retry_after_seconds for e in errors if isinstance(e, RetryableError)), default=0)
