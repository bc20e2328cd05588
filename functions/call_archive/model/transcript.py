"""What the provider says of a transcript, and how it is archived: verbatim."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from call_archive.errors import PermanentError

if TYPE_CHECKING:
    from call_archive.model.object_key import Origin

MAX_DEPTH = 100
"""Levels of nesting that a transcript may have. Python may not be able to write what it could read, and an
indented document of thousands of levels takes all memory."""

COMPLETED = "completed"
"""The only status that the provider's documents name."""


class Progress(Enum):
    ABSENT = auto()
    PENDING = auto()
    COMPLETED = auto()
    FAILED = auto()


def transcript_progress(transcribe: Mapping[str, Any] | None, failures: frozenset[str]) -> Progress:
    """Reads every entry: `completed` with an empty or missing `result` counts, an empty list is absent."""
    entries: Any = transcribe.get("transcription") if transcribe is not None else None
    if isinstance(entries, Mapping):
        entries = [entries]
    if not entries:
        return Progress.ABSENT
    if not isinstance(entries, list):
        return Progress.PENDING
    statuses = {_status(entry) for entry in entries}
    if not statuses <= failures | {COMPLETED}:
        return Progress.PENDING
    return Progress.COMPLETED if COMPLETED in statuses else Progress.FAILED


def _status(entry: object) -> str:
    status = entry.get("status") if isinstance(entry, Mapping) else None
    return status.lower() if isinstance(status, str) else ""


def _is_deeper(value: object, levels: int) -> bool:
    if not isinstance(value, Mapping | list):
        return False
    return levels == 0 or any(
        _is_deeper(each, levels - 1) for each in (value.values() if isinstance(value, Mapping) else value)
    )


def transcript_document(origin: Origin, transcribe: Mapping[str, Any]) -> bytes:
    """The transcript object: the provider's `transcribe` as it came, and which recording it belongs to.

    The same input gives the same bytes, so that a second try meets its own object. PermanentError for one that is
    nested too deep.
    """
    if _is_deeper(transcribe, MAX_DEPTH):
        raise PermanentError(f"the transcript is nested more than {MAX_DEPTH} levels deep")
    document = {
        "reference_id": origin.reference_id,
        "file_name": origin.file_name,
        "recorded_at": origin.recorded_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "recording_key": origin.recording_key,
        "transcribe": transcribe,
    }
    try:
        return json.dumps(document, ensure_ascii=False, indent=2).encode()
    except UnicodeEncodeError:  # half a surrogate pair has no UTF-8: store it as the escape it came as
        return json.dumps(document, indent=2).encode()
