"""The schema of the ledger's items: what every later version must read, and that nothing newer is changed."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from call_archive.errors import SchemaError
from call_archive.model.call import (
    Call,
    FileStatus,
    RecordingFile,
    StoredObject,
    Transcript,
    TranscriptStatus,
)
from call_archive.model.window import PendingWindow, Window
from call_archive.storage.ledger import CURSOR
from call_archive.storage.ledger_items import (
    SCHEMA,
    call_from_item,
    call_key,
    cursor_from_item,
    window_from_item,
    window_key,
)
from tests.unit.factories import NOW, a_window, an_owed_window, at

if TYPE_CHECKING:
    from collections.abc import Callable

    from call_archive.storage.ledger import Ledger
    from tests.unit.conftest import MakeCall

Item = dict[str, Any]

FIXTURE = Path(__file__).parent / "fixtures" / "schema-1.json"
"""Items as the first released schema wrote them. It is never changed: a table holds such items for years."""

ITEMS: dict[str, Item] = {
    item["pk"]["S"]: item for item in json.loads(FIXTURE.read_text(encoding="utf-8"))["items"]
}


def on_march_1(hour: int, minute: int = 0, second: int = 0) -> datetime:
    return datetime(2026, 3, 1, hour, minute, second, tzinfo=UTC)


def a_stored(key: str, size: int, digit: str, version_id: str | None, archived_at: datetime) -> StoredObject:
    return StoredObject(key=key, size=size, sha256=digit * 64, version_id=version_id, archived_at=archived_at)


LISTED, AVAILABLE, ARCHIVED = on_march_1(8), on_march_1(8, 1), on_march_1(8, 2)
FOLDER = "2026/03/01"

CALLS = {
    "call#JUST-LISTED": Call(
        reference_id="JUST-LISTED",
        recorded_at=on_march_1(7, 55),
        opened_at=LISTED,
        due_at=LISTED,
        next_visit_at=on_march_1(8, 20),
        version=1,
        files={
            "JUST-LISTED.wav": RecordingFile(
                recorded_at=on_march_1(7, 55), first_seen_at=LISTED, reason="not visited yet"
            )
        },
    ),
    "call#IN-PROGRESS": Call(
        reference_id="IN-PROGRESS",
        recorded_at=on_march_1(7, 50),
        opened_at=LISTED,
        due_at=on_march_1(8, 5),
        next_visit_at=on_march_1(8, 25),
        version=4,
        visits=3,
        unchanged_visits=2,
        unnamed=RecordingFile(
            recorded_at=on_march_1(7, 50), first_seen_at=LISTED, reason="the call is still being recorded"
        ),
    ),
    "call#TWO-FILES-ONE-PENDING": Call(
        reference_id="TWO-FILES-ONE-PENDING",
        recorded_at=on_march_1(7, 30),
        opened_at=LISTED,
        due_at=on_march_1(8, 3),
        next_visit_at=on_march_1(8, 23),
        version=3,
        visits=2,
        last_error="the provider answered 503",
        files={
            "a b/’.wav": RecordingFile(
                recorded_at=on_march_1(7, 30),
                first_seen_at=LISTED,
                available_at=AVAILABLE,
                status=FileStatus.ARCHIVED,
                invalid_bodies=2,
                recording=a_stored(f"recordings/{FOLDER}/T/a.wav", 72044, "a", "v1", ARCHIVED),
                transcript=Transcript(
                    status=TranscriptStatus.PENDING, reason="the provider is still transcribing it"
                ),
            ),
            "b.wav": RecordingFile(
                recorded_at=on_march_1(7, 40),
                first_seen_at=LISTED,
                available_at=AVAILABLE,
                status=FileStatus.ARCHIVED,
                recording=a_stored(f"recordings/{FOLDER}/T/b.wav", 44, "b", None, ARCHIVED),
                transcript=Transcript(
                    status=TranscriptStatus.ARCHIVED,
                    stored=a_stored(f"transcripts/{FOLDER}/T/b.wav.json", 310, "c", "v2", ARCHIVED),
                ),
            ),
        },
    ),
    "call#ARCHIVED": Call(
        reference_id="ARCHIVED",
        recorded_at=on_march_1(7),
        opened_at=LISTED,
        due_at=ARCHIVED,
        next_visit_at=ARCHIVED,
        version=2,
        visits=1,
        files={
            "ARCHIVED.wav": RecordingFile(
                recorded_at=on_march_1(7),
                first_seen_at=LISTED,
                available_at=AVAILABLE,
                status=FileStatus.ARCHIVED,
                recording=a_stored(f"recordings/{FOLDER}/ARCHIVED/ARCHIVED.wav", 44, "d", "v3", ARCHIVED),
                transcript=Transcript(
                    status=TranscriptStatus.ARCHIVED,
                    stored=a_stored(
                        f"transcripts/{FOLDER}/ARCHIVED/ARCHIVED.wav.json", 300, "e", "v4", ARCHIVED
                    ),
                ),
            )
        },
    ),
    "call#NO-TRANSCRIPT": Call(
        reference_id="NO-TRANSCRIPT",
        recorded_at=on_march_1(6),
        opened_at=LISTED,
        due_at=ARCHIVED,
        next_visit_at=ARCHIVED,
        version=5,
        visits=4,
        unchanged_visits=3,
        files={
            "NO-TRANSCRIPT.wav": RecordingFile(
                recorded_at=on_march_1(6),
                first_seen_at=LISTED,
                available_at=AVAILABLE,
                status=FileStatus.ARCHIVED,
                recording=a_stored(f"recordings/{FOLDER}/N/N.wav", 44, "f", "v5", ARCHIVED),
                transcript=Transcript(status=TranscriptStatus.NONE, reason="the provider made none"),
            )
        },
    ),
    "call#FAILED": Call(
        reference_id="FAILED",
        recorded_at=on_march_1(5),
        opened_at=LISTED,
        due_at=ARCHIVED,
        next_visit_at=ARCHIVED,
        version=7,
        visits=6,
        missing_since=on_march_1(8, 1, 30),
        last_error="the provider does not know this call (404)",
        files={
            "lost.wav": RecordingFile(
                recorded_at=on_march_1(5),
                first_seen_at=LISTED,
                status=FileStatus.FAILED,
                reason="the provider does not know this call (404)",
            ),
            "no words.wav": RecordingFile(
                recorded_at=on_march_1(5, 10),
                first_seen_at=LISTED,
                available_at=AVAILABLE,
                status=FileStatus.ARCHIVED,
                recording=a_stored(f"recordings/{FOLDER}/F/no%20words.wav", 44, "0", "v6", ARCHIVED),
                transcript=Transcript(
                    status=TranscriptStatus.FAILED, reason="the provider could not transcribe it"
                ),
            ),
        },
        unnamed=RecordingFile(
            recorded_at=on_march_1(5, 20),
            first_seen_at=LISTED,
            status=FileStatus.FAILED,
            reason="given up: the call is still being recorded",
        ),
    ),
    "call#DELETED": Call(
        reference_id="DELETED",
        recorded_at=on_march_1(4),
        opened_at=LISTED,
        due_at=ARCHIVED,
        next_visit_at=ARCHIVED,
        version=2,
        visits=1,
        files={
            "DELETED.wav": RecordingFile(
                recorded_at=on_march_1(4),
                first_seen_at=LISTED,
                status=FileStatus.DELETED_AT_SOURCE,
                transcript=Transcript(status=TranscriptStatus.NONE),
            )
        },
    ),
}
WINDOWS = {
    "window#2026-03-01T09:00:00Z#2026-03-01T09:59:59Z": PendingWindow(
        window=Window(start=on_march_1(9), end=on_march_1(9, 59, 59)),
        due_at=on_march_1(10),
        next_visit_at=on_march_1(10, 20),
    ),
    "window#2026-03-01T10:00:00Z#2026-03-01T10:59:59Z#recheck": PendingWindow(
        window=Window(start=on_march_1(10), end=on_march_1(10, 59, 59), recheck=True),
        due_at=on_march_1(12),
        next_visit_at=on_march_1(12, 20),
        attempts=3,
        last_error="the provider refuses our credentials (401): put the right key into the secret",
        refused=True,
    ),
}
LISTED_UNTIL = on_march_1(10, 59, 59)


# --- Schema 1, which every later version reads


def test_every_item_of_the_fixture_is_of_schema_1_and_in_the_table_here() -> None:
    assert ITEMS.keys() == {*CALLS, *WINDOWS, "cursor"}
    assert [item["schema"] for item in ITEMS.values()] == [{"N": "1"}] * len(ITEMS)


@pytest.mark.parametrize("pk", CALLS)
def test_a_call_of_schema_1_is_read(pk: str) -> None:
    assert call_from_item(ITEMS[pk]) == CALLS[pk]


@pytest.mark.parametrize("pk", WINDOWS)
def test_a_window_of_schema_1_is_read(pk: str) -> None:
    assert window_from_item(ITEMS[pk]) == WINDOWS[pk]


def test_a_cursor_of_schema_1_is_read() -> None:
    assert cursor_from_item(ITEMS["cursor"]) == LISTED_UNTIL


@pytest.fixture
def filled(ledger: Ledger) -> Ledger:
    """The ledger with all that the fixture holds."""
    for item in ITEMS.values():
        ledger.client.put_item(TableName=ledger.table, Item=item)
    return ledger


def items_of(ledger: Ledger) -> dict[str, Item]:
    found = ledger.client.scan(TableName=ledger.table, ConsistentRead=True)["Items"]
    return {item["pk"]["S"]: dict(item) for item in found}


def test_a_ledger_of_schema_1_is_found_whole(filled: Ledger) -> None:
    calls = filled.read_many(call.reference_id for call in CALLS.values())
    assert list(calls.values()) == [CALLS[f"call#{each}"] for each in calls]
    assert {each.reference_id for each in filled.open_calls()} == {
        call.reference_id for call in CALLS.values() if not call.settled
    }
    assert [each.reference_id for each in filled.failed_calls()] == ["FAILED"]
    assert (len(calls), filled.open_windows()) == (len(CALLS), list(WINDOWS.values()))
    assert filled.listed_until() == LISTED_UNTIL


@pytest.mark.parametrize("pk", CALLS)
def test_a_call_that_is_written_back_has_the_same_attributes(filled: Ledger, pk: str) -> None:
    call = filled.read(CALLS[pk].reference_id)
    assert call is not None
    assert filled.write(call)
    written = items_of(filled)[pk]
    changed = {"version": {"N": str(call.version + 1)}, "write_id": written["write_id"]}
    assert written == ITEMS[pk] | changed
    assert written["write_id"] != ITEMS[pk]["write_id"]


def test_windows_and_a_cursor_that_are_written_back_have_the_same_attributes(filled: Ledger) -> None:
    first, second = filled.open_windows()
    filled.update_window(first)
    filled.put_windows([second])
    filled.move_cursor(on_march_1(12))
    moved = ITEMS["cursor"] | {"listed_until": {"S": "2026-03-01T12:00:00Z"}}
    assert {pk: item for pk, item in items_of(filled).items() if pk not in CALLS} == {
        **{pk: ITEMS[pk] for pk in WINDOWS},
        "cursor": moved,
    }


def test_what_is_written_says_its_schema(ledger: Ledger, make_call: MakeCall) -> None:
    ledger.write(make_call())
    ledger.put_windows([an_owed_window(a_window())])
    ledger.move_cursor(NOW)
    assert [item["schema"] for item in items_of(ledger).values()] == [{"N": str(SCHEMA)}] * 3


# --- A schema that this version does not read

UNREADABLE: dict[str, Item] = {
    "newer": {"schema": {"N": str(SCHEMA + 1)}},
    "missing": {},
    "zero": {"schema": {"N": "0"}},
    "a fraction": {"schema": {"N": "0.5"}},
    "a text": {"schema": {"S": "1"}},
    "a truth": {"schema": {"BOOL": True}},
}
PARSERS: dict[str, Callable[[Item], object]] = {
    "call#ARCHIVED": call_from_item,
    "window#2026-03-01T09:00:00Z#2026-03-01T09:59:59Z": window_from_item,
    "cursor": cursor_from_item,
}

UNWRITABLE = {name: UNREADABLE[name] for name in ("newer", "missing", "zero", "a fraction")}
"""Those that moto's conditions judge as DynamoDB does, for which a text or a truth is between no two numbers."""

every_unreadable_schema = pytest.mark.parametrize("schema", UNREADABLE.values(), ids=UNREADABLE)
every_unwritable_schema = pytest.mark.parametrize("schema", UNWRITABLE.values(), ids=UNWRITABLE)


def with_schema(item: Item, schema: Item) -> Item:
    return {name: value for name, value in item.items() if name != "schema"} | schema


@pytest.mark.parametrize("pk", PARSERS)
@every_unreadable_schema
def test_an_item_is_read_by_its_schema_or_not_at_all(pk: str, schema: Item) -> None:
    with pytest.raises(SchemaError, match=f"the ledger's item {pk} has"):
        PARSERS[pk](with_schema(ITEMS[pk], schema))


def test_of_a_newer_item_it_is_said_what_to_do() -> None:
    with pytest.raises(SchemaError) as raised:
        call_from_item(with_schema(ITEMS["call#ARCHIVED"], {"schema": {"N": "2"}}))
    assert str(raised.value) == (
        "the ledger's item call#ARCHIVED has schema 2 and this version reads up to 1: deploy a version that reads"
        " schema 2; until then the item stays as it is"
    )


def test_of_an_item_without_a_schema_it_is_said_what_to_do() -> None:
    with pytest.raises(
        SchemaError, match=r"has no schema, a whole number from 1: .* restore it from a backup"
    ):
        call_from_item(with_schema(ITEMS["call#ARCHIVED"], {}))


def made_unreadable(ledger: Ledger, key: Item, schema: Item) -> None:
    """Gives an item that is there another schema, as a newer version that wrote it would have."""
    item = ledger.client.get_item(TableName=ledger.table, Key=key)["Item"]
    ledger.client.put_item(TableName=ledger.table, Item=with_schema(dict(item), schema))


OWED = an_owed_window(a_window(), next_visit_at=NOW)
READS: dict[str, Callable[[Ledger], object]] = {
    "a call": lambda ledger: ledger.read("CALL"),
    "calls": lambda ledger: ledger.read_many(["CALL"]),
    "a window": lambda ledger: ledger.read_window(OWED.window),
    "the cursor": lambda ledger: ledger.listed_until(),
    "open windows": lambda ledger: ledger.open_windows(),
    "open calls": lambda ledger: list(ledger.open_calls()),
    "failed calls": lambda ledger: list(ledger.failed_calls()),
}
WRITES: dict[str, Callable[[Ledger, Call], object]] = {
    "a call that was read": lambda ledger, call: ledger.write(replace(call, version=1)),
    "a new call": lambda ledger, call: ledger.write(replace(call, version=0)),
    "a window": lambda ledger, _: ledger.put_windows([OWED]),
    "an attempt": lambda ledger, _: ledger.update_window(OWED),
    "a window's end": lambda ledger, _: ledger.finish_window(OWED.window),
    "the cursor": lambda ledger, _: ledger.move_cursor(at(hours=1)),
}
LEASES: dict[str, Callable[[Ledger], bool]] = {
    "a call": lambda ledger: ledger.lease_call("CALL", expected=NOW, until=at(hours=1)),
    "a window": lambda ledger: ledger.lease_window(OWED.window, expected=NOW, until=at(hours=1)),
}
KEYS = (call_key("CALL"), window_key(OWED.window), CURSOR)


@pytest.fixture
def upgrade(ledger: Ledger, make_call: MakeCall) -> Callable[[Item], dict[str, Item]]:
    """Fills the ledger with a call, a window and a cursor, all of another schema; the items."""

    def upgraded(schema: Item) -> dict[str, Item]:
        ledger.write(
            make_call(
                files={**make_call().files, "lost": make_call(status=FileStatus.FAILED).files["CALL.wav"]}
            )
        )
        ledger.put_windows([OWED])
        ledger.move_cursor(NOW)
        for key in KEYS:
            made_unreadable(ledger, dict(key), schema)
        return items_of(ledger)

    return upgraded


@every_unreadable_schema
@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_no_read_takes_an_unreadable_item_for_one_of_ours(
    ledger: Ledger,
    upgrade: Callable[[Item], dict[str, Item]],
    schema: Item,
    read: Callable[[Ledger], object],
) -> None:
    upgrade(schema)
    with pytest.raises(SchemaError):
        read(ledger)


@every_unwritable_schema
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_no_write_changes_an_unreadable_item(
    ledger: Ledger,
    upgrade: Callable[[Item], dict[str, Item]],
    make_call: MakeCall,
    schema: Item,
    write: Callable[[Ledger, Call], object],
) -> None:
    before = upgrade(schema)
    with pytest.raises(SchemaError):
        write(ledger, make_call(visits=9))
    assert items_of(ledger) == before


@every_unwritable_schema
@pytest.mark.parametrize("lease", LEASES.values(), ids=LEASES)
def test_an_unreadable_item_takes_no_lease(
    ledger: Ledger,
    upgrade: Callable[[Item], dict[str, Item]],
    schema: Item,
    lease: Callable[[Ledger], bool],
) -> None:
    before = upgrade(schema)
    assert not lease(ledger)
    assert items_of(ledger) == before


# --- One that cannot be read spares the others

NEWER = UNREADABLE["newer"]


def test_of_a_hundred_calls_the_others_are_read(ledger: Ledger, make_call: MakeCall) -> None:
    names = [f"C{number}" for number in range(100)]
    ledger.write_many([make_call(name) for name in names])
    made_unreadable(ledger, call_key("C7"), NEWER)
    found = ledger.read_each(names)
    assert [name for name in names if isinstance(found[name], SchemaError)] == ["C7"]
    assert len(found) == 100


def test_of_many_calls_the_others_are_written(ledger: Ledger, make_call: MakeCall) -> None:
    ledger.write(make_call("B"))
    made_unreadable(ledger, call_key("B"), NEWER)
    first, refused, last = ledger.write_many([make_call(name) for name in "ABC"])
    assert (first, last) == (True, True)
    assert isinstance(refused, SchemaError)


def test_a_window_that_was_not_taken_never_passes_for_pending(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the answer does not say what is in its way."""

    def refuse(**_request: object) -> None:
        raise ClientError({"Error": {"Code": "ConditionalCheckFailedException", "Message": ""}}, "PutItem")

    monkeypatch.setattr(ledger.client, "put_item", refuse)
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        ledger.put_windows([OWED])


def test_of_many_windows_the_others_are_pending(ledger: Ledger) -> None:
    """More than are put at a time, and the first of them is refused."""
    newer, *others = (an_owed_window(a_window(seconds=60 * number)) for number in range(1, 60))
    ledger.put_windows([newer])
    made_unreadable(ledger, window_key(newer.window), NEWER)
    with pytest.raises(SchemaError, match="window#"):
        ledger.put_windows([newer, *others])
    assert [ledger.read_window(each.window) for each in others] == others


def test_calls_that_cannot_be_read_keep_no_others_from_being_due(ledger: Ledger, make_call: MakeCall) -> None:
    """However many are due for longer: the sweep takes as many as the queue has room for."""
    for number in range(20):
        ledger.write(make_call(f"N{number}", next_visit_at=at(hours=-1)))
        made_unreadable(ledger, call_key(f"N{number}"), NEWER)
    for number in range(3):
        ledger.write(make_call(f"C{number}", next_visit_at=at(seconds=-number)))
    assert [name for name, _ in ledger.due_calls(NOW, 2)] == ["C2", "C1"]


def test_windows_that_cannot_be_read_keep_no_others_from_being_due(ledger: Ledger) -> None:
    newer = [an_owed_window(a_window(seconds=each + 1), next_visit_at=at(hours=-1)) for each in range(5)]
    ledger.put_windows(newer)
    for each in newer:
        made_unreadable(ledger, window_key(each.window), NEWER)
    due = an_owed_window(a_window(seconds=3600), next_visit_at=NOW)
    ledger.put_windows([due])
    assert ledger.due_windows(NOW, 2) == [due]


def test_a_window_that_the_index_does_not_know_to_be_newer_yet_is_not_due(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.put_windows([OWED])
    rows = list(ledger.query("open", "open_shard = :shard", {":shard": "windows"}))
    made_unreadable(ledger, window_key(OWED.window), NEWER)
    monkeypatch.setattr(type(ledger), "query", lambda *_asked, **_options: iter(rows))
    assert ledger.due_windows(NOW, 5) == []


def test_an_index_reports_the_schema_of_its_rows_at_no_further_request(
    ledger: Ledger, make_call: MakeCall
) -> None:
    ledger.write_many([make_call(f"C{number}") for number in range(30)])
    asked: list[str] = []
    ledger.client.meta.events.register("before-call.dynamodb", lambda model, **_: asked.append(model.name))
    ledger.due_calls(NOW, 2)
    assert asked == ["Query"] * 8
