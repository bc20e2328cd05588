"""What the ledger knows of a call: its recording files, their transcripts, and whether anything is owed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LEASE = timedelta(seconds=1200)
"""How long a queued visit may stay unseen before the tick queues it again; longer than a function may run.
Where functions may run for less than 900 s, the settings say less."""

MAX_ID_BYTES = 900
"""Of a reference id: DynamoDB's sort keys hold 1,024 bytes, and one of ours a date besides."""

MAX_FILES = 100
"""Kept of a call: DynamoDB holds 400 KB of it, and a file with the longest names takes 3 KB."""

LATE_TRANSCRIPT = timedelta(hours=48)
"""For this long after a file became available, a second listing looks again for a transcript it lacked."""


class FileStatus(StrEnum):
    RECORDING = "recording"
    """Owed: still being recorded, or not archived yet; the reason says which."""
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
        """Why what is owed of it is not archived yet."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One recording file as the provider tells it; `file_name` is None while the call is in progress."""

    reference_id: str
    file_name: str | None
    status: str
    recorded_at: datetime | None
    url: str | None = field(default=None, repr=False)
    """A signed link: used at once, never kept, never printed."""
    transcribe: Mapping[str, Any] | None = field(default=None, repr=False)


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


def after_listing(
    call: Call | None,
    rows: Iterable[Row],
    *,
    now: datetime,
    default_date: datetime,
    recheck: bool,
    lease: timedelta = LEASE,
) -> Call | None:
    """The call as it should be noted after rows of it were listed, or None when they tell nothing new.

    `undated` stands in for a row's missing date. `again` looks once more at what ended without being
    archived (a recheck, a backfill).
    """
    rows = list(rows)
    known = call or new_call(
        rows[0].reference_id, recorded_at=min(row.recorded_at or default_date for row in rows), now=now
    )
    files = {name: _reopened(file, now) if recheck else file for name, file in known.files.items()}
    unnamed = _reopened(known.unnamed, now) if recheck and known.unnamed else known.unnamed
    for row in rows:
        unseen = RecordingFile(
            recorded_at=row.recorded_at or default_date, first_seen_at=now, reason="not visited yet"
        )
        if row.file_name is not None and row.file_name not in files and len(files) < MAX_FILES:
            files[row.file_name] = unseen
        elif _is_new_file(row, files, unnamed):
            unnamed = unseen
    if call is not None and files == call.files and unnamed == call.unnamed:
        return None
    return replace(
        known,
        opened_at=now if known.settled else known.opened_at,
        files=files,
        unnamed=unnamed,
        recorded_at=min([known.recorded_at, *(file.recorded_at for file in files.values())]),
        due_at=now,
        next_visit_at=now + lease,
        unchanged_visits=0,
    )


def _is_new_file(row: Row, files: Mapping[str, RecordingFile], unnamed: RecordingFile | None) -> bool:
    """Whether a row without a name of its own, or one that finds no room, is of a file that is not known yet.

    One that began when a known file did is that file: else each listing would open the call anew. One that
    began after what is waited for has not been waited for. A visit tells: it sees all the files at once.
    """
    begun = {file.recorded_at for file in files.values()}
    if row.file_name is None and row.recorded_at in begun:
        return False
    if row.file_name in files and row.recorded_at in {None, *begun}:
        return False
    return unnamed is None or (row.recorded_at is not None and row.recorded_at > unnamed.recorded_at)


def _reopened(file: RecordingFile, now: datetime) -> RecordingFile:
    transcript = file.transcript
    if transcript is not None and (
        transcript.status is TranscriptStatus.FAILED
        or (transcript.status is TranscriptStatus.NONE and _is_recent(file, now))
    ):
        transcript = replace(transcript, status=TranscriptStatus.PENDING)
    status = FileStatus.RECORDING if file.status is FileStatus.FAILED else file.status
    return replace(file, status=status, transcript=transcript)


def _is_recent(file: RecordingFile, now: datetime) -> bool:
    return file.available_at is not None and now - file.available_at < LATE_TRANSCRIPT
