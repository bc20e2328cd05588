"""The checker can fail: each invariant is broken here in an observation that is sound otherwise."""

import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from call_archive.model.call import Call, FileStatus, RecordingFile, TranscriptStatus
from call_archive.model.message import VisitMessage, WindowMessage
from call_archive.model.object_key import Origin
from call_archive.model.transcript import transcript_document
from call_archive.model.window import SECOND, Window, cut
from infra.verification.differences import StoredVersion
from infra.verification.invariants import INVARIANTS, violations
from infra.verification.observation import Observation, Served
from tests.unit.factories import (
    NOW,
    a_call,
    a_file,
    a_stored_object,
    a_transcript,
    a_window,
    an_archived_file,
    an_owed_window,
    at,
)

SERVED_AT = at(minutes=-5)
BYTES, TRANSCRIBE = b"RIFF....WAVE", {"transcription": [{"status": "completed", "result": "text"}]}
ORIGIN = Origin(reference_id="call-1", file_name="a.wav", recorded_at=SERVED_AT)
DOCUMENT = transcript_document(ORIGIN, TRANSCRIBE)
FAILED, LOST = FileStatus.FAILED, TranscriptStatus.FAILED


def a_version(key: str, body: bytes, **parts: Any) -> StoredVersion:
    version = StoredVersion(key=key, version_id="v1", size=len(body), sha256=hashlib.sha256(body).hexdigest())
    return replace(version, **parts)


RECORDING = a_version(ORIGIN.recording_key, BYTES)
TRANSCRIPT = a_version(ORIGIN.transcript_key, DOCUMENT)


OTHER = a_version("recordings/b.wav", BYTES)
"""Of the same bytes, under another file's key."""
OTHERS = a_stored_object(key=OTHER.key, size=OTHER.size, sha256=OTHER.sha256)


def served(**parts: Any) -> Served:
    truth = Served(
        reference_id="call-1",
        file_name="a.wav",
        recorded_at=SERVED_AT,
        sha256=RECORDING.sha256,
        transcribes=(TRANSCRIBE,),
        ends_by=NOW,
    )
    return replace(truth, **parts)


def archived(**parts: Any) -> RecordingFile:
    """`a.wav` as a sound ledger tells of it."""
    recording = a_stored_object(key=RECORDING.key, size=RECORDING.size, sha256=RECORDING.sha256)
    transcript = a_stored_object(key=TRANSCRIPT.key, size=TRANSCRIPT.size, sha256=TRANSCRIPT.sha256)
    file = an_archived_file(TranscriptStatus.ARCHIVED, recording=recording)
    transcribed = replace(file, transcript=a_transcript(TranscriptStatus.ARCHIVED, stored=transcript))
    return replace(transcribed, **parts)


def sound(**parts: Any) -> Observation:
    """One call, archived as it was served, all trouble over."""
    bodies = {RECORDING.key: BYTES, TRANSCRIPT.key: DOCUMENT}
    seen = Observation(
        at_rest=True,
        calls={"call-1": a_call(a=archived())},
        versions=[RECORDING, TRANSCRIPT],
        read=lambda version: bodies[version.key],
        versions_before=[RECORDING],
        listed_from=at(hours=-2),
        listed_until=NOW,
        noted_windows=cut(at(hours=-2), NOW),
        messages=[VisitMessage(reference_id="call-1").to_json()],
        most_visits=5,
        ended_at={("call-1", "a.wav"): NOW},
        losses_reported=[],
        secrets=["CANARY"],
        texts=[("log", "recording_archived")],
    )
    return replace(seen, **parts)


def of(file: RecordingFile, **parts: Any) -> Observation:
    """A sound observation but for that file in the ledger."""
    return sound(calls={"call-1": a_call(a=file)}, **parts)


def an_open_call(reference_id: str = "call-1", **parts: Any) -> Call:
    return replace(a_call(a=a_file()), reference_id=reference_id, **parts)


def test_a_sound_archive_breaks_nothing() -> None:
    assert violations([served()], sound()) == []


BROKEN: list[tuple[str, str, Observation]] = [
    ("I1", "the ledger does not know it", sound(calls={})),
    ("I1", "a.wav failed without", of(a_file(status=FAILED), losses_reported=[("call-1", "a.wav")])),
    ("I1", "dead, and not", sound(dead_letters=[VisitMessage(reference_id="call-2").to_json()])),
    ("I1", "open without a next visit", sound(calls={"call-1": an_open_call(next_visit_at=at(days=-9))})),
    (
        "I2",
        "said to be of a.wav",
        of(archived(recording=OTHERS), versions=[OTHER, TRANSCRIPT], versions_before=[]),
    ),
    (
        "I2",
        "said to be of a.wav",
        of(archived(transcript=a_transcript(TranscriptStatus.ARCHIVED, stored=OTHERS))),
    ),
    ("I2", "2 versions", sound(versions=[RECORDING, replace(RECORDING, version_id="v2"), TRANSCRIPT])),
    ("I2", "not what the ledger says", of(archived(recording=a_stored_object(key=RECORDING.key)))),
    ("I2", "nobody knows where", of(archived(recording=None))),
    (
        "I2",
        "nobody knows where",
        of(archived(transcript=a_transcript(TranscriptStatus.ARCHIVED, stored=None))),
    ),
    ("I3", "nobody served it", sound(versions=[RECORDING, TRANSCRIPT, a_version("recordings/x", b"")])),
    ("I3", "not the bytes", sound(versions=[replace(RECORDING, sha256="00"), TRANSCRIPT])),
    ("I3", "not a transcript", sound(read=lambda _: b"{}")),
    *(
        ("I3", "not a transcript", sound(read=lambda _, body=body: body))
        for body in (
            DOCUMENT.replace(b"call-1", b"call-2", 1),
            DOCUMENT.replace(b'"a.wav"', b'"b.wav"', 1),
            DOCUMENT.replace(ORIGIN.recording_key.encode(), b"recordings/b.wav"),
            DOCUMENT.replace(b'"text"', b'"another text"'),
        )
    ),
    ("I4", "changed or gone", sound(versions_before=[replace(RECORDING, version_id="v0")])),
    ("I4", "written again", sound(versions=[RECORDING, RECORDING, TRANSCRIPT])),
    ("I4", "deleted", sound(versions=[RECORDING, TRANSCRIPT, replace(TRANSCRIPT, delete_marker=True)])),
    ("I5", "not in the bucket", sound(versions=[TRANSCRIPT], versions_before=[])),
    ("I6", "only until", sound(noted_windows=[Window(start=at(hours=-2), end=NOW - SECOND)])),
    ("I6", "only until", sound(noted_windows=cut(at(hours=-1), NOW))),
    ("I7", "the transcript of a.wav is nothing", of(archived(transcript=None))),
    (
        "I7",
        "without a reason",
        of(archived(transcript=a_transcript(LOST)), losses_reported=[("call-1", "a.wav")]),
    ),
    ("I8", "still open", sound(calls={"call-1": an_open_call()}, poison=["call-2"])),
    ("I9", "a chain of 11", sound(messages=[VisitMessage(reference_id="call-1", hop=11).to_json()])),
    ("I9", "a chain of 11", sound(messages=[WindowMessage(window=a_window(), hop=11).to_json()])),
    ("I9", "visited 6 times", sound(calls={"call-1": replace(a_call(a=archived()), visits=6)})),
    ("I10", "holds secret number 0", sound(texts=[("log", "...CANARY...")])),
    ("I10", "holds secret number 0", sound(texts=[("log", f"{'.' * 1_000_000}CANARY")])),
    ("I10", "holds secret number 1", sound(texts=[("a", ""), ("b", "OTHER")], secrets=["CANARY", "OTHER"])),
    ("I11", "left behind", sound(uploads=["recordings/x"])),
    ("I12", "still open", sound(calls={"call-1": an_open_call()})),
    ("I12", "0:00:01 late", sound(ended_at={("call-1", "a.wav"): at(seconds=1)})),
    ("I8", "0:00:01 late", sound(ended_at={("call-1", "a.wav"): at(seconds=1)}, poison=["call-2"])),
    ("I12", "still to be listed", sound(windows=[an_owed_window(a_window())])),
    ("I12", "not known", sound(calls={"call-1": a_call()})),
    (
        "I12",
        "is failed (why)",
        of(a_file(status=FAILED, reason="why"), losses_reported=[("call-1", "a.wav")]),
    ),
    ("I13", "the loss of a.wav", of(a_file(status=FAILED, reason="why"))),
    ("I13", "the loss of a.wav", of(a_file(status=FileStatus.DELETED_AT_SOURCE))),
    ("I13", "the loss of a.wav", of(archived(transcript=a_transcript(LOST, reason="why")))),
]


@pytest.mark.parametrize(("invariant", "what", "seen"), BROKEN)
def test_what_is_broken_is_named(invariant: str, what: str, seen: Observation) -> None:
    found = violations([served()], seen)
    assert [each for each in found if each.invariant == invariant and what in each.what]


def test_the_bytes_of_another_recording_are_not_taken_for_served() -> None:
    other = a_version(RECORDING.key, b"RIFF....WAVE other")
    stored = a_stored_object(key=other.key, size=other.size, sha256=other.sha256)
    seen = of(archived(recording=stored), versions=[other, TRANSCRIPT], versions_before=[])
    assert [each.invariant for each in violations([served()], seen)] == ["I2", "I3"]


def test_every_invariant_is_broken_here_at_least_once() -> None:
    assert {invariant for invariant, _, _ in BROKEN} == set(INVARIANTS)


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("", sound(calls={"call-1": replace(a_call(), unnamed=a_file(status=FAILED, reason="why"))})),
        ("a.wav", of(a_file(status=FAILED, reason="why"))),
    ],
)
def test_a_loss_that_was_reported_is_sound_where_it_is_honest(name: str, seen: Observation) -> None:
    truth = served(file_name=name, recording_ends=frozenset({FAILED}))
    told = replace(seen, losses_reported=[("call-1", name)], versions=[], versions_before=[])
    assert violations([truth], told) == []


def test_while_work_goes_on_nothing_needs_to_have_ended() -> None:
    seen = sound(
        at_rest=False,
        calls={"call-1": an_open_call()},
        windows=[an_owed_window(a_window())],
        versions_before=[],
    )
    assert violations([served(), served(reference_id="call-2")], seen) == []


def test_a_call_that_cannot_be_handled_may_stay_open() -> None:
    seen = sound(calls={"call-1": a_call(a=archived()), "call-2": an_open_call("call-2")}, poison=["call-2"])
    assert violations([served()], seen) == []


def test_windows_that_overlap_leave_nothing_out() -> None:
    windows = [Window(start=at(hours=-2), end=at(hours=-1)), Window(start=at(hours=-1, minutes=-15), end=NOW)]
    assert violations([served()], sound(noted_windows=windows)) == []


def test_a_violation_is_reported_without_the_secret_that_it_is_about() -> None:
    (found,) = violations([served()], sound(texts=[("the log", "CANARY")]))
    assert ("the log" in str(found), "CANARY" in str(found)) == (True, False)


def test_a_window_that_ends_a_second_early_leaves_it_out() -> None:
    ends = NOW - timedelta(hours=1)
    gap = [Window(start=at(hours=-2), end=ends - SECOND), Window(start=ends + SECOND, end=NOW)]
    assert [each.invariant for each in violations([served()], sound(noted_windows=gap))] == ["I6"]
