"""What is said of a key: by table and by property, without a bucket or a ledger."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from call_archive.model.call import (
    Call,
    FileStatus,
    RecordingFile,
    StoredObject,
    Transcript,
    TranscriptStatus,
)
from call_archive.model.object_key import MAX_SEGMENT, Origin, segment
from infra.verification.differences import Finding, Mark, StoredVersion, compare, expected_objects, judge
from infra.verification.parsed_key import parse_key
from tests.unit.factories import NOW, a_call, a_file, a_stored_object

ORIGIN = Origin(reference_id="call-1", file_name="a.wav", recorded_at=NOW)
RECORDING, TRANSCRIPT = ORIGIN.recording_key, ORIGIN.transcript_key
HOSTILE = "aZ09-_.~/%?#& \n\0\x7fü€\u202e😀"
NAMES = st.text(HOSTILE, min_size=1, max_size=3 * MAX_SEGMENT)
ORIGINS = st.builds(
    Origin, reference_id=NAMES, file_name=NAMES, recorded_at=st.datetimes(NOW.replace(tzinfo=None))
)


def archived(*, transcript: Transcript | None = None, **parts: Any) -> RecordingFile:
    """An archived file, with its objects at the keys that are theirs."""
    stored = a_stored_object(key=RECORDING)
    return a_file(
        **{
            "recorded_at": NOW,
            "status": FileStatus.ARCHIVED,
            "recording": stored,
            "transcript": transcript,
            **parts,
        }
    )


def a_transcript(status: TranscriptStatus) -> Transcript:
    stored = a_stored_object(key=TRANSCRIPT) if status is TranscriptStatus.ARCHIVED else None
    return Transcript(status=status, stored=stored)


def version_of(stored: StoredObject, **parts: Any) -> StoredVersion:
    version = StoredVersion(
        key=stored.key, version_id=stored.version_id, size=stored.size, sha256=stored.sha256
    )
    return replace(version, **parts)


def a_version(key: str = RECORDING, **parts: Any) -> StoredVersion:
    """The version that the archived file's ledger names."""
    return version_of(a_stored_object(key=key), **parts)


def a_delete_marker(key: str = RECORDING) -> StoredVersion:
    return StoredVersion(key=key, version_id="marker", size=0, sha256=None, delete_marker=True)


def said(finding: Finding | None) -> tuple[str, str | None]:
    assert finding is not None
    return finding.mark.value, finding.reason


# --- An object that the ledger calls archived


def test_an_object_as_the_ledger_has_it_is_equal() -> None:
    assert said(compare(a_stored_object(key=RECORDING), [a_version()])) == ("=", None)


def test_an_object_that_is_nowhere_is_missing() -> None:
    assert said(compare(a_stored_object(), [])) == ("-", None)


def test_an_object_of_which_only_delete_markers_are_left_is_missing() -> None:
    finding = compare(a_stored_object(), [a_delete_marker()])
    assert said(finding) == ("-", "deleted: delete markers are all that is left")


@pytest.mark.parametrize(
    ("versions", "reason"),
    [
        ([a_delete_marker(), a_version()], "1 delete marker"),
        ([a_version(), a_delete_marker(), a_delete_marker()], "2 delete markers"),
        ([a_version(version_id="v2"), a_version()], "2 versions, not 1"),
        ([a_version(), a_version(version_id="v0")], "2 versions, not 1"),
        ([a_version(version_id="v2")], "version v2, not v1"),
        ([a_version(size=43)], "43 bytes, not 44"),
        ([a_version(sha256="cd" * 32)], f"SHA-256 {'cd' * 32}, not {'ab' * 32}"),
        ([a_version(sha256=None)], "S3 keeps no SHA-256 of all its bytes"),
        (
            [a_version(version_id="v2", size=1), a_version(version_id="v3")],
            "version v2, not v1; 2 versions, not 1; 1 bytes, not 44",
        ),
    ],
)
def test_an_object_that_is_there_and_not_as_the_ledger_has_it_is_different(
    versions: list[StoredVersion], reason: str
) -> None:
    assert said(compare(a_stored_object(key=RECORDING), versions)) == ("*", reason)


@pytest.mark.parametrize(("expected", "there"), [(None, "null"), (None, None), ("null", None)])
def test_an_object_without_a_version_is_equal_whatever_that_is_called(
    expected: str | None, there: str | None
) -> None:
    assert compare(a_stored_object(version_id=expected), [a_version(version_id=there)]).mark is Mark.EQUAL


@given(
    changes=st.fixed_dictionaries(
        {},
        optional={
            "version_id": st.sampled_from([None, "", "v1", "v2", "null"]),
            "size": st.integers(0, 99),
            "sha256": st.none() | st.just("cd" * 32),
        },
    ),
    more=st.lists(st.sampled_from([a_delete_marker(), a_version(version_id="v0")]), max_size=2),
)
def test_only_the_very_object_and_nothing_beside_it_is_equal(
    changes: dict[str, Any], more: list[StoredVersion]
) -> None:
    version = a_version(**changes)
    finding = compare(a_stored_object(key=RECORDING), [version, *more])
    assert (finding.mark is Mark.EQUAL) == (version == a_version() and not more)
    assert finding.mark is Mark.EQUAL or finding.reason


# --- What a call's objects are


@pytest.mark.parametrize("status", list(TranscriptStatus))
def test_a_transcript_is_expected_once_it_is_archived(status: TranscriptStatus) -> None:
    expected = expected_objects(a_call(a=archived(transcript=a_transcript(status))))
    assert list(expected) == [RECORDING, *([TRANSCRIPT] if status is TranscriptStatus.ARCHIVED else [])]


@pytest.mark.parametrize("status", [each for each in FileStatus if each is not FileStatus.ARCHIVED])
def test_a_transcript_is_expected_though_its_recording_is_not(status: FileStatus) -> None:
    transcript = a_transcript(TranscriptStatus.ARCHIVED)
    expected = expected_objects(a_call(a=archived(status=status, recording=None, transcript=transcript)))
    assert list(expected) == [TRANSCRIPT]


def test_what_is_called_archived_without_its_sum_equals_no_object() -> None:
    call = a_call(a=archived(recording=None))
    assert said(judge(RECORDING, call, [a_version()]))[0] == "*"
    assert said(judge(RECORDING, call, []))[0] == "-"


def test_a_key_that_is_another_files_is_different_though_the_object_is_there() -> None:
    key = replace(ORIGIN, reference_id="call-2").recording_key
    call = a_call(a=archived(recording=a_stored_object(key=key)))
    mark, reason = said(judge(key, call, [a_version(key)]))
    assert (mark, reason) == ("*", "the ledger has it for call-1/a.wav, whose key it is not")


# --- An object that the ledger does not call archived

OPEN, SETTLED = a_call(a=a_file()), a_call(a=a_file(status=FileStatus.FAILED))
OTHER_FILE = replace(ORIGIN, file_name="b.wav").recording_key


@pytest.mark.parametrize(
    ("key", "call"),
    [
        (RECORDING, OPEN),
        (TRANSCRIPT, OPEN),
        (OTHER_FILE, OPEN),
        (TRANSCRIPT, a_call(a=archived(transcript=a_transcript(TranscriptStatus.PENDING)))),
    ],
    ids=["recording", "its transcript", "a new file", "transcript of an archived recording"],
)
def test_what_a_visit_has_stored_and_not_noted_yet_is_in_work(key: str, call: Call) -> None:
    assert said(judge(key, call, [a_version(key)])) == ("~", "stored, and not yet noted in the ledger")


@pytest.mark.parametrize(
    ("key", "call", "reason"),
    [
        (RECORDING, None, "the ledger knows no such call"),
        ("elsewhere.txt", None, "no key of this archive"),
        (RECORDING, SETTLED, "the ledger says of this file: failed"),
        (OTHER_FILE, SETTLED, "the ledger knows no such file of this call"),
        (TRANSCRIPT, a_call(a=archived()), "the ledger says of this transcript: none"),
        (
            RECORDING,
            a_call(a=a_file(status=FileStatus.FAILED), b=a_file()),
            "the ledger says of this file: failed",
        ),
        (
            TRANSCRIPT,
            a_call(a=archived(transcript=a_transcript(TranscriptStatus.NONE)), b=a_file()),
            "the ledger says of this transcript: none",
        ),
    ],
)
def test_what_no_visit_holds_is_extra(key: str, call: Call | None, reason: str) -> None:
    assert said(judge(key, call, [a_version(key)])) == ("+", reason)


@pytest.mark.parametrize(
    "versions",
    [[a_version(), a_version(version_id="v0")], [a_delete_marker(), a_version()], [a_delete_marker()]],
)
def test_what_a_visit_would_not_leave_behind_is_extra_though_its_call_is_open(
    versions: list[StoredVersion],
) -> None:
    assert said(judge(RECORDING, OPEN, versions))[0] == "+"


@pytest.mark.parametrize("call", [None, OPEN, SETTLED])
def test_of_a_key_that_neither_side_has_nothing_is_said(call: Call | None) -> None:
    assert judge(RECORDING, call, []) is None


def test_all_but_what_is_equal_or_in_work_is_a_difference() -> None:
    assert [mark for mark in Mark if not mark.is_difference] == [Mark.EQUAL, Mark.IN_WORK]


# --- Keys, read back


@given(ORIGINS)
def test_a_key_leads_back_to_its_call_unless_its_id_was_cut(origin: Origin) -> None:
    for key in (origin.recording_key, origin.transcript_key):
        parsed = parse_key(key)
        assert parsed is not None
        assert parsed.file == segment(origin.file_name)
        assert parsed.reference == segment(origin.reference_id)
        cut = "~" in parsed.reference
        assert parsed.reference_id == (None if cut else origin.reference_id)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "a.wav",
        "recordings/2026/03/01/call-1",
        "recordings/2026/03/01/call-1/",
        "recordings/2026/03/01/call-1/a/b",
        "recordings/2026/3/1/call-1/a.wav",
        "/recordings/2026/03/01/call-1/a.wav",
        "logs/2026/03/01/call-1/a.wav",
        "transcripts/2026/03/01/call-1/a.wav",
        "recordings/2026/03/01/%63all-1/a.wav",
        "recordings/2026/03/01/call%ff/a.wav",
        "recordings/2026/03/01/call%2/a.wav",
        "recordings/2026/03/01/call 1/a.wav",
        "recordings/2026/03/01/../a.wav",
        "recordings/٢٠٢٦/03/01/call-1/a.wav",
        "recordings/2026/03/01/call-1/a.wav\n",
    ],
)
def test_a_key_that_no_call_could_have_leads_nowhere(key: str) -> None:
    assert parse_key(key) is None


@given(NAMES | st.builds("recordings/2026/03/01/{}/{}".format, NAMES, NAMES))
def test_of_any_key_there_is_something_to_say(key: str) -> None:
    assert said(judge(key, None, [a_version(key)]))[0] == "+"
