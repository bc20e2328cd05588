"""What is read out of the provider's JSON, whatever it holds."""

import hashlib
import time
from datetime import datetime
from typing import Any

import pytest

from call_archive.errors import RetryableError
from call_archive.model.file_names import deduplicate_names
from call_archive.model.row import MAX_ID_BYTES
from call_archive.provider.parse import MAX_NAME, parse_call, parse_page
from tests.unit.factories import NOW, at

LINK = "https://recordings.example/a"


def an_entry(**parts: Any) -> dict[str, Any]:
    entry = {
        "reference_id": "CALL",
        "file_name": "a.wav",
        "status": "available",
        "date": "2026-03-01T12:00:00",
    }
    return entry | parts


def names(*entries: Any, known: dict[str, datetime] | None = None) -> list[str | None]:
    return [row.file_name for row in deduplicate_names(parse_call(list(entries), "CALL"), known or {})]


# --- A row


def test_a_row_is_read_as_it_came() -> None:
    said: dict[str, object] = {"transcription": []}
    ((row,), token) = _page({"call_recordings": [an_entry(url=LINK, transcribe=said)], "token": "T="})
    assert (row.reference_id, row.file_name, row.status, row.recorded_at, row.url, row.transcribe, token) == (
        ("CALL", "a.wav", "available", NOW, LINK, said, "T=")
    )


def test_a_row_holds_at_least_a_call() -> None:
    ((row,), _) = _page({"call_recordings": [{"reference_id": "CALL"}]})
    assert (row.file_name, row.status, row.recorded_at, row.url, row.transcribe) == (
        None,
        "",
        None,
        None,
        None,
    )


@pytest.mark.parametrize("entry", [None, 7, "CALL", [], {}, {"reference_id": ""}, {"reference_id": 7}])
def test_a_row_without_a_call_is_unreadable(entry: object) -> None:
    page = parse_page({"call_recordings": [entry, an_entry()]})
    assert (len(page.rows), page.unreadable) == (1, 1)


def test_the_longest_reference_id_is_read() -> None:
    page = parse_page({"call_recordings": [an_entry(reference_id="ä" * (MAX_ID_BYTES // 2))]})
    assert (len(page.rows), page.unreadable) == (1, 0)


def test_a_longer_reference_id_is_unreadable() -> None:
    page = parse_page({"call_recordings": [an_entry(reference_id="ä" * (MAX_ID_BYTES // 2) + "x")]})
    assert (len(page.rows), page.unreadable) == (0, 1)


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("a", "a"),
        ("x" * MAX_NAME, "x" * MAX_NAME),
        ("", None),
        (7, None),
    ],
)
def test_a_name_is_text_or_none(name: object, read: str | None) -> None:
    ((row,), _) = _page({"call_recordings": [an_entry(file_name=name)]})
    assert row.file_name == read


def test_a_long_name_is_cut_to_a_bounded_length_of_its_own() -> None:
    names = ["x" * (MAX_NAME + 1), "x" * (MAX_NAME + 2)]
    read = [
        row.file_name or ""
        for name in names
        for row in _page({"call_recordings": [an_entry(file_name=name)]})[0]
    ]
    assert [len(name) for name in read] == [MAX_NAME] * 2
    assert read[0] != read[1]


def test_a_long_name_is_cut_the_same_way_for_ever_for_an_objects_key_is_made_of_it() -> None:
    name = "ä" * 600
    ((row,), _) = _page({"call_recordings": [an_entry(file_name=name)]})
    assert row.file_name == "ä" * 495 + "~" + hashlib.sha256(name.encode()).hexdigest()[:32]


@pytest.mark.parametrize("url", ["", None, 7, [], {}])
def test_a_link_is_text_or_none(url: object) -> None:
    ((row,), _) = _page({"call_recordings": [an_entry(url=url)]})
    assert row.url is None


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-01T12:00:00", NOW),
        (" 2026-03-01T12:00:00\n", NOW),
        ("2026-03-01T12:00:00.999", NOW),
        ("2026-03-01T14:00:00+02:00", NOW),
        ("2000-01-01T00:00:00", at(days=-9556, hours=-12)),
        ("1999-12-31T23:59:59", None),
        ("2099-12-31T23:59:59", at(days=26968, seconds=43199)),
        ("2100-01-01T00:00:00", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("yesterday", None),
        (7, None),
    ],
)
def test_a_date_is_utc_to_the_second_and_of_our_time(text: object, moment: object) -> None:
    ((row,), _) = _page({"call_recordings": [an_entry(date=text)]})
    assert row.recorded_at == moment


@pytest.mark.parametrize("said", ["completed", 7, []])
def test_a_transcript_of_an_unknown_form_is_stored_by_its_type_alone(said: object) -> None:
    ((row,), _) = _page({"call_recordings": [an_entry(transcribe=said)]})
    assert row.transcribe == {"transcription": str(type(said))}


# --- A page


def _page(body: object) -> tuple[tuple[Any, ...], str | None]:
    page = parse_page(body)
    return page.rows, page.token


@pytest.mark.parametrize("body", [{}, {"call_recordings": None}, {"call_recordings": []}])
def test_a_page_may_hold_nothing(body: object) -> None:
    assert _page(body) == ((), None)


def test_a_page_may_hold_one_object() -> None:
    assert len(parse_page({"call_recordings": an_entry()}).rows) == 1


@pytest.mark.parametrize("token", [None, "", 7, [], {}])
def test_what_is_no_token_ends_the_list(token: object) -> None:
    assert _page({"call_recordings": [], "token": token}) == ((), None)


@pytest.mark.parametrize("body", [None, [], 7, "text"])
def test_what_is_no_page_is_asked_for_again_and_said_so(body: object) -> None:
    with pytest.raises(RetryableError, match=r"^the provider's answer is no page of recordings$"):
        parse_page(body)


def test_a_page_without_a_list_is_asked_for_again_and_said_so() -> None:
    with pytest.raises(RetryableError, match=r"^the provider's answer holds no list of recordings$"):
        parse_page({"call_recordings": "text"})


# --- A call


@pytest.mark.parametrize(
    "body",
    [[an_entry()], an_entry(), {"call_recordings": [an_entry()]}, {"call_recordings": an_entry()}],
)
def test_a_call_comes_as_a_list_as_an_object_or_as_a_page(body: object) -> None:
    assert [row.file_name for row in parse_call(body, "CALL")] == ["a.wav"]


@pytest.mark.parametrize("body", [[], {"call_recordings": []}, {"call_recordings": None}])
def test_a_call_may_have_no_rows(body: object) -> None:
    assert parse_call(body, "CALL") == ()


def test_a_row_of_a_call_need_not_repeat_its_id() -> None:
    rows = parse_call([{"file_name": "a.wav"}, {"reference_id": "", "file_name": "b.wav"}], "CALL")
    assert [(row.reference_id, row.file_name) for row in rows] == [("CALL", "a.wav"), ("CALL", "b.wav")]


def test_rows_that_name_another_call_or_are_none_are_left_out() -> None:
    assert names(an_entry(reference_id="OTHER"), 7, None, an_entry(reference_id="x" * 901), an_entry()) == [
        "a.wav"
    ]


def test_an_id_in_another_writing_is_given_back_as_it_was_asked_for() -> None:
    rows = parse_call([an_entry(reference_id="ab-CD")], "ABcd")
    assert [row.reference_id for row in rows] == ["ABcd"]


# --- Names


def test_two_files_of_one_name_are_stored_apart_the_earlier_under_its_own() -> None:
    later = an_entry(date="2026-03-01T13:05:09", url=LINK)
    assert names(later, an_entry(url=LINK)) == ["a.wav", "a.wav-20260301T130509"]


def test_a_file_keeps_the_name_that_it_is_known_by_though_an_earlier_one_has_it_too() -> None:
    earlier = an_entry(date="2026-03-01T11:00:00")
    assert names(earlier, an_entry(), known={"a.wav": NOW}) == ["a.wav", "a.wav-20260301T110000"]


def test_a_file_that_is_reported_twice_is_one_file() -> None:
    assert names(an_entry(), an_entry()) == ["a.wav", "a.wav"]


def test_a_file_of_no_date_beside_its_namesake_is_stored_apart() -> None:
    assert names(an_entry(date=None), an_entry()) == ["a.wav", "a.wav-undated"]


def test_a_file_that_can_be_downloaded_without_a_name_gets_one() -> None:
    assert names(an_entry(file_name=None, url=LINK)) == ["unnamed-20260301T120000.wav"]


def test_a_file_without_a_name_and_a_date_gets_a_name() -> None:
    assert names(an_entry(file_name=None, date=None, url=LINK)) == ["unnamed-undated.wav"]


def test_files_without_a_name_of_one_date_are_numbered() -> None:
    nameless = an_entry(file_name=None, url=LINK)
    assert names(nameless, nameless) == ["unnamed-20260301T120000.wav", "unnamed-20260301T120000-2.wav"]


def test_files_without_a_name_are_numbered_past_what_another_file_is_called() -> None:
    nameless = an_entry(file_name=None, url=LINK)
    assert names(an_entry(file_name="unnamed-20260301T120000-2.wav"), nameless, nameless, nameless) == [
        "unnamed-20260301T120000-2.wav",
        "unnamed-20260301T120000.wav",
        "unnamed-20260301T120000-3.wav",
        "unnamed-20260301T120000-4.wav",
    ]


def test_files_of_one_name_are_numbered_where_their_dates_do_not_keep_them_apart() -> None:
    namesakes = [an_entry(), an_entry(date="2026-03-01T13:05:09")]
    assert names(an_entry(file_name="a.wav-20260301T130509"), *namesakes) == [
        "a.wav-20260301T130509",
        "a.wav",
        "a.wav-20260301T130509-2",
    ]


def test_a_call_in_progress_keeps_its_row_without_a_name() -> None:
    assert names(an_entry(file_name=None, status="recording")) == [None]


def test_half_a_surrogate_pair_becomes_text_that_the_ledger_can_hold() -> None:
    assert names(an_entry(file_name="\ud800.wav")) == [r"\ud800.wav"]


def test_files_of_other_names_keep_them_whatever_their_dates() -> None:
    assert names(an_entry(), an_entry(file_name="b.wav", date="2026-03-01T13:00:00")) == ["a.wav", "b.wav"]


def test_a_date_without_a_zone_is_utc_wherever_this_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        ((row,), _) = _page({"call_recordings": [an_entry()]})
    finally:
        monkeypatch.undo()
        time.tzset()
    assert row.recorded_at == NOW
