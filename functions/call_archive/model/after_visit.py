"""What a call becomes once a visit tried what was pending. Pure, so that it can be applied again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from call_archive.errors import ArchiveError, InvalidBodyError, PermanentError, UnknownCallError
from call_archive.model.call import (
    MAX_FILES,
    Call,
    FileStatus,
    RecordingFile,
    StoredObject,
    Transcript,
    TranscriptStatus,
)
from call_archive.model.pending import named_rows, tracked_rows
from call_archive.model.row import AVAILABLE, DELETED, STILL_RECORDING, Row
from call_archive.model.transcript import Progress, transcript_progress

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta

    from call_archive.model.policy import Policy
    from call_archive.model.visit_result import Outcome, VisitResult

MAX_INVALID_BODIES = 5
"""Served in a row: five tries span over a minute, so one bad answer of a proxy ends nothing."""

NO_ROOM = f"the provider lists more than {MAX_FILES} files of this call: the others are not archived"

TRANSCRIBING = "the provider is still transcribing it"


def after_visit(call: Call, result: VisitResult, policy: Policy) -> Call:
    """The call as this visit leaves it. It never takes back what is settled, so it may be applied again
    to a call that another visit changed in between."""
    missing_since = _missing_since(call, result)
    given_up = (
        isinstance(result.error, UnknownCallError)
        and missing_since is not None
        and result.now - missing_since >= policy.transcript_grace
    )
    rows = tracked_rows(call, result.rows)
    files = {}
    for name in {**call.files, **rows}:
        row = rows.get(name)
        recorded_at = (row.recorded_at if row else None) or call.recorded_at
        file = call.files.get(name) or RecordingFile(recorded_at=recorded_at, first_seen_at=result.now)
        file = _after_recording(file, row, result.recordings.get(name), result, policy, given_up=given_up)
        transcript = _after_transcript(
            file, row, result.transcripts.get(name), result, policy, given_up=given_up
        )
        files[name] = replace(file, transcript=transcript)
    unnamed = _after_unnamed(call, result, policy, given_up=given_up)
    after = replace(
        call,
        files=files,
        unnamed=unnamed,
        recorded_at=min([call.recorded_at, *(file.recorded_at for file in files.values())]),
        visits=call.visits + 1,
        missing_since=missing_since,
        last_error=_last_error(result),
    )
    return replace(
        after, unchanged_visits=call.unchanged_visits + 1 if _states(after) == _states(call) else 0
    )


def _missing_since(call: Call, result: VisitResult) -> datetime | None:
    if result.error is None:
        return None
    if isinstance(result.error, UnknownCallError):
        return call.missing_since or result.now
    return call.missing_since


def _after_recording(
    file: RecordingFile,
    row: Row | None,
    outcome: Outcome | None,
    result: VisitResult,
    policy: Policy,
    *,
    given_up: bool,
) -> RecordingFile:
    # What S3 holds is archived, whatever another visit has concluded meanwhile.
    if file.status is FileStatus.ARCHIVED or (
        file.status is not FileStatus.RECORDING and not isinstance(outcome, StoredObject)
    ):
        return file
    if row is not None and row.status == AVAILABLE and file.available_at is None:
        file = replace(file, available_at=result.now)
    if isinstance(outcome, StoredObject):
        return replace(file, status=FileStatus.ARCHIVED, reason=None, invalid_bodies=0, recording=outcome)
    if row is not None and row.status == DELETED:
        reason = "deleted at the provider before it was archived"
        return replace(file, status=FileStatus.DELETED_AT_SOURCE, reason=reason)
    invalid = isinstance(outcome, InvalidBodyError)
    if invalid:
        file = replace(file, invalid_bodies=file.invalid_bodies + 1)
    reason = str(outcome) if outcome is not None else _why_not_yet(row, result)
    if isinstance(outcome, PermanentError) or (invalid and file.invalid_bodies >= MAX_INVALID_BODIES):
        return replace(file, status=FileStatus.FAILED, reason=reason)
    answered = result.error is None and outcome is None  # an invalid body has a limit of its own
    deadline = policy.retry_deadline if answered else policy.outage_deadline
    if given_up or result.now - file.first_seen_at >= deadline:
        return replace(file, status=FileStatus.FAILED, reason=f"given up: {reason}")
    return replace(file, reason=reason)


def _why_not_yet(row: Row | None, result: VisitResult) -> str:
    if result.error is not None:
        return str(result.error)
    if row is None:
        return "the provider lists no such file for this call"
    if row.status == STILL_RECORDING:
        return "the call is still being recorded"
    if row.status == AVAILABLE:
        return "available at the provider, but without a link yet"
    return f"the provider gives it an unknown status, {row.status[:80]!r}"


def _after_transcript(
    file: RecordingFile,
    row: Row | None,
    outcome: Outcome | None,
    result: VisitResult,
    policy: Policy,
    *,
    given_up: bool,
) -> Transcript | None:
    """None as long as the file was never seen available: until then nothing can be said."""
    transcript = file.transcript or Transcript(status=TranscriptStatus.PENDING)
    # What S3 has confirmed is noted, whatever became of the file or of another visit: no object is left over.
    if isinstance(outcome, StoredObject) and transcript.status is not TranscriptStatus.ARCHIVED:
        return Transcript(status=TranscriptStatus.ARCHIVED, stored=outcome)
    if file.available_at is None or transcript.status is not TranscriptStatus.PENDING:
        return file.transcript
    if isinstance(outcome, PermanentError):
        return Transcript(status=TranscriptStatus.FAILED, reason=str(outcome))
    age = result.now - file.available_at
    if result.error is not None or outcome is not None:
        reason = str(outcome or result.error)
        if given_up or age >= policy.outage_deadline:
            return Transcript(status=TranscriptStatus.FAILED, reason=f"given up: {reason}")
        return Transcript(status=TranscriptStatus.PENDING, reason=reason)
    if row is not None and row.status == DELETED:
        return Transcript(status=TranscriptStatus.NONE, reason="the call was deleted at the provider")
    progress = transcript_progress(row.transcribe if row else None, policy.transcript_failures)
    if progress is Progress.ABSENT and transcript.reason == TRANSCRIBING:
        progress = Progress.PENDING  # it was on its way: an answer that leaves it out does not end it
    status, reason = _not_archived(progress, age, policy)
    return Transcript(status=status, reason=reason)


def _not_archived(progress: Progress, age: timedelta, policy: Policy) -> tuple[TranscriptStatus, str]:
    match progress:
        case Progress.ABSENT if age >= policy.transcript_grace:
            return TranscriptStatus.NONE, "the provider made none"
        case Progress.ABSENT:
            return TranscriptStatus.PENDING, "the provider has none yet"
        case Progress.FAILED:
            return TranscriptStatus.FAILED, "the provider could not transcribe it"
        case Progress.PENDING if age >= policy.transcript_deadline:
            return TranscriptStatus.FAILED, f"given up: {TRANSCRIBING}"
        case Progress.PENDING:
            return TranscriptStatus.PENDING, TRANSCRIBING
        case Progress.COMPLETED:
            return TranscriptStatus.PENDING, "it waits for its recording"
        case _:
            assert_never(progress)


def _after_unnamed(
    call: Call, result: VisitResult, policy: Policy, *, given_up: bool
) -> RecordingFile | None:
    """The provider names a file only once it is available: no unnamed row left, nothing unnamed pending."""
    row = _newest_unnamed(call, result.rows)
    if len(tracked_rows(call, result.rows)) < len(named_rows(result.rows)):
        file = call.unnamed or RecordingFile(recorded_at=call.recorded_at, first_seen_at=result.now)
        return replace(file, status=FileStatus.FAILED, reason=NO_ROOM)
    if row is None and named_rows(result.rows):
        return None
    if call.unnamed is None and row is None:
        return None
    recorded_at = (row.recorded_at if row else None) or call.recorded_at
    file = call.unnamed or RecordingFile(recorded_at=recorded_at, first_seen_at=result.now)
    if recorded_at > file.recorded_at:  # another one, which was not waited for as long
        file = RecordingFile(recorded_at=recorded_at, first_seen_at=result.now)
    after = _after_recording(file, row, None, result, policy, given_up=given_up)
    if row is not None and row.status == AVAILABLE and not after.settled:
        return replace(
            after, available_at=None, reason="available at the provider, but without a file name yet"
        )
    return after


def _newest_unnamed(call: Call, rows: Iterable[Row]) -> Row | None:
    """Of those that are still to come, if there are any: the one to be waited for longest."""
    return max(
        (row for row in rows if row.file_name is None),
        key=lambda row: (row.status != DELETED, row.recorded_at or call.recorded_at),
        default=None,
    )


def _last_error(result: VisitResult) -> str | None:
    outcomes = (result.error, *result.recordings.values(), *result.transcripts.values())
    return next((str(outcome) for outcome in outcomes if isinstance(outcome, ArchiveError)), None)


def _states(call: Call) -> list[object]:
    return [
        (name, file.status, file.transcript.status if file.transcript else None)
        for name, file in [*call.files.items(), *([("", call.unnamed)] if call.unnamed else [])]
    ]
