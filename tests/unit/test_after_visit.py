from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from call_archive.errors import (
    ArchiveError,
    InvalidBodyError,
    PermanentError,
    RefusedError,
    RetryableError,
    UnknownCallError,
)
from call_archive.model.after_visit import NO_ROOM, after_visit
from call_archive.model.backoff import NextVisit, plan_next_visit
from call_archive.model.call import Call, FileStatus, RecordingFile, TranscriptStatus, unlisted_call
from call_archive.model.pending import pending_recordings, pending_transcripts, tracked_rows
from call_archive.model.policy import Policy
from call_archive.model.row import Row
from call_archive.model.visit_result import Outcome, VisitResult
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
    transcribe,
)

POLICY = Policy()
ARCHIVED, FAILED, RECORDING = FileStatus.ARCHIVED, FileStatus.FAILED, FileStatus.RECORDING
DELETED = FileStatus.DELETED_AT_SOURCE
NOW_AND_THEN = RetryableError("the provider answered 503")
EXPIRED = RetryableError("the recording's link has expired (403)")
UNFIT = InvalidBodyError("the recording is not a WAVE file")
FORBIDDEN = PermanentError("the link points where we must not go")
UNKNOWN = UnknownCallError("the provider does not know this call (404)")


def result(
    *rows: Row,
    now: datetime = NOW,
    error: ArchiveError | None = None,
    recordings: Mapping[str, Outcome] | None = None,
    transcripts: Mapping[str, Outcome] | None = None,
) -> VisitResult:
    return VisitResult(
        now=now, rows=rows, error=error, recordings=recordings or {}, transcripts=transcripts or {}
    )


def visited(call: Call, *rows: Row, **parts: Any) -> Call:
    return after_visit(call, result(*rows, **parts), POLICY)


def file_after(file: RecordingFile, *rows: Row, **parts: Any) -> RecordingFile:
    return visited(a_call(a=file), *rows, **parts).files["a.wav"]


def transcript_after(file: RecordingFile, *rows: Row, **parts: Any) -> tuple[TranscriptStatus, str | None]:
    transcript = file_after(file, *rows, **parts).transcript
    assert transcript is not None
    return transcript.status, transcript.reason


# What becomes of a file


@pytest.mark.parametrize(
    ("what", "status", "reason"),
    [
        (result(a_row(status="recording", url=None)), RECORDING, "the call is still being recorded"),
        (result(a_row(url=None)), RECORDING, "available at the provider, but without a link yet"),
        (result(a_row(status="lost")), RECORDING, "the provider gives it an unknown status, 'lost'"),
        (result(a_row(status="")), RECORDING, "the provider gives it an unknown status, ''"),
        (result(a_row(status="x" * 81)), RECORDING, f"the provider gives it an unknown status, {'x' * 80!r}"),
        (result(a_row("b.wav")), RECORDING, "the provider lists no such file for this call"),
        (result(), RECORDING, "the provider lists no such file for this call"),
        (result(error=NOW_AND_THEN), RECORDING, str(NOW_AND_THEN)),
        (result(error=RefusedError("401")), RECORDING, "401"),
        (result(error=UNKNOWN), RECORDING, str(UNKNOWN)),
        (result(a_row(), recordings={"a.wav": a_stored_object()}), ARCHIVED, None),
        (result(a_row(), recordings={"a.wav": EXPIRED}), RECORDING, str(EXPIRED)),
        (result(a_row(), recordings={"a.wav": UNFIT}), RECORDING, str(UNFIT)),
        (result(a_row(), recordings={"a.wav": FORBIDDEN}), FAILED, str(FORBIDDEN)),
        (result(a_row(status="deleted")), DELETED, "deleted at the provider before it was archived"),
    ],
)
def test_what_a_visit_sees_decides_what_becomes_of_a_file(
    what: VisitResult, status: FileStatus, reason: str | None
) -> None:
    file = after_visit(a_call(a=a_file()), what, POLICY).files["a.wav"]
    assert (file.status, file.reason) == (status, reason)


@pytest.mark.parametrize(
    "what",
    [
        result(now=at(days=7)),
        result(a_row(status="recording"), now=at(days=7)),
        result(a_row(status="lost"), now=at(days=7)),
        result(a_row(url=None), now=at(days=7)),
        result(error=NOW_AND_THEN, now=at(days=28)),
        result(a_row(), recordings={"a.wav": EXPIRED}, now=at(days=28)),
    ],
)
def test_a_file_that_is_not_archived_by_its_deadline_is_given_up(what: VisitResult) -> None:
    file = after_visit(a_call(a=a_file()), what, POLICY).files["a.wav"]
    assert (file.status, (file.reason or "")[:10]) == (FAILED, "given up: ")


@pytest.mark.parametrize(
    "what",
    [
        result(error=NOW_AND_THEN, now=at(days=27)),
        result(a_row(), recordings={"a.wav": EXPIRED}, now=at(days=27)),
        result(a_row(), recordings={"a.wav": UNFIT}, now=at(days=27)),
    ],
)
def test_an_outage_of_weeks_is_no_reason_to_give_up(what: VisitResult) -> None:
    assert after_visit(a_call(a=a_file()), what, POLICY).files["a.wav"].status is not FAILED


def test_error_after_invalid_bodies_ends_nothing() -> None:
    file = a_file(invalid_bodies=5)
    assert file_after(file, a_row(), recordings={"a.wav": EXPIRED}).status is not FAILED


def test_a_file_is_not_given_up_a_second_before_seven_days() -> None:
    assert file_after(a_file(), error=NOW_AND_THEN, now=at(days=7, seconds=-1)).status is RECORDING


def test_a_file_archived_at_the_last_moment_is_archived() -> None:
    file = file_after(a_file(), a_row(), recordings={"a.wav": a_stored_object()}, now=at(days=8))
    assert file.status is ARCHIVED


def test_an_archived_file_knows_its_object() -> None:
    assert (
        file_after(a_file(), a_row(), recordings={"a.wav": a_stored_object()}).recording == a_stored_object()
    )


@pytest.mark.parametrize(("bodies", "status"), [(4, RECORDING), (5, FAILED), (6, FAILED)])
def test_the_fifth_invalid_body_fails_a_file(bodies: int, status: FileStatus) -> None:
    call = a_call(a=a_file())
    for _ in range(bodies):
        call = visited(call, a_row(), recordings={"a.wav": UNFIT})
    assert (call.files["a.wav"].status, call.files["a.wav"].reason) == (status, str(UNFIT))


def test_a_file_that_the_ledger_did_not_know_is_noted() -> None:
    assert set(visited(a_call(a=a_file()), a_row("a.wav"), a_row("b.wav")).files) == {"a.wav", "b.wav"}


def test_of_two_rows_of_one_file_the_one_with_a_link_counts() -> None:
    rows = [a_row(url=None), a_row(), a_row(url=None)]
    assert [row.url for row in pending_recordings(a_call(), rows)] == [a_row().url]


@pytest.mark.parametrize(
    "what",
    [
        result(),
        result(a_row(status="deleted")),
        result(a_row(status="recording")),
        result(a_row(status="lost")),
        result(error=UNKNOWN, now=at(days=30)),
        result(error=NOW_AND_THEN, now=at(days=30)),
        result(a_row(), recordings={"a.wav": FORBIDDEN}, transcripts={"a.wav": FORBIDDEN}),
        result(a_row(), recordings={"a.wav": a_stored_object(version_id="v2")}),
        result(a_row(), transcripts={"a.wav": a_stored_object(version_id="v2")}),
    ],
)
def test_what_is_archived_is_never_taken_back(what: VisitResult) -> None:
    archived = an_archived_file(TranscriptStatus.ARCHIVED)
    assert after_visit(a_call(a=archived), what, POLICY).files["a.wav"] == archived


@pytest.mark.parametrize("status", [DELETED, FAILED])
def test_what_is_terminal_stays_so(status: FileStatus) -> None:
    file = a_file(status=status, reason="because")
    assert file_after(file, a_row(), recordings={"a.wav": NOW_AND_THEN}) == file


@pytest.mark.parametrize("status", [DELETED, FAILED])
def test_a_recording_that_this_visit_stored_is_archived_whatever_another_concluded(
    status: FileStatus,
) -> None:
    file = a_file(status=status, reason="because")
    after = file_after(file, a_row(), recordings={"a.wav": a_stored_object()})
    assert (after.status, after.reason, after.recording) == (FileStatus.ARCHIVED, None, a_stored_object())


# What is owed


@pytest.mark.parametrize(
    ("file", "row", "pending"),
    [
        (a_file(), a_row(), True),
        (a_file(), a_row(url=None), False),
        (a_file(), a_row(status="recording"), False),
        (a_file(), a_row(status="deleted"), False),
        (a_file(), a_row(status="lost"), False),
        (an_archived_file(), a_row(), False),
        (a_file(status=FAILED), a_row(), False),
        (a_file(status=DELETED), a_row(), False),
        (a_file(), an_unnamed_row(), False),
    ],
)
def test_a_recording_is_pending_once_it_can_be_downloaded(
    file: RecordingFile,
    row: Row,
    pending: bool,  # noqa: FBT001
) -> None:
    assert pending_recordings(a_call(a=file), [row]) == ([row] if pending else [])


def test_a_file_that_the_ledger_does_not_know_is_pending() -> None:
    assert pending_recordings(a_call(), [a_row()]) == [a_row()]


@pytest.mark.parametrize(
    ("file", "row", "recordings", "pending"),
    [
        (a_file(), a_row(), {"a.wav": a_stored_object()}, True),
        (a_file(), a_row(), {"a.wav": EXPIRED}, False),
        (a_file(), a_row(), {}, False),
        (an_archived_file(), a_row(), {}, True),
        (an_archived_file(TranscriptStatus.PENDING), a_row(), {}, True),
        (an_archived_file(TranscriptStatus.ARCHIVED), a_row(), {}, False),
        (an_archived_file(TranscriptStatus.NONE), a_row(), {}, False),
        (an_archived_file(TranscriptStatus.FAILED), a_row(), {}, False),
        (a_file(status=FAILED), a_row(), {}, True),
        (a_file(status=DELETED), a_row(), {}, False),
        (an_archived_file(), a_row(status="deleted"), {}, False),
    ],
)
def test_a_transcript_is_pending_once_its_recording_came_first(
    file: RecordingFile,
    row: Row,
    recordings: Mapping[str, Outcome],
    pending: bool,  # noqa: FBT001
) -> None:
    rows = [replace(row, transcribe=transcribe("completed"))]
    assert bool(pending_transcripts(a_call(a=file), rows, recordings, POLICY)) is pending


@pytest.mark.parametrize("said", [None, transcribe(), transcribe("in progress"), transcribe("failed")])
def test_a_transcript_that_is_not_completed_is_not_pending(said: Any) -> None:
    assert pending_transcripts(a_call(a=an_archived_file()), [a_row(transcribe=said)], {}, POLICY) == []


# What becomes of a transcript

PENDING, NONE = TranscriptStatus.PENDING, TranscriptStatus.NONE
COMPLETED_ROW = a_row(transcribe=transcribe("completed"))


@pytest.mark.parametrize(
    ("row", "age", "status", "reason"),
    [
        (a_row(), timedelta(0), PENDING, "the provider has none yet"),
        (a_row(), timedelta(minutes=10, seconds=-1), PENDING, "the provider has none yet"),
        (a_row(), timedelta(minutes=10), NONE, "the provider made none"),
        (a_row(transcribe=transcribe()), timedelta(minutes=10), NONE, "the provider made none"),
        (
            a_row(transcribe=transcribe("in progress")),
            timedelta(hours=24, seconds=-1),
            PENDING,
            "the provider is still transcribing it",
        ),
        (
            a_row(transcribe=transcribe("in progress")),
            timedelta(hours=24),
            TranscriptStatus.FAILED,
            "given up: the provider is still transcribing it",
        ),
        (
            a_row(transcribe=transcribe("completed", "in progress")),
            timedelta(hours=1),
            PENDING,
            "the provider is still transcribing it",
        ),
        (
            a_row(transcribe=transcribe("failed")),
            timedelta(0),
            TranscriptStatus.FAILED,
            "the provider could not transcribe it",
        ),
        (a_row(status="deleted"), timedelta(0), NONE, "the call was deleted at the provider"),
    ],
)
def test_what_a_visit_sees_decides_what_becomes_of_a_transcript(
    row: Row, age: timedelta, status: TranscriptStatus, reason: str
) -> None:
    file = an_archived_file(TranscriptStatus.PENDING)
    assert transcript_after(file, row, now=NOW + age) == (status, reason)


def test_a_completed_transcript_is_archived() -> None:
    file = an_archived_file(TranscriptStatus.PENDING)
    transcript = file_after(file, COMPLETED_ROW, transcripts={"a.wav": a_stored_object()}).transcript
    assert transcript == a_transcript(TranscriptStatus.ARCHIVED, stored=a_stored_object())


def test_a_completed_transcript_with_an_empty_result_is_pending() -> None:
    row = a_row(transcribe={"transcription": [{"status": "completed", "result": []}]})
    assert pending_transcripts(a_call(a=an_archived_file(PENDING)), [row], {}, POLICY) == [row]


def test_a_transcript_that_was_archived_late_is_archived() -> None:
    status, _ = transcript_after(
        an_archived_file(PENDING), COMPLETED_ROW, transcripts={"a.wav": a_stored_object()}, now=at(days=30)
    )
    assert status is TranscriptStatus.ARCHIVED


def test_a_completed_transcript_waits_for_its_recording_however_long() -> None:
    file = a_file(available_at=NOW)
    status, reason = transcript_after(file, COMPLETED_ROW, recordings={"a.wav": EXPIRED}, now=at(days=6))
    assert (status, reason) == (PENDING, "it waits for its recording")


@pytest.mark.parametrize(
    ("parts", "status", "reason"),
    [
        ({"error": NOW_AND_THEN}, PENDING, str(NOW_AND_THEN)),
        ({"error": NOW_AND_THEN, "now": at(days=2)}, PENDING, str(NOW_AND_THEN)),
        (
            {"error": NOW_AND_THEN, "now": at(days=28)},
            TranscriptStatus.FAILED,
            f"given up: {NOW_AND_THEN}",
        ),
        ({"error": UNKNOWN}, PENDING, str(UNKNOWN)),
        ({"transcripts": {"a.wav": NOW_AND_THEN}}, PENDING, str(NOW_AND_THEN)),
        ({"transcripts": {"a.wav": FORBIDDEN}}, TranscriptStatus.FAILED, str(FORBIDDEN)),
    ],
)
def test_error_keeps_a_transcript_pending_until_it_is_given_up(
    parts: dict[str, Any], status: TranscriptStatus, reason: str
) -> None:
    rows = () if "error" in parts else (COMPLETED_ROW,)
    assert transcript_after(an_archived_file(PENDING), *rows, **parts) == (status, reason)


def test_nothing_is_said_of_a_transcript_before_its_file_is_available() -> None:
    assert file_after(a_file(), a_row(status="recording"), now=at(hours=1)).transcript is None


def test_a_transcript_s_grace_runs_from_when_its_file_became_available() -> None:
    call = visited(a_call(a=a_file()), a_row(url=None), now=at(hours=5))
    call = visited(call, a_row(), recordings={"a.wav": a_stored_object()}, now=at(hours=5, minutes=9))
    assert call.files["a.wav"].transcript == a_transcript(PENDING, reason="the provider has none yet")


def test_a_failed_file_s_transcript_is_still_waited_for() -> None:
    call = visited(a_call(a=a_file()), a_row(), recordings={"a.wav": FORBIDDEN})
    assert (call.files["a.wav"].status, call.settled) == (FAILED, False)


def test_a_row_that_vanishes_for_a_moment_does_not_end_a_transcript_that_was_on_its_way() -> None:
    call = visited(
        a_call(a=an_archived_file(PENDING)), a_row(transcribe=transcribe("in progress")), now=at(hours=1)
    )
    assert not visited(call, now=at(hours=1, seconds=30)).settled


# What becomes of an unnamed row


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (an_unnamed_row(), "the call is still being recorded"),
        (an_unnamed_row(status="available"), "available at the provider, but without a file name yet"),
        (an_unnamed_row(status="lost"), "the provider gives it an unknown status, 'lost'"),
    ],
)
def test_a_call_stays_open_while_a_row_has_no_name(row: Row, reason: str) -> None:
    call = visited(unlisted_call("call-1", now=NOW), row)
    assert (call.settled, [part.reason for part in call.parts]) == (False, [reason])


def test_an_unnamed_part_ends_once_every_row_has_a_name() -> None:
    call = visited(unlisted_call("call-1", now=NOW), a_row(), recordings={"a.wav": a_stored_object()})
    assert (call.unnamed, list(call.files)) == (None, ["a.wav"])


def test_an_unnamed_row_beside_a_named_one_keeps_the_call_open() -> None:
    archived = a_call(a=an_archived_file(TranscriptStatus.ARCHIVED))
    assert not visited(archived, a_row(), an_unnamed_row()).settled


def test_a_file_that_began_later_is_not_given_up_with_one_that_stays_in_progress() -> None:
    stuck, later = an_unnamed_row(), an_unnamed_row(recorded_at=at(days=6))
    call = visited(a_call(), stuck, now=NOW)
    call = visited(call, stuck, later, now=at(days=6, hours=1))
    call = visited(call, stuck, later, now=at(days=7, hours=1))
    assert not call.settled


def test_what_stays_in_progress_is_given_up_in_the_end_though_another_file_began_later() -> None:
    stuck, later = an_unnamed_row(), an_unnamed_row(recorded_at=at(days=6))
    call = visited(visited(a_call(), stuck, now=NOW), stuck, later, now=at(days=6))
    call = visited(call, stuck, a_row("b.wav", recorded_at=later.recorded_at, url=None), now=at(days=13))
    assert call.unnamed is not None
    assert call.unnamed.status is FAILED


def test_one_unnamed_row_that_was_deleted_does_not_end_another() -> None:
    gone = an_unnamed_row(status="deleted", recorded_at=at(minutes=1))
    assert not visited(a_call(), an_unnamed_row(), gone, now=at(minutes=2)).settled


def test_an_empty_answer_ends_no_unnamed_part() -> None:
    assert not visited(unlisted_call("call-1", now=NOW)).settled


def test_an_unnamed_row_that_was_deleted_is_settled() -> None:
    call = visited(unlisted_call("call-1", now=NOW), an_unnamed_row(status="deleted"))
    assert (call.settled, call.failed) == (True, False)


def test_what_stays_in_progress_is_given_up_a_week_after_it_was_first_seen() -> None:
    call = visited(visited(a_call(), an_unnamed_row()), an_unnamed_row(), now=at(days=7))
    assert (call.settled, call.failed) == (True, True)


# More files than the ledger has room for


@pytest.mark.parametrize(("room", "kept"), [(2, 2), (1, 1), (0, 0)])
def test_files_are_stored_as_long_as_there_is_room(room: int, kept: int) -> None:
    full = a_full_call()
    call = replace(full, files=dict(list(full.files.items())[room:]))
    rows = [a_row(name) for name in (*call.files, "x.wav", "y.wav", "z.wav")]
    assert list(tracked_rows(call, rows)) == [*call.files, *("x.wav", "y.wav", "z.wav")[:kept]]


def test_files_that_find_no_room_are_lost_and_said_so() -> None:
    lost = visited(a_full_call(), a_row("one more.wav"), now=at(hours=1)).unnamed
    assert lost == a_file(status=FAILED, reason=NO_ROOM, first_seen_at=at(hours=1))


def test_files_that_find_no_room_are_lost_since_they_were_first_seen() -> None:
    call = replace(a_full_call(), unnamed=a_file(recorded_at=at(days=-1), reason="not visited yet"))
    lost = visited(call, a_row("one more.wav"), now=at(hours=1)).unnamed
    assert lost == a_file(status=FAILED, reason=NO_ROOM, recorded_at=at(days=-1))


# A call that the provider does not know


def unknown_for(*minutes: float, call: Call) -> Call:
    for each in minutes:
        call = visited(call, error=UNKNOWN, now=at(minutes=each))
    return call


@pytest.mark.parametrize(
    ("minutes", "failed"), [((0,), False), ((0, 9.9), False), ((0, 10), True), ((99,), False)]
)
def test_an_unknown_call_is_asked_for_during_its_grace(minutes: tuple[float, ...], failed: bool) -> None:  # noqa: FBT001
    assert unknown_for(*minutes, call=a_call(a=a_file())).failed is failed


def test_an_unknown_call_asked_for_by_hand_fails_after_its_grace() -> None:
    assert unknown_for(0, 10, call=unlisted_call("call-1", now=NOW)).failed


def test_the_grace_of_an_unknown_call_begins_anew_once_it_was_known() -> None:
    call = unknown_for(0, call=a_call(a=a_file()))
    call = visited(call, a_row(url=None), now=at(minutes=5))
    assert not unknown_for(11, call=call).failed


def test_an_outage_after_an_unknown_answer_gives_nothing_up() -> None:
    call = unknown_for(0, call=a_call(a=a_file()))
    assert not visited(call, error=NOW_AND_THEN, now=at(minutes=10)).failed


def test_a_call_that_vanished_fails_what_was_pending_and_keeps_what_is_archived() -> None:
    file = unknown_for(0, 10, call=a_call(a=an_archived_file(PENDING))).files["a.wav"]
    assert (file.status, file.transcript and file.transcript.status) == (ARCHIVED, TranscriptStatus.FAILED)


# The call as a whole


def test_a_visit_applied_to_a_call_that_another_visit_changed_keeps_both_results() -> None:
    before = a_call(a=a_file(), b=a_file())
    first = visited(before, a_row("a.wav"), a_row("b.wav"), recordings={"a.wav": a_stored_object(key="a")})
    both = visited(
        first,
        a_row("a.wav"),
        a_row("b.wav"),
        recordings={"a.wav": EXPIRED, "b.wav": a_stored_object(key="b")},
    )
    assert [file.recording for file in both.files.values()] == [
        a_stored_object(key="a"),
        a_stored_object(key="b"),
    ]


@pytest.mark.parametrize("status", [TranscriptStatus.NONE, TranscriptStatus.FAILED])
def test_a_transcript_that_this_visit_stored_is_archived_whatever_another_concluded(
    status: TranscriptStatus,
) -> None:
    call = visited(
        a_call(a=an_archived_file(status)), a_row(), transcripts={"a.wav": a_stored_object(key="t")}
    )
    transcript = call.files["a.wav"].transcript
    assert transcript is not None
    assert (transcript.status, transcript.stored) == (TranscriptStatus.ARCHIVED, a_stored_object(key="t"))


def test_a_transcript_of_a_file_that_failed_before_it_was_ever_available_is_noted() -> None:
    call = a_call(a=a_file(status=FAILED), b=a_file())
    row = a_row(transcribe=transcribe("completed"))
    stored = {
        row.file_name or "": a_stored_object(key="t") for row in pending_transcripts(call, [row], {}, POLICY)
    }
    transcript = visited(call, row, transcripts=stored).files["a.wav"].transcript
    assert transcript is not None
    assert transcript.status is TranscriptStatus.ARCHIVED


def test_a_visit_that_changed_nothing_is_quiet() -> None:
    call = a_call(a=a_file())
    for _ in range(3):
        call = visited(call, a_row(status="recording"))
    assert (call.visits, call.unchanged_visits) == (3, 3)


def test_a_visit_that_changed_something_is_not_quiet() -> None:
    call = visited(a_call(a=a_file()), a_row(status="recording"))
    assert visited(call, a_row(), recordings={"a.wav": a_stored_object()}).unchanged_visits == 0


def test_a_visit_that_archived_a_transcript_is_not_quiet() -> None:
    call = replace(a_call(a=an_archived_file(PENDING)), unchanged_visits=3)
    assert visited(call, a_row(), transcripts={"a.wav": a_stored_object()}).unchanged_visits == 0


def test_a_visit_that_settled_an_unnamed_part_is_not_quiet() -> None:
    call = replace(a_call(), unnamed=a_file(), unchanged_visits=3)
    assert visited(call, an_unnamed_row(status="deleted")).unchanged_visits == 0


def test_an_archived_file_forgets_its_error() -> None:
    file = file_after(
        a_file(reason=str(UNFIT), invalid_bodies=3), a_row(), recordings={"a.wav": a_stored_object()}
    )
    assert (file.reason, file.invalid_bodies) == (None, 0)


@pytest.mark.parametrize(("told", "noted"), [(at(days=-1), at(days=-1)), (None, at(minutes=-5))])
def test_an_unnamed_part_is_of_its_rows_date_or_its_calls(told: datetime | None, noted: datetime) -> None:
    unnamed = visited(a_call(), an_unnamed_row(recorded_at=told)).unnamed
    assert unnamed is not None
    assert unnamed.recorded_at == noted


def test_a_file_without_a_name_is_not_available_yet() -> None:
    unnamed = visited(a_call(), an_unnamed_row(status="available")).unnamed
    assert unnamed is not None
    assert unnamed.available_at is None


def test_the_last_error_is_stored_until_a_visit_has_none() -> None:
    failed = visited(a_call(a=a_file()), error=NOW_AND_THEN)
    assert (failed.last_error, visited(failed, a_row()).last_error) == (str(NOW_AND_THEN), None)


def test_a_call_moves_to_the_date_of_an_earlier_file() -> None:
    assert visited(a_call(), a_row(recorded_at=at(days=-1))).recorded_at == at(days=-1)


def test_the_date_of_a_known_file_never_changes() -> None:
    assert file_after(a_file(), a_row(recorded_at=at(days=-1))).recorded_at == at(minutes=-5)


# The next visit


def planned(call: Call, *rows: Row, **parts: Any) -> NextVisit:
    what = result(*rows, **parts)
    return plan_next_visit(after_visit(call, what, POLICY), what, POLICY, hop=0, jitter=0.5)


def test_the_longest_pause_that_was_asked_for_is_stored() -> None:
    outcomes = {
        "a.wav": RetryableError("429", retry_after_seconds=30),
        "b.wav": RetryableError("503", retry_after_seconds=90),
    }
    plan = planned(a_call(a=a_file(), b=a_file()), a_row("a.wav"), a_row("b.wav"), recordings=outcomes)
    assert plan.due_at >= at(seconds=90)


def test_an_absent_transcript_is_looked_for_at_the_end_of_its_grace() -> None:
    call, dues = a_call(a=an_archived_file(PENDING)), [NOW]
    while dues[-1] < at(minutes=10):
        dues.append(planned(call, a_row(), now=dues[-1]).due_at)
        call = visited(call, a_row(), now=dues[-1])
    assert (dues[-1], call.settled, len(dues) <= 7) == (at(minutes=10), True, True)


def test_a_settled_file_has_no_say_in_when_the_next_visit_is() -> None:
    alone = replace(a_call(a=an_archived_file(PENDING)), unchanged_visits=3)
    beside = replace(alone, files={**alone.files, "b.wav": an_archived_file(TranscriptStatus.ARCHIVED)})
    assert planned(beside, a_row("a.wav"), a_row("b.wav")) == planned(alone, a_row("a.wav"))


def test_a_settled_file_that_comes_first_has_no_say_either() -> None:
    settled, pending = an_archived_file(TranscriptStatus.ARCHIVED), an_archived_file(PENDING)
    call = replace(a_call(a=settled, b=pending), unchanged_visits=3)
    alone = replace(a_call(b=pending), unchanged_visits=3)
    assert planned(call, a_row("a.wav"), a_row("b.wav")) == planned(alone, a_row("b.wav"))


@pytest.mark.parametrize(
    ("other", "row"),
    [
        (an_archived_file(PENDING), a_row("c.wav")),
        (a_file(available_at=NOW), a_row("b.wav")),
        (an_archived_file(PENDING), a_row("b.wav", transcribe=transcribe("in progress"))),
        (a_file(), a_row("b.wav", status="recording")),
    ],
    ids=["vanished", "in trouble", "transcribing", "in progress"],
)
def test_whatever_else_is_pending_makes_the_looks_follow_upon_another_as_ever(
    other: RecordingFile, row: Row
) -> None:
    call = replace(a_call(a=an_archived_file(PENDING), b=other), unchanged_visits=8)
    what = result(a_row("a.wav"), row, recordings={"b.wav": EXPIRED})
    assert plan_next_visit(call, what, POLICY, hop=0, jitter=0.5).delay_seconds == 900


def test_a_row_without_a_name_makes_the_looks_follow_upon_another_as_ever() -> None:
    call = replace(a_call(a=an_archived_file(PENDING)), unnamed=a_file(), unchanged_visits=8)
    what = result(a_row("a.wav"), an_unnamed_row())
    assert plan_next_visit(call, what, POLICY, hop=0, jitter=0.5).delay_seconds == 900


def test_a_row_without_a_name_that_is_settled_does_not() -> None:
    call = replace(a_call(a=an_archived_file(PENDING)), unnamed=a_file(status=DELETED), unchanged_visits=8)
    assert plan_next_visit(call, result(a_row("a.wav")), POLICY, hop=0, jitter=0.5).delay_seconds == 600


@pytest.mark.parametrize(("unchanged", "seconds"), [(0, 5), (1, 20), (2, 80), (3, 320), (4, 600)])
def test_an_absent_transcript_is_looked_for_at_growing_intervals(unchanged: int, seconds: int) -> None:
    call = replace(a_call(a=an_archived_file(PENDING)), unchanged_visits=unchanged)
    assert plan_next_visit(call, result(a_row()), POLICY, hop=0, jitter=0.5).delay_seconds == seconds


def test_the_end_of_a_grace_that_is_a_moment_away_is_a_second_away() -> None:
    call = a_call(a=an_archived_file(PENDING))
    what = result(a_row(), now=at(minutes=10, milliseconds=-300))
    assert plan_next_visit(call, what, POLICY, hop=0, jitter=0.5).delay_seconds == 1


def test_a_visit_on_its_way_is_leased_for_as_long_as_the_settings_say() -> None:
    policy = replace(POLICY, lease=timedelta(seconds=77))
    plan = plan_next_visit(a_call(a=a_file()), result(a_row()), policy, hop=0, jitter=0.5)
    assert plan.next_visit_at - plan.due_at == timedelta(seconds=77)


def test_a_call_in_progress_is_not_held_to_the_grace_of_a_transcript() -> None:
    call = a_call(a=an_archived_file(PENDING), b=a_file())
    for _ in range(9):
        call = visited(call, a_row("a.wav"), a_row("b.wav", status="recording"))
    plan = planned(call, a_row("a.wav"), a_row("b.wav", status="recording"))
    assert plan.due_at > at(minutes=10)
