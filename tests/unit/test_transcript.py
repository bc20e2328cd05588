import json
import re
from typing import Any

import pytest

from call_archive.errors import PermanentError
from call_archive.model.object_key import Origin
from call_archive.model.transcript import MAX_DEPTH, Progress, transcript_document, transcript_progress
from tests.unit.factories import NOW, transcribe

FAILURES = frozenset({"failed", "no_speech"})
ORIGIN = Origin(reference_id="call-1", file_name="a.wav", recorded_at=NOW)


@pytest.mark.parametrize(
    ("said", "progress"),
    [
        (None, Progress.ABSENT),
        ({}, Progress.ABSENT),
        ({"transcription": None}, Progress.ABSENT),
        ({"transcription": []}, Progress.ABSENT),
        (transcribe("completed"), Progress.COMPLETED),
        (transcribe("Completed"), Progress.COMPLETED),
        ({"transcription": [{"status": "completed", "result": []}]}, Progress.COMPLETED),
        ({"transcription": [{"status": "completed", "result": None}]}, Progress.COMPLETED),
        ({"transcription": {"status": "completed"}}, Progress.COMPLETED),
        (transcribe("completed", "completed"), Progress.COMPLETED),
        (transcribe("completed", "failed"), Progress.COMPLETED),
        (transcribe("completed", "in progress"), Progress.PENDING),
        (transcribe("failed", "in progress"), Progress.PENDING),
        (transcribe("in progress"), Progress.PENDING),
        (transcribe("never heard of"), Progress.PENDING),
        (transcribe(None), Progress.PENDING),
        (transcribe(7), Progress.PENDING),
        ({"transcription": [{}]}, Progress.PENDING),
        ({"transcription": ["completed"]}, Progress.PENDING),
        ({"transcription": "completed"}, Progress.PENDING),
        (transcribe("failed"), Progress.FAILED),
        (transcribe("NO_SPEECH"), Progress.FAILED),
        (transcribe("failed", "no_speech"), Progress.FAILED),
        (transcribe("failed", "no_speech", "completed"), Progress.COMPLETED),
    ],
)
def test_progress_is_read_from_every_entry(said: dict[str, Any] | None, progress: Progress) -> None:
    assert transcript_progress(said, FAILURES) is progress


def test_a_document_holds_what_the_provider_said_verbatim() -> None:
    said = {"transcription": [{"status": "completed", "result": [{"text": "grüß Gott"}]}], "unheard_of": 1}
    assert json.loads(transcript_document(ORIGIN, said))["transcribe"] == said


def test_a_document_names_its_recording() -> None:
    document = json.loads(transcript_document(ORIGIN, transcribe("completed")))
    del document["transcribe"]
    assert document == {
        "reference_id": "call-1",
        "file_name": "a.wav",
        "recorded_at": "2026-03-01T12:00:00Z",
        "recording_key": ORIGIN.recording_key,
    }


def test_the_same_transcript_gives_the_same_bytes() -> None:
    first, second = (transcript_document(ORIGIN, transcribe("completed")) for _ in range(2))
    assert first == second


def test_half_a_surrogate_pair_is_stored_as_the_escape_it_came_as() -> None:
    said = json.loads(r'{"transcription": [{"text": "\ud83d"}]}')
    assert json.loads(transcript_document(ORIGIN, said))["transcribe"] == said


TEXT = """{
  "reference_id": "call-1",
  "file_name": "a.wav",
  "recorded_at": "2026-03-01T12:00:00Z",
  "recording_key": "recordings/2026/03/01/call-1/a.wav",
  "transcribe": {
    "text": "%s"
  }
}"""


@pytest.mark.parametrize(("said", "kept"), [("Let’s", "Let’s"), ("\ud83d’", r"\ud83d\u2019")])
def test_a_document_is_text_that_a_person_can_read(said: str, kept: str) -> None:
    """And the same bytes as those of every earlier release, which a second try compares with."""
    assert transcript_document(ORIGIN, {"text": said}) == (TEXT % kept).encode()


def nested(levels: int) -> dict[str, Any]:
    value: object = "text"
    for _ in range(levels - 1):
        value = [value]
    return {"transcription": value}


def test_a_transcript_is_stored_however_it_is_nested_up_to_a_bound() -> None:
    said = nested(MAX_DEPTH)
    assert json.loads(transcript_document(ORIGIN, said))["transcribe"] == said


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 100_000])
def test_a_transcript_that_is_nested_past_it_is_final(levels: int) -> None:
    with pytest.raises(
        PermanentError, match=f"^{re.escape('the transcript is nested more than 100 levels deep')}$"
    ):
        transcript_document(ORIGIN, nested(levels))
