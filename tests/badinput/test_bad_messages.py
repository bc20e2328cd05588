"""Messages that are none of ours, in one batch with good ones: each fails alone, is told once, and ends nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from call_archive import fetcher, lister
from call_archive.errors import ConfigError
from call_archive.model.message import VisitMessage, WindowMessage
from call_archive.model.window import PendingWindow
from tests.badinput.bodies import END, START, VISITS, WINDOWS
from tests.badinput.cases import cases
from tests.badinput.deployed import CONTEXT, Deployed, connections_closed, deployed, record
from tests.unit.conftest import NOW
from tests.unit.factories import a_window

if TYPE_CHECKING:
    from collections.abc import Iterator

    import boto3

KIND = "messages"
WINDOW = a_window(seconds=3600)
GOOD = ("GOOD-1", "GOOD-2", "GOOD-3")


@pytest.fixture(scope="module")
def world(
    table_properties: dict[str, Any],
    function_environments: dict[str, dict[str, str]],
    boto3_session: boto3.Session,
) -> Iterator[Deployed]:
    with (
        pytest.MonkeyPatch.context() as patch,
        deployed(table_properties, function_environments, boto3_session) as world,
    ):
        opened = connections_closed(patch)
        yield world
        for connection in opened:
            connection.close()


@pytest.fixture(scope="module")
def visits(world: Deployed) -> set[str]:
    """The messages that failed of a batch of every bad visit, with a good one before, between and behind."""
    assert world.ledger.read_many(GOOD) == {}
    first, between, last = [
        record(number, VisitMessage(reference_id=each).to_json()) for number, each in enumerate(GOOD, 9000)
    ]
    made = [record(number, body) for number, body in enumerate(VISITS.values())]
    middle = len(made) // 2
    batch = [first, *made[:middle], between, *made[middle:], last]
    answer = fetcher.handler({"Records": batch}, CONTEXT)
    return {each["itemIdentifier"] for each in answer["batchItemFailures"]}


@pytest.fixture(scope="module")
def windows(world: Deployed) -> set[str]:
    """The same of windows, each of which is listed in its turn."""
    good = WindowMessage(window=WINDOW).to_json()
    world.ledger.put_windows([PendingWindow(window=WINDOW, due_at=NOW, next_visit_at=NOW)])
    made = [record(number, body) for number, body in enumerate(WINDOWS.values(), 1000)]
    answer = lister.handler({"Records": [*made, record(9004, good)]}, CONTEXT)
    return {each["itemIdentifier"] for each in answer["batchItemFailures"]}


def reason(world: Deployed, message_id: str) -> str:
    told = world.told(message_id)
    text = f"{told['error']}: {told['reason']}"
    assert len(text) < 200
    assert text.isprintable()
    return text


@cases(KIND, "number", {f"a visit that is {name}": number for number, name in enumerate(VISITS)})
def test_a_visit_that_is_none_of_ours_fails_alone_and_is_reported_once(
    world: Deployed, visits: set[str], number: int
) -> None:
    assert f"m{number}" in visits
    assert reason(world, f"m{number}")


def test_the_good_visits_of_that_batch_are_done(world: Deployed, visits: set[str]) -> None:
    assert visits == {f"m{number}" for number in range(len(VISITS))}
    assert [call.visits for call in world.ledger.read_many(GOOD).values()] == [1, 1, 1]


@cases(KIND, "number", {f"a window that is {name}": number for number, name in enumerate(WINDOWS, 1000)})
def test_a_window_that_is_none_of_ours_fails_alone_and_is_reported_once(
    world: Deployed, windows: set[str], number: int
) -> None:
    assert f"m{number}" in windows
    assert reason(world, f"m{number}")


def test_the_good_window_of_that_batch_is_listed(world: Deployed, windows: set[str]) -> None:
    assert windows == {f"m{number}" for number in range(1000, 1000 + len(WINDOWS))}
    assert world.ledger.open_windows() == []


def test_nothing_that_was_reported_of_them_is_too_long_for_a_log(
    world: Deployed, visits: set[str], windows: set[str]
) -> None:
    del visits, windows
    assert max(len(line.encode()) for line in world.log.getvalue().splitlines()) < 2000


# --- Messages that are odd, and ours

ODD: dict[str, Any] = {
    "unknown keys": {"reference_id": "A", "hop": 3, "x": [1], "Reference_Id": "B"},
    "a hop of 400 digits": {"reference_id": "A", "hop": 10**400},
    "no hop": {"reference_id": "A"},
    "a blank id": {"reference_id": " "},
    "an id of dots": {"reference_id": ".."},
    "an id of a path": {"reference_id": "../../x"},
    "an id of a key": {"reference_id": "call#A"},
    "an id of an emoji": {"reference_id": "\U0001f4de"},
    "an id of a NUL": {"reference_id": "A\0"},
    "the longest id": {"reference_id": "a" * 900},
}


@cases(KIND, "body", {f"an odd visit of {name}": body for name, body in ODD.items()})
def test_an_odd_visit_of_ours_is_done(world: Deployed, body: dict[str, Any]) -> None:
    answer = fetcher.handler({"Records": [record(7000, json.dumps(body))]}, CONTEXT)
    assert answer == {"batchItemFailures": []}
    assert world.ledger.read(body["reference_id"])


@cases(
    KIND,
    "body",
    {
        "an odd window of year 1": {"start": "0001-01-01T00:00:00", "end": "0001-01-01T00:00:01"},
        "an odd window of year 9999": {"start": "9999-12-31T23:59:58", "end": "9999-12-31T23:59:59"},
        "an odd window of all time": {"start": "0001-01-01T00:00:00", "end": "9999-12-31T23:59:59"},
        "an odd window that nobody owes": {"start": "2026-01-01T00:00:00", "end": "2026-01-01T00:00:00"},
        "an odd window again, in a text": {"start": START, "end": END, "recheck": "true"},
    },
)
def test_a_window_that_is_not_pending_is_nothing_to_do(world: Deployed, body: dict[str, Any]) -> None:
    before = len(world.provider.requests)
    assert lister.handler({"Records": [record(7001, json.dumps(body))]}, CONTEXT) == {"batchItemFailures": []}
    assert len(world.provider.requests) == before


# --- Events

EVENTS: dict[str, Any] = {
    "an empty object": {},
    "null": None,
    "an array": [],
    "a text": "tick",
    "a number": 7,
    "no records": {"Records": []},
    "records of null": {"Records": None},
    "records of an object": {"Records": {"body": "{}"}},
    "records of a text": {"Records": "all"},
    "records in small letters": {"records": [record(1, "{}")]},
    "a kind in capitals": {"kind": "TICK"},
    "a kind of null": {"kind": None},
    "a kind in a list": {"kind": ["tick"]},
    "a kind in an object": {"kind": {"tick": True}},
    "a kind with a blank": {"kind": "tick "},
    "a kind of another word": {"kind": "backfill"},
    "EventBridge's own event": {"version": "0", "detail-type": "Scheduled Event", "source": "aws.events"},
    "a kind in EventBridge's detail": {"detail-type": "x", "detail": {"kind": "tick"}},
    "an object in S3": {"source": "aws.s3", "detail-type": "Object Created", "detail": {}},
    "an event of a rule's test": {"account": "1", "region": "x", "resources": []},
    "a request of a url": {"version": "2.0", "rawPath": "/", "body": "{}"},
}


@cases("events", "event", EVENTS)
@pytest.mark.parametrize("entry", [lister.handler, fetcher.handler], ids=["lister", "fetcher"])
def test_an_event_that_is_none_of_ours_is_an_error_that_says_what_is(entry: Any, event: Any) -> None:
    with pytest.raises(ConfigError, match="takes"):
        entry(event, CONTEXT)


@pytest.mark.parametrize("event", [{"kind": "tick"}, {"kind": "recheck"}])
def test_the_fetcher_takes_no_tick(event: Any) -> None:
    with pytest.raises(ConfigError, match="from SQS"):
        fetcher.handler(event, CONTEXT)


@cases(
    "events", "changes", {"a record without an id": {"messageId": ...}, "an id of null": {"messageId": None}}
)
def test_a_record_that_cannot_be_reported_apart_fails_the_batch_once_the_others_are_done(
    world: Deployed, changes: dict[str, Any]
) -> None:
    """SQS gives no such record. It could not be named as failed, so all must come again: that is idempotent."""
    reference_id = f"BESIDE {changes}"
    batch = [record(1, "{}", **changes), record(2, json.dumps({"reference_id": reference_id}))]
    try:
        answer = fetcher.handler({"Records": batch}, CONTEXT)
    except KeyError:
        answer = {"batchItemFailures": [{"itemIdentifier": None}]}
    assert answer == {"batchItemFailures": [{"itemIdentifier": None}]}
    assert world.ledger.read(reference_id)
