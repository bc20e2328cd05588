"""The tick and the recheck, in virtual time with the models of the adapters."""

import json
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from call_archive.errors import RetryableError
from call_archive.model.call import FileStatus, RecordingFile, TranscriptStatus
from call_archive.model.message import VisitMessage, WindowMessage
from call_archive.model.policy import Policy
from call_archive.model.window import Window
from call_archive.tick import listing_lag
from tests.unit.factories import NOW, a_call, a_file, a_window, an_archived_file, an_owed_window, at
from tests.unit.models import CrashError, ScriptedFile, World, crash


def a_world(*, due_calls: int = 0, listed_until: timedelta | None = timedelta(0), **options: Any) -> World:
    """A world that has listed until now, with so many calls that are due."""
    world = World({}, now=NOW, **options)
    world.ledger.cursor = NOW + listed_until if listed_until is not None else None
    for number in range(due_calls):
        reference_id = f"call-{number}"
        call = replace(a_call(a=a_file()), reference_id=reference_id, next_visit_at=at(seconds=-number))
        world.ledger.calls[reference_id] = replace(call, version=1)
    return world


def queued_windows(world: World) -> list[Window]:
    return [WindowMessage.from_json(body).window for body, _ in world.windows_queue.sent]


def queued_calls(world: World) -> list[str]:
    return [json.loads(body)["reference_id"] for body, _ in world.fetch_queue.sent]


# Cutting


def test_the_first_tick_begins_where_the_archive_does() -> None:
    world = a_world(listed_until=None)
    world.clock.advance(minutes=7)
    world.tick()
    assert queued_windows(world) == [Window(start=NOW, end=at(minutes=7))]


def test_a_tick_goes_on_where_the_last_one_ended_less_an_overlap() -> None:
    world = a_world()
    world.clock.advance(hours=1)
    world.tick()
    world.clock.advance(minutes=5)
    world.tick()
    assert queued_windows(world)[-1] == Window(
        start=at(hours=1, minutes=-15, seconds=1), end=at(hours=1, minutes=5)
    )


def test_the_overlap_never_reaches_before_the_archive_s_beginning() -> None:
    world = a_world()
    world.clock.advance(minutes=5)
    world.tick()
    assert queued_windows(world) == [Window(start=NOW, end=at(minutes=5))]


def test_the_cursor_moves_to_now() -> None:
    world = a_world()
    world.clock.advance(hours=50)
    world.tick()
    assert world.ledger.cursor == at(hours=50)


def test_years_of_backlog_are_pending_in_windows_of_at_most_an_hour() -> None:
    world = a_world()
    world.clock.advance(days=365)
    world.tick()
    assert max(window.end - window.start for window in world.ledger.windows) < timedelta(hours=1)


def test_windows_are_noted_and_queued_before_the_cursor_moves() -> None:
    world = a_world()
    world.clock.advance(minutes=5)
    world.tick()
    assert world.steps.taken == ["ledger.put_windows", "windows_queue.send", "ledger.move_cursor"]


@pytest.mark.parametrize("step", ["ledger.put_windows", "windows_queue.send"])
def test_the_cursor_stays_when_the_windows_cannot_be_noted_or_queued(step: str) -> None:
    def fail() -> None:
        raise RetryableError("the queue would not take 1 messages")

    world = a_world()
    world.clock.advance(minutes=5)
    world.steps.interrupt(step, fail)
    with pytest.raises(RetryableError):
        world.tick()
    assert world.ledger.cursor == NOW


def test_the_tick_after_a_crash_cuts_the_same_time_again() -> None:
    world = a_world()
    world.clock.advance(minutes=5)
    world.steps.interrupt("windows_queue.send", crash)
    with pytest.raises(CrashError):
        world.tick()
    world.clock.advance(minutes=5)
    world.tick()
    assert queued_windows(world)[-1] == Window(start=NOW, end=at(minutes=10))


def test_a_tick_that_is_short_of_time_leaves_the_rest_to_the_next() -> None:
    world = a_world()
    world.clock.advance(hours=50)
    world.seconds_left = 59
    world.tick()
    assert (world.ledger.cursor, queued_windows(world)) == (NOW, [])


def test_a_tick_that_runs_out_of_time_keeps_what_it_has_done() -> None:
    world = a_world()
    world.clock.advance(hours=50)
    world.steps.interrupt("ledger.move_cursor", lambda: setattr(world, "seconds_left", 59.0))
    world.tick()
    assert world.ledger.cursor == max(window.end for window in queued_windows(world)) < at(hours=50)


def test_a_day_of_ticks_lists_each_second() -> None:
    world = a_world()
    for _ in range(24 * 12):
        world.clock.advance(minutes=5)
        world.tick()
    windows = sorted(queued_windows(world))
    assert (windows[0].start, windows[-1].end) == (NOW, at(days=1))
    assert all(later.start <= earlier.end + timedelta(seconds=1) for earlier, later in pairwise(windows))


# Sweeping


def test_a_call_that_is_due_is_queued_at_the_beginning_of_a_chain() -> None:
    world = a_world(due_calls=1)
    world.tick()
    assert [VisitMessage.from_json(body) for body, _ in world.fetch_queue.sent] == [
        VisitMessage(reference_id="call-0")
    ]


def test_calls_that_are_settled_or_not_due_are_not_queued() -> None:
    world = a_world()
    world.ledger.calls["a"] = replace(a_call(a=an_archived_file()), next_visit_at=at(hours=-1))
    world.ledger.calls["b"] = replace(a_call(a=a_file()), next_visit_at=at(seconds=1))
    world.tick()
    assert queued_calls(world) == []


@pytest.mark.parametrize(("waiting", "queued"), [(0, 10), (4, 6), (10, 0), (99, 0)])
def test_the_sweep_keeps_the_fetch_queue_short(waiting: int, queued: int) -> None:
    world = a_world(due_calls=30, fetch_queue_target=10)
    world.fetch_queue.send([VisitMessage(reference_id="other")] * waiting)
    world.tick()
    assert len(queued_calls(world)) - waiting == queued


def test_calls_that_wait_for_their_time_take_no_room_from_those_whose_message_was_lost() -> None:
    world = a_world(due_calls=1, fetch_queue_target=10)
    world.fetch_queue.send([VisitMessage(reference_id="other")] * 10, delay_seconds=900)
    world.tick()
    assert queued_calls(world)[10:] == ["call-0"]


def test_no_call_is_asked_for_where_there_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """DynamoDB answers a limit of 0 with an error."""
    world = a_world(due_calls=1, fetch_queue_target=0)
    asked: list[int] = []

    def due_calls(_now: object, limit: int) -> list[object]:
        asked.append(limit)
        return []

    monkeypatch.setattr(world.ledger, "due_calls", due_calls)
    world.tick()
    assert asked == []


def test_room_for_one_call_is_filled() -> None:
    world = a_world(due_calls=2, fetch_queue_target=1)
    world.tick()
    assert len(queued_calls(world)) == 1


def test_a_tick_that_has_a_minute_left_cuts_windows() -> None:
    world = a_world()
    world.seconds_left = 60
    world.clock.advance(minutes=5)
    world.tick()
    assert world.ledger.cursor == at(minutes=5)


def test_the_longest_due_calls_are_queued_first() -> None:
    world = a_world(due_calls=30, fetch_queue_target=2)
    world.tick()
    assert queued_calls(world) == ["call-29", "call-28"]


def test_a_backlog_is_not_queued_twice() -> None:
    world = a_world(due_calls=30)
    world.tick()
    world.clock.advance(minutes=5)
    world.tick()
    assert len(queued_calls(world)) == 30


def test_a_call_whose_message_was_lost_is_queued_again_after_its_lease() -> None:
    world = a_world(due_calls=1)
    world.tick()
    world.clock.advance(hours=1)
    world.tick()
    assert queued_calls(world) == ["call-0", "call-0"]


@pytest.mark.parametrize(("seconds", "queued"), [(299, 2), (301, 1)])
def test_a_lease_is_as_long_as_the_settings_say(seconds: int, queued: int) -> None:
    world = a_world(due_calls=1, policy=Policy(lease=timedelta(seconds=seconds)))
    world.tick()
    world.clock.advance(minutes=5)
    world.tick()
    assert len(queued_calls(world)) == queued


def test_a_call_that_a_visit_changed_in_between_is_not_queued(monkeypatch: pytest.MonkeyPatch) -> None:
    world = a_world(due_calls=1)
    monkeypatch.setattr(world.ledger, "due_calls", lambda *_: [("call-0", at(hours=-1))])
    world.tick()
    assert queued_calls(world) == []


def test_a_leased_call_can_still_be_written_by_the_visit_that_read_it_before() -> None:
    world = a_world(due_calls=1)
    read = world.ledger.calls["call-0"]
    world.tick()
    assert world.ledger.write(read)


def test_a_window_whose_message_was_lost_is_queued_again_and_leased() -> None:
    world = a_world()
    window = a_window()
    world.ledger.windows[window] = an_owed_window(window, next_visit_at=at(seconds=-1))
    for _ in range(2):
        world.tick()
    assert queued_windows(world).count(window) == 1


def test_one_tick_queues_a_hundred_due_windows_at_most() -> None:
    world = a_world()
    for number in range(101):
        window = Window(start=at(days=-9, seconds=number), end=at(days=-9, seconds=number))
        world.ledger.windows[window] = an_owed_window(window, next_visit_at=at(seconds=-1))
    world.tick()
    assert len([window for window in queued_windows(world) if window.start < at(days=-8)]) == 100


def test_a_window_that_is_queued_is_leased_for_as_long_as_the_settings_say() -> None:
    world = a_world(policy=Policy(lease=timedelta(seconds=77)))
    world.ledger.windows[a_window()] = an_owed_window(a_window(), next_visit_at=at(seconds=-1))
    world.clock.advance(minutes=5)
    world.tick()
    assert {pending.next_visit_at for pending in world.ledger.open_windows()} == {at(minutes=5, seconds=77)}


def test_windows_of_a_message_on_its_way_are_left_alone() -> None:
    world = a_world()
    world.ledger.windows[a_window()] = an_owed_window(a_window(), next_visit_at=at(seconds=1))
    world.tick()
    assert a_window() not in queued_windows(world)


# Rechecking


def test_a_recheck_looks_again_at_the_last_week_and_not_before_the_archive_s_beginning() -> None:
    world = a_world()
    world.clock.advance(days=30)
    world.recheck()
    windows = queued_windows(world)
    assert (windows[0].start, windows[-1].end, {window.recheck for window in windows}) == (
        at(days=23),
        at(days=30),
        {True},
    )


def test_one_rechecks_windows_are_the_nexts_too_where_they_meet() -> None:
    world = a_world()
    world.clock.advance(days=30, minutes=7, seconds=11, microseconds=13)
    world.recheck()
    first = set(queued_windows(world))
    world.clock.advance(days=1, minutes=3, seconds=5, microseconds=7)
    world.recheck()
    both = {window for window in queued_windows(world) if at(days=24) <= window.start < at(days=30)}
    assert (len(both), both <= first) == (6 * 24, True)


def test_a_recheck_reports_how_many_windows_it_queued() -> None:
    world = a_world()
    world.clock.advance(hours=3, seconds=-1)
    world.recheck()
    assert world.told == [("recheck_queued", {"windows": 3})]


def test_a_rechecks_windows_are_leased_for_as_long_as_the_settings_say() -> None:
    world = a_world(policy=Policy(lease=timedelta(seconds=77)))
    world.recheck()
    assert {pending.next_visit_at for pending in world.ledger.open_windows()} == {at(seconds=77)}


def test_a_recheck_leaves_the_cursor_where_it_is() -> None:
    world = a_world()
    world.clock.advance(days=1)
    world.recheck()
    assert world.ledger.cursor == NOW


def rechecked(file: RecordingFile, *, after: timedelta) -> World:
    """A world whose only call was settled as `file`; its transcript has come since, and a recheck was run."""
    world = a_world()
    scripted = ScriptedFile(begins_at=NOW, available_at=NOW, transcribed_at=NOW)
    world.provider.calls["call-1"] = [scripted]
    world.ledger.calls["call-1"] = replace(a_call(a=file), version=1)
    world.clock.move_to(NOW + after)
    world.recheck()
    world.run(NOW + after + timedelta(minutes=5), ticks=False)
    return world


NO_TRANSCRIPT = an_archived_file(TranscriptStatus.NONE)


def test_a_recheck_archives_a_transcript_that_came_late() -> None:
    world = rechecked(NO_TRANSCRIPT, after=timedelta(hours=47))
    assert [key.split("/")[0] for key in world.archive.objects] == ["transcripts"]


def test_a_recheck_leaves_a_missing_transcript_alone_after_48_hours() -> None:
    assert rechecked(NO_TRANSCRIPT, after=timedelta(hours=48)).archive.objects == {}


def test_a_recheck_archives_a_file_that_failed() -> None:
    failed = a_file(status=FileStatus.FAILED, reason="because")
    world = rechecked(failed, after=timedelta(days=1))
    assert world.ledger.calls["call-1"].files["a.wav"].status is FileStatus.ARCHIVED


# Gauges


def test_a_tick_reports_how_many_calls_are_open_and_since_when() -> None:
    world = a_world(due_calls=3)
    world.clock.advance(hours=2)
    world.tick()
    assert (world.gauges["OpenCalls"], world.gauges["OldestOpenCallAge"]) == (3, 7200)


def test_a_tick_reports_what_it_queued() -> None:
    world = a_world(due_calls=2)
    world.clock.advance(minutes=45, hours=1)
    world.tick()
    assert world.told == [
        ("windows_queued", {"start": "2026-03-01T12:00:00", "end": "2026-03-01T13:45:00", "windows": 2}),
        ("due_calls_queued", {"calls": 2}),
    ]


def test_a_tick_reports_nothing_of_calls_that_are_not_due() -> None:
    world = a_world()
    world.tick()
    assert world.told_of("due_calls_queued") == []


def test_the_gauges_are_those_that_the_alarms_look_at() -> None:
    world = a_world()
    world.tick()
    assert set(world.gauges) == {"OpenCalls", "OldestOpenCallAge", "ListingLag"}


def test_a_tick_reports_how_far_behind_it_is() -> None:
    world = a_world()
    world.clock.advance(hours=2)
    world.seconds_left = 59
    world.tick()
    assert world.gauges["ListingLag"] == 7200


def test_no_open_call_has_no_age() -> None:
    world = a_world()
    world.tick()
    assert (world.gauges["OpenCalls"], world.gauges["OldestOpenCallAge"]) == (0, 0)


@pytest.mark.parametrize(
    ("windows", "lag"),
    [
        ([], timedelta(hours=1)),
        ([Window(start=at(hours=-3), end=at(hours=-2))], timedelta(hours=3)),
        ([Window(start=at(hours=-3), end=at(hours=-2), recheck=True)], timedelta(hours=1)),
        ([Window(start=at(minutes=-5), end=NOW)], timedelta(hours=1)),
    ],
    ids=["cursor", "owed window", "second look", "younger window"],
)
def test_listing_lags_by_the_oldest_second_not_yet_listed(windows: list[Window], lag: timedelta) -> None:
    assert listing_lag(at(hours=-1), [an_owed_window(window) for window in windows], NOW) == lag


# All of it


def test_a_day_of_calls_is_archived_by_ticks_and_messages() -> None:
    world = World({}, now=NOW)
    for minute in range(0, 24 * 60, 20):
        begins_at = at(minutes=minute)
        world.provider.calls[f"call-{minute}"] = [
            ScriptedFile(
                begins_at=begins_at,
                available_at=begins_at + timedelta(minutes=minute % 50),
                transcribed_at=begins_at + timedelta(minutes=minute % 50 + 3),
            )
        ]
    world.run(at(hours=26))
    assert (len(world.archive.objects), all(call.settled for call in world.ledger.calls.values())) == (
        144,
        True,
    )
