"""The benchmark compares what was stored with what was served: a speed of lost or altered files is none."""

from dataclasses import asdict

import pytest

from tests.benchmarks.served import difference, transcript_digest

SERVED = {"recordings/a.wav": "1", "transcripts/a.wav.json": "2"}
NOTHING = {"missing": (), "altered": (), "extra": ()}
DOCUMENT = {"reference_id": "A", "file_name": "a.wav", "transcribe": {"transcription": [{"result": "yes"}]}}


@pytest.mark.parametrize(
    ("stored", "wrong"),
    [
        (SERVED, {}),
        ({"recordings/a.wav": "1"}, {"missing": ("transcripts/a.wav.json",)}),
        ({**SERVED, "recordings/a.wav": "2"}, {"altered": ("recordings/a.wav",)}),
        ({**SERVED, "recordings/b.wav": "3"}, {"extra": ("recordings/b.wav",)}),
    ],
    ids=["all of it", "missing", "altered", "extra"],
)
def test_an_object_that_is_not_as_served_is_named(
    stored: dict[str, str], wrong: dict[str, tuple[str, ...]]
) -> None:
    found = difference(SERVED, stored)

    assert asdict(found) == {**NOTHING, **wrong}


def test_what_the_archive_adds_to_a_transcript_is_not_compared() -> None:
    assert transcript_digest({**DOCUMENT, "recording_key": "recordings/a.wav"}) == transcript_digest(DOCUMENT)


@pytest.mark.parametrize("name", DOCUMENT)
def test_what_the_provider_said_of_a_transcript_is_compared(name: str) -> None:
    assert transcript_digest({**DOCUMENT, name: "other"}) != transcript_digest(DOCUMENT)
