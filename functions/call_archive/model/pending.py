"""What is pending of a call: which of the provider's rows are to be archived by this visit. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from call_archive.model.call import MAX_FILES, Call, FileStatus, StoredObject, TranscriptStatus
from call_archive.model.row import AVAILABLE, Row
from call_archive.model.transcript import Progress, transcript_progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from call_archive.model.policy import Policy
    from call_archive.model.visit_result import Outcome


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
