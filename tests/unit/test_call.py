from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from call_archive.model.after_listing import after_listing
from call_archive.model.call import LEASE, Call, FileStatus, RecordingFile, TranscriptStatus, unlisted_call
from call_archive.model.row import Row
from tests.unit.factories import (
    NOW,
    a_call,
    a_file,
    a_full_call,
    a_row,
    a_stored_object,
    a_transcript,
    an_archived_file,
    an_unnamed_row,
    at,
)

LATER = at(hours=1)


def listed(call: Call | None, *rows: Any, recheck: bool = False) -> Call | None:
    return after_listing(call, rows, now=LATER, default_date=at(minutes=-30), recheck=recheck)


def listed_anew(call: Call | None, *rows: Any, recheck: bool = False) -> Call:
    after = listed(call, *rows, recheck=recheck)
    assert after is not None
    return after


@pytest.mark.parametrize(
    ("file", "settled", "failed"),
    [
        (a_file(), False, False),
        (a_file(status=FileStatus.DELETED_AT_SOURCE), True, False),
        (a_file(status=FileStatus.FAILED), True, True),
        (an_archived_file(), True, False),
        (an_archived_file(TranscriptStatus.PENDING), False, False),
        (an_archived_file(TranscriptStatus.ARCHIVED), True, False),
        (an_archived_file(TranscriptStatus.NONE), True, False),
        (an_archived_file(TranscriptStatus.FAILED), True, True),
        (a_file(status=FileStatus.FAILED, transcript=a_transcript(TranscriptStatus.PENDING)), False, True),
    ],
)
def test_a_call_is_settled_when_nothing_in_it_is_pending(
    file: RecordingFile,
    settled: bool,  # noqa: FBT001
    failed: bool,  # noqa: FBT001
) -> None:
    call = a_call(a=an_archived_file(TranscriptStatus.NONE), b=file)
    assert (call.settled, call.failed) == (settled, failed)


def test_a_call_that_lost_one_of_its_files_failed() -> None:
    assert a_call(a=an_archived_file(), b=a_file(status=FileStatus.FAILED)).failed


def test_a_call_asked_for_by_hand_is_open_and_due_at_once() -> None:
    call = unlisted_call("call-1", now=NOW)
    assert (call.settled, call.due_at, call.version) == (False, NOW, 0)


def test_all_that_is_known_of_a_call_asked_for_by_hand_is_that_it_was() -> None:
    unnamed = RecordingFile(recorded_at=NOW, first_seen_at=NOW, reason="not visited yet")
    assert unlisted_call("call-1", now=NOW).unnamed == unnamed


def test_the_message_of_a_call_asked_for_by_hand_has_time_to_arrive() -> None:
    assert unlisted_call("call-1", now=NOW).next_visit_at == NOW + LEASE


@pytest.mark.parametrize("row", [a_row(), an_unnamed_row()])
def test_what_was_just_listed_was_not_visited_yet(row: Row) -> None:
    call = listed_anew(None, row)
    assert [part.reason for part in call.parts] == ["not visited yet"]


def test_a_listed_call_is_noted_as_open_and_due_at_once() -> None:
    call = listed_anew(None, a_row())
    assert (call.settled, call.due_at, call.opened_at) == (False, LATER, LATER)


def test_the_tick_gives_the_message_of_a_listed_call_time_to_arrive() -> None:
    assert listed_anew(None, a_row()).next_visit_at > at(hours=1, minutes=15)


def test_a_call_of_several_rows_holds_each_file() -> None:
    assert set(listed_anew(None, a_row("a.wav"), a_row("b.wav"), a_row("a.wav")).files) == {"a.wav", "b.wav"}


def test_a_call_in_progress_has_an_unnamed_part() -> None:
    call = listed_anew(None, an_unnamed_row(), an_unnamed_row())
    assert (dict(call.files), len(call.parts), call.settled) == ({}, 1, False)


def test_a_call_is_of_the_date_of_its_first_file() -> None:
    rows = [a_row("b.wav", recorded_at=at(minutes=-1)), a_row("a.wav", recorded_at=at(minutes=-9))]
    assert listed_anew(None, *rows).recorded_at == at(minutes=-9)


def test_a_row_without_a_date_is_of_its_window_s() -> None:
    assert listed_anew(None, a_row(recorded_at=None)).recorded_at == at(minutes=-30)


@pytest.mark.parametrize(
    "call",
    [a_call(a=a_file()), a_call(a=an_archived_file(TranscriptStatus.NONE)), a_call(a=a_file(), b=a_file())],
    ids=["open", "settled", "of more files"],
)
def test_rows_that_report_nothing_new_are_not_noted(call: Call) -> None:
    assert listed(call, a_row("a.wav")) is None


def test_a_file_that_begins_after_one_was_given_up_unnamed_opens_the_call_again() -> None:
    given_up = replace(a_call(a=an_archived_file()), unnamed=a_file(status=FileStatus.FAILED, reason="late"))
    assert not listed_anew(given_up, an_unnamed_row(recorded_at=at(minutes=1))).settled


def test_a_row_of_what_was_given_up_unnamed_does_not_open_the_call_again() -> None:
    given_up = replace(a_call(), unnamed=a_file(status=FileStatus.FAILED, reason="late"))
    assert listed(given_up, an_unnamed_row()) is None


def test_a_row_that_lost_its_name_does_not_open_the_call_anew() -> None:
    assert listed(a_call(a=an_archived_file()), an_unnamed_row(status="available")) is None


@pytest.mark.parametrize(
    "row", [a_row("b.wav"), an_unnamed_row(recorded_at=at(minutes=-1))], ids=["named", "unnamed"]
)
def test_a_new_file_of_a_settled_call_opens_it_again(row: Any) -> None:
    assert not listed_anew(a_call(a=an_archived_file()), row).settled


@pytest.mark.parametrize(
    ("file", "opened_at"), [(an_archived_file(), LATER), (a_file(), NOW)], ids=["settled", "open"]
)
def test_a_call_is_open_since_it_was_not_settled(file: RecordingFile, opened_at: datetime) -> None:
    assert listed_anew(a_call(a=file), a_row("b.wav")).opened_at == opened_at


def test_a_second_look_opens_a_call_from_now_on() -> None:
    failed = a_call(a=a_file(status=FileStatus.FAILED))
    assert listed_anew(failed, a_row(), recheck=True).opened_at == LATER


def test_a_new_file_leaves_what_is_archived_as_it_is() -> None:
    archived = an_archived_file(TranscriptStatus.ARCHIVED)
    assert listed_anew(a_call(a=archived), a_row("b.wav")).files["a.wav"] == archived


def test_a_new_file_makes_its_call_due_at_once() -> None:
    assert listed_anew(a_call(a=an_archived_file()), a_row("b.wav")).due_at == LATER


def test_an_earlier_file_moves_its_call_s_date() -> None:
    after = listed_anew(a_call(a=a_file()), a_row("b.wav", recorded_at=at(minutes=-30)))
    assert after.recorded_at == at(minutes=-30)


@pytest.mark.parametrize(
    "file",
    [
        a_file(status=FileStatus.FAILED),
        an_archived_file(TranscriptStatus.FAILED),
        an_archived_file(TranscriptStatus.NONE, available_at=at(hours=-46)),
    ],
    ids=["failed file", "failed transcript", "no transcript, for less than 48 h"],
)
def test_a_second_look_opens_what_was_not_archived(file: RecordingFile) -> None:
    assert not listed_anew(a_call(a=file), a_row(), recheck=True).settled


@pytest.mark.parametrize(
    "file",
    [
        a_file(),
        an_archived_file(TranscriptStatus.ARCHIVED),
        an_archived_file(TranscriptStatus.PENDING),
        an_archived_file(TranscriptStatus.NONE, available_at=at(hours=-47)),
        a_file(status=FileStatus.DELETED_AT_SOURCE),
    ],
    ids=["owed", "archived", "pending", "no transcript, for 48 h", "deleted"],
)
def test_a_second_look_leaves_the_rest_alone(file: RecordingFile) -> None:
    assert listed(a_call(a=file), a_row(), recheck=True) is None


def test_a_second_look_keeps_the_recording_of_a_failed_transcript() -> None:
    file = listed_anew(a_call(a=an_archived_file(TranscriptStatus.FAILED)), a_row(), recheck=True).files[
        "a.wav"
    ]
    assert (file.status, file.recording) == (FileStatus.ARCHIVED, a_stored_object())


@pytest.mark.parametrize("minutes", [-9, 5], ids=["earlier", "later"])
def test_another_file_of_a_known_name_opens_the_call_again(minutes: int) -> None:
    call = listed_anew(a_call(a=an_archived_file()), a_row(recorded_at=at(minutes=minutes)))
    assert (call.settled, call.files["a.wav"]) == (False, an_archived_file())


def test_another_file_of_a_known_name_is_no_news_once_a_visit_gave_it_one_of_its_own() -> None:
    call = a_call(a=an_archived_file(), b=an_archived_file(recorded_at=at(minutes=5)))
    assert listed(call, a_row(recorded_at=at(minutes=5))) is None


def test_a_file_of_a_known_name_and_no_date_is_no_news() -> None:
    assert listed(a_call(a=an_archived_file()), a_row(recorded_at=None)) is None


def test_a_file_that_finds_no_room_is_left_to_a_visit() -> None:
    call = listed_anew(a_full_call(), a_row("one more.wav"))
    assert (call.files, call.unnamed is not None) == (a_full_call().files, True)


def test_a_file_that_a_full_call_holds_is_no_news() -> None:
    assert listed(a_full_call(), a_row("0.wav")) is None


def test_a_listed_link_is_never_printed() -> None:
    assert "https://" not in repr(a_row())


def test_a_new_file_gives_its_message_time_to_arrive() -> None:
    assert listed_anew(a_call(a=an_archived_file()), a_row("b.wav")).next_visit_at == LATER + LEASE


def test_a_new_file_is_visited_as_soon_as_that_of_a_new_call() -> None:
    call = replace(a_call(a=an_archived_file()), unchanged_visits=9)
    assert listed_anew(call, a_row("b.wav")).unchanged_visits == 0


def test_a_named_file_ends_no_unnamed_part() -> None:
    call = replace(a_call(), unnamed=a_file(reason="still being recorded"))
    assert listed_anew(call, a_row()).unnamed == call.unnamed


def test_a_second_look_opens_an_unnamed_part_that_was_given_up() -> None:
    call = replace(a_call(), unnamed=a_file(status=FileStatus.FAILED))
    assert listed_anew(call, an_unnamed_row(), recheck=True).unnamed == a_file()


def test_a_second_look_leaves_an_unnamed_part_that_is_open_alone() -> None:
    call = replace(a_call(), unnamed=a_file())
    assert listed(call, an_unnamed_row(), recheck=True) is None


def test_a_first_look_leaves_an_unnamed_part_that_was_given_up_alone() -> None:
    call = replace(a_call(), unnamed=a_file(status=FileStatus.FAILED))
    assert listed(call, an_unnamed_row()) is None
