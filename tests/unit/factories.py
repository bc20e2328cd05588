"""What the unit tests are made of: a call, a file, a row, with only what a test is about spelt out."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from call_archive.model.call import (
    MAX_FILES,
    Call,
    FileStatus,
    RecordingFile,
    StoredObject,
    Transcript,
    TranscriptStatus,
)
from call_archive.model.row import Row
from call_archive.model.window import PendingWindow, Window

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(**elapsed: float) -> datetime:
    """So long after NOW."""
    return NOW + timedelta(**elapsed)


def a_row(file_name: str | None = "a.wav", **parts: Any) -> Row:
    """An available file with a link and no transcript."""
    link = f"https://recordings.example/{file_name}" if file_name else None
    row = Row(
        reference_id="call-1", file_name=file_name, status="available", recorded_at=at(minutes=-5), url=link
    )
    return replace(row, **parts)


def an_unnamed_row(**parts: Any) -> Row:
    """A call in progress: the provider names no file yet."""
    return a_row(None, **{"status": "recording", **parts})


def transcribe(*statuses: object) -> dict[str, Any]:
    """What the provider says of a transcript with an entry of each status."""
    return {"transcription": [{"status": status} for status in statuses]}


def a_stored_object(**parts: Any) -> StoredObject:
    stored = StoredObject(key="recordings/a.wav", size=44, sha256="ab" * 32, version_id="v1", archived_at=NOW)
    return replace(stored, **parts)


def a_file(**parts: Any) -> RecordingFile:
    """A file that was listed just now, and not visited yet."""
    return replace(RecordingFile(recorded_at=at(minutes=-5), first_seen_at=NOW), **parts)


def an_archived_file(transcript: TranscriptStatus | None = None, **parts: Any) -> RecordingFile:
    """A file that was seen available, and archived, just now."""
    file = a_file(
        status=FileStatus.ARCHIVED,
        available_at=NOW,
        recording=a_stored_object(),
        transcript=a_transcript(transcript) if transcript else None,
    )
    return replace(file, **parts)


def a_transcript(status: TranscriptStatus, **parts: Any) -> Transcript:
    stored = a_stored_object(key="transcripts/a.json") if status is TranscriptStatus.ARCHIVED else None
    return replace(Transcript(status=status, stored=stored), **parts)


def a_call(**files_by_stem: RecordingFile) -> Call:
    """An open call of these files: `a_call(a=a_file())` holds `a.wav`."""
    return Call(
        reference_id="call-1",
        recorded_at=at(minutes=-5),
        opened_at=NOW,
        due_at=NOW,
        next_visit_at=at(minutes=20),
        files={f"{stem}.wav": file for stem, file in files_by_stem.items()},
    )


def a_full_call() -> Call:
    """A call of as many files as the ledger has room for, all archived: `0.wav`, `1.wav`, …"""
    return a_call(**{str(number): an_archived_file(TranscriptStatus.NONE) for number in range(MAX_FILES)})


def a_window(*, seconds: int = 3600, recheck: bool = False) -> Window:
    """A window of so many seconds that ends now."""
    return Window(start=at(seconds=1 - seconds), end=NOW, recheck=recheck)


def an_owed_window(window: Window, **parts: Any) -> PendingWindow:
    return replace(PendingWindow(window=window, due_at=NOW, next_visit_at=at(minutes=20)), **parts)
