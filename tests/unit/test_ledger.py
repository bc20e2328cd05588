"""The ledger on a table that has the synthesized template's own keys and indexes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber

from call_archive.errors import RetryableError
from call_archive.model.call import (
    Call,
    FileStatus,
    RecordingFile,
    StoredObject,
    Transcript,
    TranscriptStatus,
)
from call_archive.model.window import PendingWindow, Window
from call_archive.storage.ledger import READ_BATCH, Ledger
from call_archive.storage.ledger_items import call_key, call_to_item

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.unit.conftest import MakeCall

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


def pending(hours: int = 0, *, recheck: bool = False, due_at: datetime = NOW, **more: Any) -> PendingWindow:
    start = datetime(2026, 2, 1, tzinfo=UTC) + hours * HOUR
    window = Window(start=start, end=start + HOUR - SECOND, recheck=recheck)
    return PendingWindow(window=window, **{"due_at": due_at, "next_visit_at": due_at, **more})


def projected(properties: dict[str, Any]) -> dict[str, set[str]]:
    return {
        index["IndexName"]: {"pk"}
        | {key["AttributeName"] for key in index["KeySchema"]}
        | set(index["Projection"].get("NonKeyAttributes", []))
        for index in properties["GlobalSecondaryIndexes"]
    }


# --- Calls


def test_a_call_comes_back_as_it_was_written(ledger: Ledger, stored: StoredObject) -> None:
    transcript = Transcript(status=TranscriptStatus.FAILED, reason="none", stored=replace(stored, key="t"))
    call = Call(
        reference_id="Ünï/#call",
        recorded_at=NOW - HOUR,
        opened_at=NOW,
        due_at=NOW + SECOND,
        next_visit_at=NOW + HOUR,
        visits=3,
        unchanged_visits=2,
        missing_since=NOW,
        last_error="the provider answered 503",
        files={
            "a b/’.wav": RecordingFile(
                recorded_at=NOW,
                first_seen_at=NOW,
                available_at=NOW,
                status=FileStatus.ARCHIVED,
                recording=stored,
                transcript=transcript,
                invalid_bodies=2,
            )
        },
        unnamed=RecordingFile(recorded_at=NOW, first_seen_at=NOW, reason="in progress"),
    )
    assert ledger.write(call)
    assert ledger.read(call.reference_id) == replace(call, version=1)


def test_an_unknown_call_is_none(ledger: Ledger) -> None:
    assert ledger.read("NOBODY") is None


def test_of_two_who_write_a_new_call_one_wins(ledger: Ledger, make_call: MakeCall) -> None:
    assert ledger.write(make_call(last_error="first"))
    assert not ledger.write(make_call(last_error="second"))
    assert (call := ledger.read("CALL"))
    assert (call.last_error, call.version) == ("first", 1)


def test_of_two_who_read_the_same_version_one_wins(ledger: Ledger, make_call: MakeCall) -> None:
    ledger.write(make_call())
    read = ledger.read("CALL")
    assert read
    assert ledger.write(replace(read, visits=1))
    assert not ledger.write(replace(read, visits=99))
    assert (call := ledger.read("CALL"))
    assert (call.visits, call.version) == (1, 2)


def test_a_call_that_vanished_is_not_written_as_if_it_were_known(ledger: Ledger, make_call: MakeCall) -> None:
    assert not ledger.write(make_call(version=3))
    assert ledger.read("CALL") is None


def test_many_are_written_each_by_its_own_condition(ledger: Ledger, make_call: MakeCall) -> None:
    ledger.write(make_call("C7"))
    calls = [make_call(f"C{number}") for number in range(40)]
    assert ledger.write_many(calls) == [number != 7 for number in range(40)]
    assert ledger.write_many([]) == []


def test_many_are_read_past_one_batch_each_once_and_unknown_ones_left_out(
    ledger: Ledger, make_call: MakeCall
) -> None:
    ids = [f"C{number}" for number in range(READ_BATCH + 30)]
    ledger.write_many([make_call(each) for each in ids])
    assert sorted(ledger.read_many([*ids, *ids, "NOBODY"])) == sorted(ids)
    assert ledger.read_many([]) == {}


def test_any_other_refusal_of_dynamodb_is_raised(ledger: Ledger, make_call: MakeCall) -> None:
    nowhere = Ledger(ledger.client, "no-such-table")
    for write in (lambda: nowhere.write(make_call()), lambda: nowhere.update_window(pending())):
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            write()


# --- The sparse indexes


def test_a_call_is_in_the_open_index_while_something_is_pending(ledger: Ledger, make_call: MakeCall) -> None:
    ledger.write(make_call())
    assert [each.reference_id for each in ledger.open_calls()] == ["CALL"]
    ledger.write(make_call(version=1, status=FileStatus.DELETED_AT_SOURCE))
    assert list(ledger.open_calls()) == []
    ledger.write(make_call(version=2))
    assert [each.reference_id for each in ledger.open_calls()] == ["CALL"]


def test_a_pending_transcript_keeps_a_call_open(
    ledger: Ledger, make_call: MakeCall, stored: StoredObject
) -> None:
    pending = Transcript(status=TranscriptStatus.PENDING)
    ledger.write(make_call(status=FileStatus.ARCHIVED, recording=stored, transcript=pending))
    assert [each.reference_id for each in ledger.open_calls()] == ["CALL"]


def test_a_call_is_in_the_failed_index_while_something_of_it_failed(
    ledger: Ledger, make_call: MakeCall, stored: StoredObject
) -> None:
    failed = Transcript(status=TranscriptStatus.FAILED)
    ledger.write_many(
        [
            make_call("A", status=FileStatus.FAILED),
            make_call("B", status=FileStatus.ARCHIVED, recording=stored, transcript=failed),
            make_call("C", status=FileStatus.ARCHIVED, recording=stored),
            make_call("D"),
        ]
    )
    assert sorted(each.reference_id for each in ledger.failed_calls()) == ["A", "B"]
    ledger.write(make_call("A", version=1))
    assert [each.reference_id for each in ledger.failed_calls()] == ["B"]


def test_the_indexes_report_a_calls_dates(ledger: Ledger, make_call: MakeCall) -> None:
    ledger.write(make_call(recorded_at=NOW - HOUR, opened_at=NOW - SECOND, status=FileStatus.FAILED))
    ledger.write(make_call("B", recorded_at=NOW - HOUR, opened_at=NOW - SECOND))
    for (found,) in (list(ledger.failed_calls()), list(ledger.open_calls())):
        assert (found.recorded_at, found.opened_at) == (NOW - HOUR, NOW - SECOND)


def test_the_open_and_the_failed_index_project_what_is_read_of_them(table_properties: dict[str, Any]) -> None:
    read = {"pk", "recorded_at", "opened_at", "schema"}
    indexes = projected(table_properties)
    assert indexes["open"] == read | {"open_shard", "next_visit_at"}
    assert indexes["failed"] == read | {"failed_shard"}


def test_every_key_of_the_template_is_text_that_an_item_writes(
    table_properties: dict[str, Any], make_call: MakeCall
) -> None:
    item = call_to_item(make_call(files={}, unnamed=RecordingFile(recorded_at=NOW, first_seen_at=NOW)))
    failed = call_to_item(make_call(status=FileStatus.FAILED))
    keys = {each["AttributeName"]: each["AttributeType"] for each in table_properties["AttributeDefinitions"]}
    assert keys == {name: "S" for name in keys if "S" in {**failed, **item}[name]}


def test_the_open_index_is_spread_over_its_shards(ledger: Ledger, make_call: MakeCall) -> None:
    ledger.write_many([make_call(f"C{number}") for number in range(60)])
    items = [ledger.client.get_item(TableName="ledger", Key=call_key(f"C{n}"))["Item"] for n in range(60)]
    assert len({item["open_shard"]["S"] for item in items}) > 4
    assert len(list(ledger.open_calls())) == 60


def test_calls_of_a_day_are_found_by_their_first_file_oldest_first(
    ledger: Ledger, make_call: MakeCall
) -> None:
    midnight = datetime(2026, 3, 1, tzinfo=UTC)
    for name, recorded_at in (
        ("LATE", midnight + timedelta(hours=23, minutes=59, seconds=59)),
        ("EARLY", midnight),
        ("BEFORE", midnight - SECOND),
        ("AFTER", midnight + timedelta(days=1)),
    ):
        ledger.write(make_call(name, recorded_at=recorded_at, status=FileStatus.DELETED_AT_SOURCE))
    assert list(ledger.calls_of_day("2026-03-01")) == ["EARLY", "LATE"]
    assert list(ledger.calls_of_day("2026-02-27")) == []


def test_an_index_is_read_to_its_last_page(
    ledger: Ledger, make_call: MakeCall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page is at most 1 MB, and here 20 KB; a call with a long id in the day's index weighs about 2 KB."""
    monkeypatch.setattr("moto.dynamodb.models.table.RESULT_SIZE_LIMIT", 20_000)
    calls = [make_call(f"{number:04}{'x' * 880}", status=FileStatus.FAILED) for number in range(30)]
    assert all(ledger.write_many(calls))
    first = ledger.client.query(
        TableName=ledger.table,
        IndexName="by_day",
        KeyConditionExpression="#day = :day",
        ExpressionAttributeNames={"#day": "day"},
        ExpressionAttributeValues={":day": {"S": "2026-03-01"}},
    )
    assert 0 < first["Count"] < 30
    assert len(list(ledger.calls_of_day("2026-03-01"))) == 30


# --- What is due


def test_calls_are_due_once_their_next_visit_has_passed_longest_first(
    ledger: Ledger, make_call: MakeCall
) -> None:
    for number in range(20):
        ledger.write(make_call(f"C{number}", next_visit_at=NOW - number * SECOND))
    ledger.write(make_call("LATER", next_visit_at=NOW + SECOND))
    ledger.write(make_call("DONE", next_visit_at=NOW - HOUR, status=FileStatus.DELETED_AT_SOURCE))
    due = ledger.due_calls(NOW, 1000)
    assert due == [(f"C{number}", NOW - number * SECOND) for number in reversed(range(20))]
    assert ledger.due_calls(NOW, 5) == due[:5]


def test_windows_are_due_apart_from_calls(ledger: Ledger, make_call: MakeCall) -> None:
    ledger.write(make_call(next_visit_at=NOW - HOUR))
    ledger.put_windows([pending(0), pending(1, due_at=NOW + SECOND), pending(2, due_at=NOW - HOUR)])
    assert ledger.due_windows(NOW, 10) == [pending(2, due_at=NOW - HOUR), pending(0)]
    assert ledger.due_windows(NOW, 1) == [pending(2, due_at=NOW - HOUR)]
    assert [each for each, _ in ledger.due_calls(NOW, 10)] == ["CALL"]


# --- Leases


def test_a_lease_pushes_the_next_visit_on_once(ledger: Ledger, make_call: MakeCall) -> None:
    ledger.write(make_call(next_visit_at=NOW))
    assert ledger.lease_call("CALL", expected=NOW, until=NOW + HOUR)
    assert not ledger.lease_call("CALL", expected=NOW, until=NOW + 2 * HOUR)
    assert ledger.due_calls(NOW, 10) == []
    assert ledger.due_calls(NOW + HOUR, 10) == [("CALL", NOW + HOUR)]


def test_a_lease_does_not_cost_a_visit_its_write(ledger: Ledger, make_call: MakeCall) -> None:
    ledger.write(make_call(next_visit_at=NOW))
    read = ledger.read("CALL")
    assert read
    ledger.lease_call("CALL", expected=NOW, until=NOW + HOUR)
    assert ledger.write(replace(read, visits=1))


def test_a_settled_or_an_unknown_call_takes_no_lease(ledger: Ledger, make_call: MakeCall) -> None:
    ledger.write(make_call(status=FileStatus.DELETED_AT_SOURCE))
    assert not ledger.lease_call("CALL", expected=NOW, until=NOW + HOUR)
    assert not ledger.lease_call("NOBODY", expected=NOW, until=NOW + HOUR)
    assert ledger.read("NOBODY") is None
    assert list(ledger.open_calls()) == []


def test_a_windows_lease_is_taken_once(ledger: Ledger) -> None:
    ledger.put_windows([pending()])
    assert ledger.lease_window(pending().window, expected=NOW, until=NOW + HOUR)
    assert not ledger.lease_window(pending().window, expected=NOW, until=NOW + HOUR)
    assert not ledger.lease_window(pending(5).window, expected=NOW, until=NOW + HOUR)


# --- Windows


def test_windows_are_pending_until_they_are_finished(ledger: Ledger) -> None:
    windows = [pending(hours) for hours in range(53)]
    ledger.put_windows(windows)
    assert sorted(each.window for each in ledger.open_windows()) == [each.window for each in windows]
    for each in windows[1:]:
        ledger.finish_window(each.window)
    assert ledger.open_windows() == windows[:1]


def test_a_window_comes_back_as_it_was_noted(ledger: Ledger) -> None:
    noted = pending(
        attempts=3, last_error="the provider answered 503", refused=True, next_visit_at=NOW + HOUR
    )
    ledger.put_windows([pending()])
    ledger.update_window(noted)
    assert ledger.read_window(noted.window) == noted


def test_an_attempt_does_not_bring_a_finished_window_back(ledger: Ledger) -> None:
    ledger.put_windows([pending()])
    ledger.finish_window(pending().window)
    ledger.update_window(pending(attempts=1))
    assert ledger.read_window(pending().window) is None


def test_a_window_that_looks_again_is_another_than_one_that_does_not(ledger: Ledger) -> None:
    ledger.put_windows([pending(), pending(recheck=True)])
    ledger.finish_window(pending().window)
    assert ledger.open_windows() == [pending(recheck=True)]


def test_a_window_that_is_finished_twice_is_finished(ledger: Ledger) -> None:
    ledger.finish_window(pending().window)
    assert ledger.open_windows() == []


# --- The cursor


def test_there_is_no_cursor_before_the_first_tick(ledger: Ledger) -> None:
    assert ledger.listed_until() is None


def test_the_cursor_moves_on_and_never_back(ledger: Ledger) -> None:
    assert ledger.move_cursor(NOW)
    assert not ledger.move_cursor(NOW - SECOND)
    assert not ledger.move_cursor(NOW)
    assert ledger.listed_until() == NOW
    assert ledger.move_cursor(NOW + SECOND)
    assert ledger.listed_until() == NOW + SECOND


# --- Decisions rest on what was last written


@pytest.mark.parametrize(
    "look",
    [
        lambda ledger: ledger.read("CALL"),
        lambda ledger: ledger.read_window(pending().window),
        lambda ledger: ledger.listed_until(),
    ],
    ids=["a call", "a window", "the cursor"],
)
def test_what_a_decision_rests_on_is_read_as_it_was_last_written(
    stubbed: tuple[Ledger, Stubber], look: Callable[[Ledger], object]
) -> None:
    ledger, stub = stubbed
    stub.add_response("get_item", {}, {"TableName": "ledger", "Key": ANY, "ConsistentRead": True})
    assert look(ledger) is None


def test_calls_of_a_page_are_read_as_they_were_last_written(stubbed: tuple[Ledger, Stubber]) -> None:
    ledger, stub = stubbed
    request = {"RequestItems": {"ledger": {"Keys": [call_key("CALL")], "ConsistentRead": True}}}
    stub.add_response("batch_get_item", {"Responses": {}, "UnprocessedKeys": {}}, request)
    assert ledger.read_many(["CALL"]) == {}


def test_a_write_whose_answer_was_lost_meets_itself_and_is_done(
    ledger: Ledger, make_call: Callable[..., Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    put = ledger.client.put_item

    def put_twice(**request: Any) -> object:
        put(**request)
        return put(**request)

    monkeypatch.setattr(ledger.client, "put_item", put_twice)
    assert ledger.write(make_call("CALL"))


def test_a_window_that_the_index_shows_twice_is_read_once(stubbed: tuple[Ledger, Stubber]) -> None:
    ledger, stub = stubbed
    key = {"pk": {"S": "window#1"}}
    stub.add_response("query", {"Items": [key, key]})
    keys = {"RequestItems": {"ledger": {"Keys": [key], "ConsistentRead": True}}}
    stub.add_response("batch_get_item", {"Responses": {}, "UnprocessedKeys": {}}, keys)
    assert ledger.open_windows() == []


# --- What DynamoDB leaves undone


@pytest.fixture
def stubbed(aws: None) -> Iterator[tuple[Ledger, Stubber]]:
    del aws
    client = boto3.client("dynamodb")
    with Stubber(client) as stub:
        yield Ledger(client, "ledger", sleep=lambda _: None), stub
        stub.assert_no_pending_responses()


def test_keys_that_are_left_unprocessed_are_asked_for_again(
    stubbed: tuple[Ledger, Stubber], make_call: MakeCall
) -> None:
    ledger, stub = stubbed
    left = {"ledger": {"Keys": [call_key("B")], "ConsistentRead": True}}
    stub.add_response(
        "batch_get_item", {"Responses": {"ledger": [call_to_item(make_call("A"))]}, "UnprocessedKeys": left}
    )
    stub.add_response("batch_get_item", {"Responses": {}, "UnprocessedKeys": left}, {"RequestItems": left})
    stub.add_response(
        "batch_get_item",
        {"Responses": {"ledger": [call_to_item(make_call("B"))]}, "UnprocessedKeys": {}},
        {"RequestItems": left},
    )
    assert sorted(ledger.read_many(["A", "B"])) == ["A", "B"]


def test_keys_that_stay_unprocessed_are_an_error_after_growing_pauses(
    stubbed: tuple[Ledger, Stubber],
) -> None:
    ledger, stub = stubbed
    pauses: list[float] = []
    left = {"ledger": {"Keys": [call_key("B")], "ConsistentRead": True}}
    for _ in range(9):
        stub.add_response("batch_get_item", {"Responses": {}, "UnprocessedKeys": left})
    with pytest.raises(RetryableError, match="would not read"):
        replace(ledger, sleep=pauses.append).read_many(["B"])
    assert pauses == sorted(pauses)
    assert 10 < sum(pauses) < 20
