"""What the ledger knows of a call: its recording files, their transcripts, and whether anything is pending."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

LEASE = timedelta(seconds=1200)
"""Lease: how long a queued visit may go without a write before the tick queues it again; longer than a function
may run.
Where functions may run for less than 900 s, the settings say less."""

MAX_FILES = 100
"""Files of a call that fit into its item: DynamoDB holds 400 KB of it, and a file with the longest names takes 3 KB."""


class FileStatus(StrEnum):
    RECORDING = "recording"
    """Pending: still being recorded, or not archived yet; the reason says which."""
    ARCHIVED = "archived"
    DELETED_AT_SOURCE = "deleted_at_source"
    FAILED = "failed"


class TranscriptStatus(StrEnum):
    PENDING = "pending"
    ARCHIVED = "archived"
    NONE = "none"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """An object that S3 has confirmed; `size` in bytes, `sha256` in hex."""

    key: str
    size: int
    sha256: str
    version_id: str | None
    archived_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    status: TranscriptStatus
    reason: str | None = None
    stored: StoredObject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingFile:
    recorded_at: datetime
    first_seen_at: datetime
    available_at: datetime | None = None
    """When we first saw it available: a transcript's grace and deadline run from here."""
    status: FileStatus = FileStatus.RECORDING
    reason: str | None = None
    invalid_bodies: int = 0
    recording: StoredObject | None = None
    transcript: Transcript | None = None

    @property
    def settled(self) -> bool:
        transcript_pending = (
            self.transcript is not None and self.transcript.status is TranscriptStatus.PENDING
        )
        return self.status is not FileStatus.RECORDING and not transcript_pending

    @property
    def pending_reasons(self) -> list[str]:
        """Why what is pending of it is not archived yet."""
        recording = self.reason if self.status is FileStatus.RECORDING else None
        pending = self.transcript is not None and self.transcript.status is TranscriptStatus.PENDING
        transcript = self.transcript.reason if self.transcript is not None and pending else None
        return [reason for reason in (recording, transcript) if reason]

    @property
    def failed(self) -> bool:
        transcript_failed = self.transcript is not None and self.transcript.status is TranscriptStatus.FAILED
        return self.status is FileStatus.FAILED or transcript_failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    reference_id: str
    recorded_at: datetime
    """The date of its first file."""
    opened_at: datetime
    """Since when it is open: when it was first listed or, had it ended by then, when something new of it was."""
    due_at: datetime
    """The next visit is due then; an earlier message is a duplicate."""
    next_visit_at: datetime
    """The tick queues a visit then, should the message that was to bring it be lost."""
    version: int = 0
    visits: int = 0
    unchanged_visits: int = 0
    """Visits in a row that changed nothing: what the next delay grows by."""
    missing_since: datetime | None = None
    last_error: str | None = None
    files: Mapping[str, RecordingFile] = field(default_factory=dict)
    unnamed: RecordingFile | None = None
    """Stands for the provider's rows that have no file name yet: a call in progress."""

    @property
    def parts(self) -> list[RecordingFile]:
        return [*self.files.values(), *([self.unnamed] if self.unnamed else [])]

    @property
    def settled(self) -> bool:
        return all(part.settled for part in self.parts)

    @property
    def failed(self) -> bool:
        return any(part.failed for part in self.parts)


def new_call(reference_id: str, *, recorded_at: datetime, now: datetime, lease: timedelta = LEASE) -> Call:
    return Call(
        reference_id=reference_id,
        recorded_at=recorded_at,
        opened_at=now,
        due_at=now,
        next_visit_at=now + lease,
    )


def unlisted_call(reference_id: str, *, now: datetime) -> Call:
    """A call that was asked for by hand: all that is known of it is its id."""
    unnamed = RecordingFile(recorded_at=now, first_seen_at=now, reason="not visited yet")
    return replace(new_call(reference_id, recorded_at=now, now=now), unnamed=unnamed)
