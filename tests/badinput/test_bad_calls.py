"""Calls that are too much: what is kept of one, that DynamoDB takes it, and that it holds up no other."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from call_archive.model.after_listing import after_listing
from call_archive.model.after_visit import NO_ROOM, after_visit
from call_archive.model.call import MAX_FILES, Call, FileStatus, StoredObject, TranscriptStatus, unlisted_call
from call_archive.model.file_names import deduplicate_names
from call_archive.model.message import VisitMessage
from call_archive.model.object_key import Origin
from call_archive.model.pending import pending_recordings, pending_transcripts
from call_archive.model.policy import Policy
from call_archive.model.visit_result import VisitResult
from call_archive.provider.parse import parse_call
from call_archive.storage.ledger_items import call_to_item
from tests.badinput.cases import cases
from tests.unit.factories import NOW, a_row
from tests.unit.models import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from call_archive.model.row import Row
    from call_archive.storage.ledger import Ledger

KIND = "calls"
ITEM_LIMIT = 400 * 1024
POLICY = Policy()
DONE = {"transcription": [{"status": "completed"}]}


def entries(names: Iterable[object], **parts: Any) -> list[dict[str, Any]]:
    """What the provider says of available files with these names, a second apart."""
    return [
        {
            "file_name": name,
            "status": "available",
            "url": "https://a.tlsn.io/x",
            "date": (NOW + timedelta(seconds=number)).isoformat(),
            "transcribe": DONE,
            **parts,
        }
        for number, name in enumerate(names)
    ]


def archived(call: Call, row: Row, folder: str) -> StoredObject:
    """Stored at the key that it would have, under the longest version id seen."""
    origin = Origin(reference_id=call.reference_id, file_name=row.file_name or "", recorded_at=NOW)
    key = origin.recording_key if folder == "recordings" else origin.transcript_key
    return StoredObject(key=key, size=2**31, sha256="ab" * 32, version_id="v" * 32, archived_at=NOW)


def visited(call: Call, body: list[dict[str, Any]]) -> Call:
    """The call after a visit that archived all that was owed of it."""
    known = {name: file.recorded_at for name, file in call.files.items()}
    rows = deduplicate_names(parse_call(body, call.reference_id), known)
    recordings = {
        row.file_name: archived(call, row, "recordings")
        for row in pending_recordings(call, rows)
        if row.file_name
    }
    transcripts = {
        row.file_name: archived(call, row, "transcripts")
        for row in pending_transcripts(call, rows, recordings, POLICY)
        if row.file_name
    }
    result = VisitResult(now=NOW, rows=rows, recordings=recordings, transcripts=transcripts)
    return after_visit(call, result, POLICY)


CALLS: dict[str, tuple[list[dict[str, Any]], int, bool]] = {
    "no file at all": ([], 0, False),
    "one file without any field": ([{}], 0, False),
    "100 files": (entries(f"{n}.wav" for n in range(100)), 100, False),
    "101 files": (entries(f"{n}.wav" for n in range(101)), 100, True),
    "10,000 files": (entries(f"{n}.wav" for n in range(10_000)), 100, True),
    "100 names of 4,096 characters": (entries(f"{n}" + "n" * 4090 for n in range(100)), 100, False),
    "500 names of 4,096 characters": (entries(f"{n}" + "n" * 4090 for n in range(500)), 100, True),
    "500 names of 4,096 emoji": (entries(f"{n}" + "\U0001f600" * 4090 for n in range(500)), 100, True),
    "100 names of half pairs": (entries(f"{n}" + "\ud83d" * 4090 for n in range(100)), 100, False),
    "names that differ after 4,096 characters": (
        entries("n" * 4096 + f"{n}" for n in range(3)),
        3,
        False,
    ),
    "names that differ after a megabyte": (entries("n" * 10**6 + f"{n}" for n in range(2)), 2, False),
    "one name 500 times, of one date": (entries(["a.wav"] * 500, date="2026-03-01T12:00:00"), 1, False),
    "one name 500 times, each of its date": (entries(["a.wav"] * 500), 100, True),
    "one name twice, once without a date": (
        [*entries(["a.wav"]), *entries(["a.wav"], date=None)],
        2,
        False,
    ),
    "five nameless files, each of its date": (entries([None] * 5), 5, False),
    "five nameless files of one date": (entries([None] * 5, date="2026-03-01T12:00:00"), 5, False),
    "five nameless files without a date": (entries([None] * 5, date=None), 5, False),
    "500 nameless files": (entries([None] * 500), 100, True),
    "empty names": (entries(["", ""]), 2, False),
    "names that are numbers": (entries([7, 8]), 2, False),
    "a nameless file beside one named as it will be": (
        entries([None, "unnamed-20260301T120000.wav"], date="2026-03-01T12:00:00"),
        2,
        False,
    ),
    "a twin's name taken by a third file": (
        [
            *entries(["a.wav", "a.wav"]),
            *entries(["a.wav-20260301T120001"], date="2026-03-01T13:00:00"),
        ],
        3,
        False,
    ),
}


@cases(KIND, "body,files,left_out", CALLS)
def test_of_a_call_all_files_are_stored_or_it_fails_with_the_reason(
    body: list[dict[str, Any]],
    files: int,
    left_out: bool,  # noqa: FBT001 - a column of the table
) -> None:
    call = visited(unlisted_call("CALL", now=NOW), body)
    reason = call.unnamed.reason if call.unnamed and call.failed else None
    assert (len(call.files), reason) == (files, NO_ROOM if left_out else None)
    assert {file.status for file in call.files.values()} <= {FileStatus.ARCHIVED}
    assert {file.transcript.status for file in call.files.values() if file.transcript} <= {
        TranscriptStatus.ARCHIVED
    }


def test_the_largest_call_is_one_that_the_ledger_takes(ledger: Ledger) -> None:
    call = visited(unlisted_call("C" * 900, now=NOW), CALLS["500 names of 4,096 emoji"][0])
    reason = "a different object already lies at " + "k" * 450
    files = {name: replace(file, reason=reason) for name, file in call.files.items()}
    largest = replace(call, files=files, last_error=reason)
    assert 0.5 * ITEM_LIMIT < len(str(call_to_item(largest))) < ITEM_LIMIT
    assert ledger.write(largest)
    read = ledger.read("C" * 900)
    assert read
    assert read.files == largest.files


def test_a_listing_notes_as_many_files_as_there_is_room_for_and_leaves_the_rest_to_a_visit() -> None:
    rows = [a_row(f"{n}.wav", reference_id="CALL") for n in range(MAX_FILES + 50)]
    call = after_listing(None, rows, now=NOW, default_date=NOW, recheck=False)
    assert call
    assert len(call.files) == MAX_FILES
    assert call.unnamed
    after = visited(call, entries(f"{n}.wav" for n in range(MAX_FILES + 50)))
    assert (after.settled, after.failed, len(after.files)) == (True, True, MAX_FILES)
    assert after_listing(after, rows, now=NOW, default_date=NOW, recheck=False) is None


def test_that_files_are_left_out_is_reported_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World({}, now=NOW)
    rows = tuple(a_row(f"{n}.wav", reference_id="CALL", status="deleted") for n in range(MAX_FILES + 1))
    monkeypatch.setattr(world.provider, "call", lambda _: rows)
    world.visit(VisitMessage(reference_id="CALL"))
    (told,) = world.told_of("recording_failed")
    assert (told["file_name"], told["reason"]) == (None, NO_ROOM)


# --- A call that the ledger refuses


@pytest.fixture
def refusing(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """A ledger that takes every call but POISON."""
    put = ledger.client.put_item

    def refuse(**request: Any) -> object:
        if "POISON" in request["Item"]["pk"]["S"]:
            raise ClientError({"Error": {"Code": "ValidationException", "Message": "too large"}}, "PutItem")
        return put(**request)

    monkeypatch.setattr(ledger.client, "put_item", refuse)
    return ledger


def test_a_call_that_cannot_be_held_spares_the_others_of_its_page(
    refusing: Ledger, make_call: Callable[..., Call]
) -> None:
    first, poison, last = refusing.write_many([make_call(each) for each in ("A", "POISON", "B")])
    assert (first, last) == (True, True)
    assert str(poison) == "the ledger cannot hold call POISON"
    assert set(refusing.read_many(["A", "POISON", "B"])) == {"A", "B"}
