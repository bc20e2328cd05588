import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from call_archive.model.object_key import Origin, segment
from tests.unit.factories import NOW

names = st.one_of(st.text(min_size=1), st.text(alphabet="./~%2Ea", min_size=1), st.text(min_size=60))
HARMLESS = re.compile(r"[A-Za-z0-9_.%~-]{1,200}")


@given(first=names, second=names)
def test_no_two_names_share_a_segment(first: str, second: str) -> None:
    assert (segment(first) == segment(second)) is (first == second)


@given(names)
def test_a_segment_is_harmless_and_of_at_most_200_characters(name: str) -> None:
    assert HARMLESS.fullmatch(segment(name))


@given(names)
def test_a_segment_is_never_a_step_in_a_path(name: str) -> None:
    assert segment(name) not in (".", "..")


@given(names)
def test_a_segment_taken_for_a_name_is_another_segment_unless_it_is_plain(name: str) -> None:
    assert segment(name) == name or segment(segment(name)) != segment(name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("1234-a_b.wav", "1234-a_b.wav"),
        ("..", "%2E%2E"),
        ("../../etc/passwd", "..%2F..%2Fetc%2Fpasswd"),
        ("a b.wav", "a%20b.wav"),
        ("ä", "%C3%A4"),
        ("~", "%7E"),
        ("a\x00b", "a%00b"),
        ("X.", "X."),
        ("x" * 200, "x" * 200),
    ],
)
def test_a_name_is_percent_encoded(name: str, expected: str) -> None:
    assert segment(name) == expected


def test_long_names_that_differ_at_their_end_differ_in_their_segments() -> None:
    assert segment("a" * 500 + "1") != segment("a" * 500 + "2")


def test_a_long_name_is_cut_and_ends_in_a_hash_of_it() -> None:
    digest = hashlib.sha256(b"a" * 201).hexdigest()
    assert segment("a" * 201) == "a" * 167 + "~" + digest[:32]


def test_keys_are_made_of_the_date_the_call_and_the_file() -> None:
    origin = Origin(reference_id="call-1", file_name="a/b.wav", recorded_at=NOW)
    assert (origin.recording_key, origin.transcript_key) == (
        "recordings/2026/03/01/call-1/a%2Fb.wav",
        "transcripts/2026/03/01/call-1/a%2Fb.wav.json",
    )


@given(reference_id=names, file_name=names)
def test_every_key_has_six_segments_and_fits_into_s3(reference_id: str, file_name: str) -> None:
    key = Origin(reference_id=reference_id, file_name=file_name, recorded_at=NOW).transcript_key
    assert (key.count("/"), len(key.encode()) <= 1024) == (5, True)
