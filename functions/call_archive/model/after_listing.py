"""What a call becomes once rows of it were listed. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from call_archive.model.call import (
    LEASE,
    MAX_FILES,
    Call,
    FileStatus,
    RecordingFile,
    TranscriptStatus,
    new_call,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from call_archive.model.row import Row

LATE_TRANSCRIPT = timedelta(hours=48)
"""For this long after a file became available, a recheck reopens a transcript that was absent."""


def after_listing(
    call: Call | None,
    rows: Iterable[Row],
    *,
    now: datetime,
    default_date: datetime,
    recheck: bool,
    lease: timedelta = LEASE,
) -> Call | None:
    """The call as it should be noted after rows of it were listed, or None when they hold no news.

    `default_date` replaces a row's missing date. `recheck` reopens what ended without being archived (in a
    recheck or a backfill).
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
    began after what is waited for has not been waited for. A visit decides: it gets all the files at once.
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
