"""The decisions of a visit: what is owed of a call, and what it has become once that was tried."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

from call_archive.errors import ArchiveError, RetryableError
from call_archive.model.backoff import MAX_PAUSE_SECONDS, NextVisit, back_off
from call_archive.model.call import (
    LEASE,
    MAX_FILES,
    Call,
    FileStatus,
    Row,
    StoredObject,
    TranscriptStatus,
)
from call_archive.model.transcript import Progress, transcript_progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

AVAILABLE, STILL_RECORDING, DELETED = "available", "recording", "deleted"

Outcome: TypeAlias = StoredObject | ArchiveError


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


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitResult:
    """What one visit saw: the provider's rows or its trouble, and how archiving each owed part ended."""

    now: datetime
    rows: tuple[Row, ...] = ()
    error: ArchiveError | None = None
    recordings: Mapping[str, Outcome] = field(default_factory=dict)
    transcripts: Mapping[str, Outcome] = field(default_factory=dict)

    @property
    def retry_after_seconds(self) -> float:
        errors = [self.error, *self.recordings.values(), *self.transcripts.values()]
        return max((e.retry_after_seconds for e in errors if isinstance(e, RetryableError)), default=0)


def named_rows(rows: Iterable[Row]) -> dict[str, Row]:
    """The rows by file name; of two rows of one file, the one that can be downloaded."""
    named: dict[str, Row] = {}
    for row in rows:
        if row.file_name is not None and (row.file_name not in named or row.url is not None):
            named[row.file_name] = row
    return named


def tracked_rows(call: Call, rows: Iterable[Row]) -> dict[str, Row]:
    """Those of files that the ledger knows, and of others as many as it has room for."""
    named = named_rows(rows)
    room = max(0, MAX_FILES - len(call.files))
    tracked = {*call.files, *[name for name in named if name not in call.files][:room]}
    return {name: row for name, row in named.items() if name in tracked}


def pending_recordings(call: Call, rows: Iterable[Row]) -> list[Row]:
    return [
        row
        for name, row in tracked_rows(call, rows).items()
        if row.status == AVAILABLE
        and row.url is not None
        and (name not in call.files or call.files[name].status is FileStatus.RECORDING)
    ]


def pending_transcripts(
    call: Call, rows: Iterable[Row], recordings: Mapping[str, Outcome], policy: Policy
) -> list[Row]:
    """Completed transcripts whose recording is archived, or will never be: the recording comes first."""
    pending = []
    for name, row in tracked_rows(call, rows).items():
        file = call.files.get(name)
        settled = file is not None and file.status in (FileStatus.ARCHIVED, FileStatus.FAILED)
        transcript = file.transcript if file else None
        if (
            row.status == AVAILABLE
            and (settled or isinstance(recordings.get(name), StoredObject))
            and (transcript is None or transcript.status is TranscriptStatus.PENDING)
            and transcript_progress(row.transcribe, policy.transcript_failures) is Progress.COMPLETED
        ):
            pending.append(row)
    return pending


def plan_next_visit(call: Call, result: VisitResult, policy: Policy, *, hop: int, jitter: float) -> NextVisit:
    """Names the next visit of an open call."""
    grace_ends = _grace_ends(call, result, policy)
    return back_off(
        now=result.now,
        hop=hop,
        unchanged=call.unchanged_visits,
        jitter=jitter,
        # A transcript that is absent mostly stays so: few looks, and the last when its grace ends.
        factor=4 if grace_ends else 2,
        retry_after_seconds=result.retry_after_seconds,
        lease=policy.lease,
        at_latest_seconds=(
            max(1, (min(grace_ends) - result.now).total_seconds()) if grace_ends else MAX_PAUSE_SECONDS
        ),
    )


def _grace_ends(call: Call, result: VisitResult, policy: Policy) -> list[datetime]:
    """When the grace of each absent transcript ends; empty when anything else is pending as well."""
    rows = named_rows(result.rows)
    ends = []
    for name, file in call.files.items():
        if file.settled:
            continue
        row = rows.get(name)
        if file.status is FileStatus.RECORDING or row is None or file.available_at is None:
            return []
        if transcript_progress(row.transcribe, policy.transcript_failures) is not Progress.ABSENT:
            return []
        ends.append(file.available_at + policy.transcript_grace)
    return ends if call.unnamed is None or call.unnamed.settled else []
