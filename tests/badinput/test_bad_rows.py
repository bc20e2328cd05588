"""The fields of a row, as a list page and an answer by id hold them: each alone, the rest of the row good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from call_archive.errors import RetryableError
from call_archive.model.policy import Policy
from call_archive.model.row import EARLIEST, LATEST
from call_archive.model.transcript import Progress, transcript_progress
from call_archive.provider.parse import MAX_NAME, MAX_STATUS, parse_call, parse_page
from tests.badinput.cases import cases

if TYPE_CHECKING:
    from call_archive.model.row import Row

KIND = "fields"
FAILURES = Policy().transcript_failures
WRONG: dict[str, Any] = {
    "null": None,
    "true": True,
    "false": False,
    "nought": 0,
    "a number": 7,
    "a huge number": 10**400,
    "a fraction": 1.5,
    "NaN": float("nan"),
    "infinity": float("inf"),
    "an empty text": "",
    "an empty list": [],
    "a list": ["a"],
    "an empty object": {},
    "an object": {"a": 1},
}
"""Values that no field may have, but each has some as its absence."""


def row(**fields: Any) -> Row:
    """The row that becomes of these fields, which must be the same from a list page and by id."""
    entry = {
        "reference_id": "CALL",
        "file_name": "a.wav",
        "status": "available",
        "date": "2026-03-01T12:00:00",
    }
    (listed,) = parse_page({"call_recordings": [entry | fields]}).rows
    (asked,) = parse_call([entry | fields], "CALL")
    assert (listed.status, listed.recorded_at, listed.url) == (asked.status, asked.recorded_at, asked.url)
    return listed


@cases(KIND, "value", {f"a file name that is {name}": value for name, value in WRONG.items()})
def test_a_file_name_that_is_none_makes_a_row_of_a_call_in_progress(value: object) -> None:
    assert row(file_name=value).file_name is None


@cases(KIND, "value", {f"a status that is {name}": value for name, value in WRONG.items()})
def test_a_status_that_is_none_is_an_unknown_status(value: object) -> None:
    assert row(status=value).status == ""


@cases(KIND, "value", {f"a link that is {name}": value for name, value in WRONG.items()})
def test_a_link_that_is_none_is_no_link_yet(value: object) -> None:
    assert row(url=value).url is None


@cases(
    KIND,
    "value,reference_ids",
    {
        "by id, an id that is absent": (..., ["CALL"]),
        "by id, an id that is null": (None, ["CALL"]),
        "by id, an id that is empty": ("", ["CALL"]),
        "by id, an id that is false": (False, ["CALL"]),
        "by id, an id that is another's": ("OTHER", []),
        "by id, an id that is a number": (7, []),
        "by id, an id that is true": (True, []),
        "by id, an id that is a list": (["CALL"], []),
        "by id, an id in lower case": ("call", ["CALL"]),
        "by id, an id with dashes": ("CA-LL", ["CALL"]),
        "by id, an id with blanks": (" CALL ", []),
        "by id, an id with a NUL": ("CALL\0", []),
        "by id, an id that looks the same": ("САLL", []),
        "by id, an id that is too long": ("CALL" * 300, []),
    },
)
def test_asked_by_id_a_row_is_of_that_call_or_left_out(value: object, reference_ids: list[str]) -> None:
    entry = {"file_name": "a.wav"} | ({} if value is ... else {"reference_id": value})
    assert [each.reference_id for each in parse_call([entry], "CALL")] == reference_ids


UNKNOWN = {
    "in capitals": "AVAILABLE",
    "with a blank": "available ",
    "with a new line": "available\n",
    "with a NUL": "available\0",
    "of another word": "expired",
    "in full-width letters": "ａｖａｉｌａｂｌｅ",
    "with a soft hyphen": "avail\u00adable",
}


@cases(KIND, "status", {f"a status {name}": status for name, status in UNKNOWN.items()})
def test_a_status_that_is_not_exactly_known_stays_as_it_was_reported(status: str) -> None:
    assert row(status=status).status == status


@cases(
    KIND,
    "status",
    {
        "a status of 81 characters": "s" * 81,
        "a status of a megabyte": "s" * 10**6,
        "a status of 81 emoji": "\U0001f600" * 81,
        "a status of half a pair": "\ud83d" * 99,
    },
)
def test_a_long_status_is_cut(status: str) -> None:
    assert len(row(status=status).status) == MAX_STATUS


TRANSCRIBE: dict[str, tuple[Any, Progress]] = {
    "null": (None, Progress.ABSENT),
    "an empty object": ({}, Progress.ABSENT),
    "true": (True, Progress.PENDING),
    "false": (False, Progress.PENDING),
    "nought": (0, Progress.PENDING),
    "a number": (7, Progress.PENDING),
    "an empty text": ("", Progress.PENDING),
    "a text": ("completed", Progress.PENDING),
    "an empty list": ([], Progress.PENDING),
    "a list": ([{"status": "completed"}], Progress.PENDING),
    "without a transcription": ({"language_code": "en-US"}, Progress.ABSENT),
    "of null": ({"transcription": None}, Progress.ABSENT),
    "of an empty list": ({"transcription": []}, Progress.ABSENT),
    "of an empty object": ({"transcription": {}}, Progress.PENDING),
    "of an empty text": ({"transcription": ""}, Progress.ABSENT),
    "of a text": ({"transcription": "Hello"}, Progress.PENDING),
    "of a number": ({"transcription": 7}, Progress.PENDING),
    "of true": ({"transcription": True}, Progress.PENDING),
    "of one object": ({"transcription": {"status": "completed"}}, Progress.COMPLETED),
    "of entries that are texts": ({"transcription": ["completed"]}, Progress.PENDING),
    "of entries that are null": ({"transcription": [None]}, Progress.PENDING),
    "of entries that are lists": ({"transcription": [["completed"]]}, Progress.PENDING),
    "without a status": ({"transcription": [{"result": "Hello"}]}, Progress.PENDING),
    "of a status that is true": ({"transcription": [{"status": True}]}, Progress.PENDING),
    "of a status that is a list": ({"transcription": [{"status": ["completed"]}]}, Progress.PENDING),
    "of a status in capitals": ({"transcription": [{"status": "COMPLETED"}]}, Progress.COMPLETED),
    "of a status with a blank": ({"transcription": [{"status": "completed "}]}, Progress.PENDING),
    "completed without a result": ({"transcription": [{"status": "completed"}]}, Progress.COMPLETED),
    "completed with a result of null": (
        {"transcription": [{"status": "completed", "result": None}]},
        Progress.COMPLETED,
    ),
    "completed with a result that is a number": (
        {"transcription": [{"status": "completed", "result": 7}]},
        Progress.COMPLETED,
    ),
    "half completed": (
        {"transcription": [{"status": "completed"}, {"status": "in progress"}]},
        Progress.PENDING,
    ),
    "half failed": ({"transcription": [{"status": "completed"}, {"status": "failed"}]}, Progress.COMPLETED),
    "failed": ({"transcription": [{"status": "failed"}]}, Progress.FAILED),
    "10,000 times completed": ({"transcription": [{"status": "completed"}] * 10_000}, Progress.COMPLETED),
}


@cases(KIND, "value,progress", {f"a transcript {name}": case for name, case in TRANSCRIBE.items()})
def test_a_transcript_of_any_form_is_there_or_not_or_on_its_way(value: object, progress: Progress) -> None:
    told = row(transcribe=value).transcribe
    assert transcript_progress(told, FAILURES) is progress


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        name: JSON | st.text(st.characters(exclude_categories=()))
        for name in ("reference_id", "file_name", "status", "date", "url", "transcribe")
    },
)


@settings(max_examples=50)
@given(JSON | st.fixed_dictionaries({"call_recordings": JSON | st.lists(FIELDS), "token": JSON}))
def test_any_json_is_a_page_or_no_page(body: object) -> None:
    try:
        page = parse_page(body)
    except RetryableError:
        return
    assert all(row.reference_id.encode() for row in page.rows)
    assert page.token != ""


@settings(max_examples=50)
@given(st.lists(FIELDS, max_size=8))
def test_any_rows_are_rows_of_the_call_that_was_asked_for_each_fit_for_the_ledger(
    entries: list[dict[str, Any]],
) -> None:
    for each in parse_call(entries, "CALL"):
        assert each.reference_id == "CALL"
        assert each.file_name is None or 0 < len(each.file_name.encode()) <= MAX_NAME + 40
        assert each.recorded_at is None or EARLIEST <= each.recorded_at < LATEST


@settings(max_examples=50)
@given(st.lists(FIELDS, max_size=8))
def test_every_row_of_a_page_is_read_or_counted(entries: list[dict[str, Any]]) -> None:
    page = parse_page({"call_recordings": entries})
    assert len(page.rows) + page.unreadable == len(entries)
