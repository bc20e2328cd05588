"""What `find` and `show` print of a recording file: the contract that other programs rely on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.cli.time_range import in_utc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from call_archive.model.call import Call, RecordingFile, Transcript


def records_of(call: Call, start: datetime, end: datetime) -> Iterator[dict[str, Any]]:
    """One record a recording file dated from `start` to `end`; one without a name for a call in progress."""
    files: list[tuple[str | None, RecordingFile]] = [*call.files.items()]
    if call.unnamed is not None:
        files.append((None, call.unnamed))
    for name, file in files:
        if start <= file.recorded_at <= end:
            yield record_of(call.reference_id, name, file)


def record_of(reference_id: str, name: str | None, file: RecordingFile) -> dict[str, Any]:
    stored = file.recording
    return {
        "reference_id": reference_id,
        "file_name": name,
        "recorded_at": in_utc(file.recorded_at),
        "status": file.status.value,
        "reason": file.reason,
        "key": stored.key if stored else None,
        "size": stored.size if stored else None,
        "sha256": stored.sha256 if stored else None,
        "transcript": _transcript(file.transcript),
    }


def reasons_of(call: Call) -> str:
    """Why a call is open, or of what it failed, in one line."""
    reasons = []
    for part in call.parts:
        if not part.settled or part.failed:
            transcript = part.transcript.reason if part.transcript else None
            reasons.append((part.reason or "") if part.recording is None else f"transcript: {transcript}")
    return "; ".join(dict.fromkeys(filter(None, reasons))) or call.last_error or "not visited yet"


def _transcript(transcript: Transcript | None) -> dict[str, Any] | None:
    """Null until the file was available: before that there is nothing to say of a transcript."""
    if transcript is None:
        return None
    return {
        "status": transcript.status.value,
        "key": transcript.stored.key if transcript.stored else None,
    }
