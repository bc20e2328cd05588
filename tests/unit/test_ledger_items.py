import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

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
from call_archive.model.row import MAX_ID_BYTES
from call_archive.model.window import PendingWindow, Window
from call_archive.storage.ledger_items import (
    call_from_item,
    call_key,
    call_to_item,
    deserialized,
    from_sortable,
    to_sortable,
    window_from_item,
    window_key,
    window_to_item,
)
from tests.unit.factories import NOW, a_call, a_file, a_window, an_archived_file, an_owed_window, at

names = st.text(min_size=1, max_size=50)
counts = st.integers(min_value=0, max_value=10**12)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(
    lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
)
reasons = st.none() | names

stored_objects = st.builds(
    StoredObject, key=names, size=counts, sha256=names, version_id=reasons, archived_at=moments
)
transcripts = st.builds(
    Transcript,
    status=st.sampled_from(TranscriptStatus),
    reason=reasons,
    stored=st.none() | stored_objects,
)
files = st.builds(
    RecordingFile,
    recorded_at=moments,
    first_seen_at=moments,
    available_at=st.none() | moments,
    status=st.sampled_from(FileStatus),
    reason=reasons,
    invalid_bodies=counts,
    recording=st.none() | stored_objects,
    transcript=st.none() | transcripts,
)
calls = st.builds(
    Call,
    reference_id=names,
    recorded_at=moments,
    opened_at=moments,
    due_at=moments,
    next_visit_at=moments,
    version=counts,
    visits=counts,
    unchanged_visits=counts,
    missing_since=st.none() | moments,
    last_error=reasons,
    files=st.dictionaries(names, files, max_size=3),
    unnamed=st.none() | files,
)
windows = st.builds(Window, start=moments, end=moments, recheck=st.booleans())
owed_windows = st.builds(
    PendingWindow,
    window=windows,
    due_at=moments,
    next_visit_at=moments,
    attempts=counts,
    last_error=reasons,
    refused=st.booleans(),
)


@given(calls)
def test_a_call_reads_back_from_its_item(call: Call) -> None:
    # A settled call has no next visit: what stands in for it is of no meaning.
    expected = replace(call, next_visit_at=call.due_at) if call.settled else call
    assert call_from_item(call_to_item(call)) == expected


@given(calls)
def test_an_open_call_is_in_the_open_index_and_a_settled_one_is_not(call: Call) -> None:
    item = call_to_item(call)
    assert {"open_shard", "next_visit_at"} & set(item) == (
        set() if call.settled else {"open_shard", "next_visit_at"}
    )


@given(calls)
def test_a_failed_call_is_in_the_failed_index_and_no_other_is(call: Call) -> None:
    assert ("failed_shard" in call_to_item(call)) is call.failed


@pytest.mark.parametrize(
    ("call", "state"), [(a_call(a=a_file()), "open"), (a_call(a=an_archived_file()), "settled")]
)
def test_an_item_says_whether_its_call_is_open(call: Call, state: str) -> None:
    assert call_to_item(call)["state"] == {"S": state}


def test_a_call_is_found_by_its_day_and_then_by_its_moment() -> None:
    item = deserialized(call_to_item(a_call(a=a_file())))
    assert (item["day"], item["day_order"]) == ("2026-03-01", "2026-03-01T11:55:00Z#call-1")


@pytest.mark.parametrize("letter", ["x", "ä", "🎧"])
def test_the_longest_reference_id_fits_into_dynamodb_s_keys(letter: str) -> None:
    reference_id = letter * (MAX_ID_BYTES // len(letter.encode()))
    item = deserialized(call_to_item(replace(a_call(), reference_id=reference_id)))
    assert (len(item["pk"].encode()) <= 2048, len(item["day_order"].encode()) <= 1024) == (True, True)


@given(owed_windows)
def test_a_window_reads_back_from_its_item(pending: PendingWindow) -> None:
    assert window_from_item(window_to_item(pending)) == pending


def test_a_window_that_looks_again_is_pending_beside_the_one_that_does_not() -> None:
    assert window_key(a_window(recheck=True)) != window_key(a_window())


@pytest.mark.parametrize(("recheck", "end"), [(False, ""), (True, "#recheck")])
def test_a_window_has_the_key_that_it_always_had(recheck: bool, end: str) -> None:  # noqa: FBT001
    key = deserialized(window_key(a_window(recheck=recheck)))
    assert key == {"pk": f"window#2026-03-01T11:00:01Z#2026-03-01T12:00:00Z{end}"}


def test_a_call_has_the_key_that_it_always_had() -> None:
    assert deserialized(call_key("call-1")) == {"pk": "call#call-1"}


def test_every_pending_window_is_in_the_open_index() -> None:
    assert {"open_shard", "next_visit_at"} <= set(window_to_item(an_owed_window(a_window())))


@given(first=moments, second=moments)
def test_moments_sort_as_their_texts(first: datetime, second: datetime) -> None:
    assert (first < second) is (to_sortable(first) < to_sortable(second))


def test_a_moment_is_stored_in_utc_wherever_this_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert to_sortable(NOW.astimezone(timezone(timedelta(hours=2)))) == "2026-03-01T12:00:00Z"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_call_stays_on_its_shards() -> None:
    item = deserialized(call_to_item(a_call(a=a_file(), b=a_file(status=FileStatus.FAILED))))
    assert (item["open_shard"], item["failed_shard"]) == ("open#5", "failed#5")


def test_a_window_is_on_the_shard_of_windows() -> None:
    assert window_to_item(an_owed_window(a_window()))["open_shard"] == {"S": "windows"}


def test_a_file_without_invalid_bodies_holds_no_count_of_them() -> None:
    item = deserialized(call_to_item(a_call(a=a_file())))
    assert "invalid_bodies" not in item["files"]["a.wav"]


def test_a_file_that_holds_no_count_of_invalid_bodies_had_none() -> None:
    assert call_from_item(call_to_item(a_call(a=a_file()))).files["a.wav"].invalid_bodies == 0


def test_a_moment_is_cut_to_its_second() -> None:
    assert from_sortable(to_sortable(at(milliseconds=999))) == NOW


@pytest.mark.parametrize("text", ["2026-03-01T12:00:00", "2026-03-01T12:00:00+00:00", "2026-03-01Z", ""])
def test_a_moment_in_another_form_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not of the form|does not say that it is UTC"):
        from_sortable(text)
