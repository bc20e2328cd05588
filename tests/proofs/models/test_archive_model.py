"""What becomes of an object, in the model and in a real bucket."""

import hashlib
from io import BytesIO

import pytest

from call_archive.errors import PermanentError, RetryableError
from call_archive.model.object_key import Origin
from call_archive.provider.download import Download
from tests.proofs.models.conftest import System
from tests.unit.factories import NOW

BODY = b"RIFF....WAVE the same"
ORIGIN = Origin(reference_id="call-1", file_name="a.wav", recorded_at=NOW)
SHA256 = hashlib.sha256(BODY).hexdigest()


def a_download(body: bytes = BODY, *, size: int | None = None) -> Download:
    return Download(BytesIO(body), b"", size or len(body), float("inf"))


def test_a_recording_is_stored_with_its_checksum(system: System) -> None:
    stored = system.archive.put_recording(ORIGIN, a_download())
    assert (stored.key, stored.size, stored.sha256) == (ORIGIN.recording_key, len(BODY), SHA256)


def test_a_second_recording_at_a_key_is_not_stored(system: System) -> None:
    system.archive.put_recording(ORIGIN, a_download())
    assert system.archive.put_recording(ORIGIN, a_download(b"RIFF....WAVE another")) is None
    assert system.archive.same(ORIGIN.recording_key, size=len(BODY), sha256=SHA256).sha256 == SHA256


def test_an_object_that_is_another_is_reported_apart(system: System) -> None:
    system.archive.put_recording(ORIGIN, a_download())
    with pytest.raises(PermanentError, match="a different object already lies at"):
        system.archive.same(ORIGIN.recording_key, size=len(BODY), sha256="00" * 32)


def test_an_object_that_is_not_there_is_asked_for_again(system: System) -> None:
    with pytest.raises(RetryableError):
        system.archive.same(ORIGIN.recording_key, size=1, sha256="00" * 32)


def test_a_body_that_ends_early_stores_nothing(system: System) -> None:
    with pytest.raises(RetryableError):
        system.archive.put_recording(ORIGIN, a_download(BODY[:15], size=len(BODY)))
    with pytest.raises(RetryableError):
        system.archive.same(ORIGIN.recording_key, size=len(BODY), sha256=SHA256)


def test_the_same_transcript_may_be_put_again(system: System) -> None:
    once, again = (system.archive.put_transcript(ORIGIN, b"{}") for _ in range(2))
    assert (once.sha256, once.version_id) == (again.sha256, again.version_id)


def test_another_transcript_is_refused(system: System) -> None:
    system.archive.put_transcript(ORIGIN, b"{}")
    with pytest.raises(PermanentError):
        system.archive.put_transcript(ORIGIN, b"[]")
