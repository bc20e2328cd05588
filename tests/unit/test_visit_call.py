"""The story of a call, told in virtual time with the models of the adapters."""

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from call_archive.errors import PermanentError, RetryableError
from call_archive.model.call import LEASE, Call, FileStatus, TranscriptStatus
from call_archive.model.message import VisitMessage
from call_archive.model.object_key import Origin
from call_archive.model.transcript import transcript_document
from tests.unit.factories import NOW, a_call, a_file, a_stored_object, an_archived_file, at
from tests.unit.models import WAVE, ScriptedFile, World, crash

MAX_CHAIN = 10
TOLD = {"reference_id": "call-1", "file_name": "a.wav", "visit": 1}
FIRST = VisitMessage(reference_id="call-1")


def a_scripted_file(name: str = "a.wav", **parts: Any) -> ScriptedFile:
    """Available, and transcribed, before now."""
    file = ScriptedFile(
        name=name,
        begins_at=at(minutes=-5),
        available_at=at(minutes=-1),
        transcribing_at=at(minutes=-1),
        transcribed_at=at(minutes=-1),
    )
    return replace(file, **parts)


def a_world(*files: ScriptedFile, **options: Any) -> World:
    """A world with one call, which a message was just sent for."""
    world = World({"call-1": files or [a_scripted_file()]}, now=NOW, **options)
    world.fetch_queue.send([FIRST])
    world.steps.taken.clear()
    return world


def the_call(world: World) -> Call:
    return world.ledger.calls["call-1"]


def object_names(world: World) -> list[str]:
    """`recordings/a.wav` for each object, whatever its date."""
    return [f"{key.split('/')[0]}/{key.split('/')[-1]}" for key in world.archive.objects]


def hops(world: World) -> list[int]:
    return [json.loads(body)["hop"] for body, _ in world.fetch_queue.sent]


def test_a_call_that_is_ready_is_archived_by_one_visit() -> None:
    world = a_world()
    world.visit(FIRST)
    assert (object_names(world), the_call(world).settled, the_call(world).visits) == (
        ["recordings/a.wav", "transcripts/a.wav.json"],
        True,
        1,
    )


def test_the_recording_comes_first_the_transcript_second_and_the_ledger_last() -> None:
    world = a_world()
    world.visit(FIRST)
    assert world.steps.taken == [
        "ledger.read",
        "provider.call",
        "downloads.open",
        "archive.put_recording",
        "archive.put_transcript",
        "ledger.write",
    ]


def test_the_ledger_is_written_before_the_next_visit_is_queued() -> None:
    world = a_world(a_scripted_file(available_at=at(hours=1)))
    world.visit(FIRST)
    assert world.steps.taken[-2:] == ["ledger.write", "fetch_queue.send"]


def test_an_in_progress_call_is_visited_again_until_its_file_is_archived() -> None:
    world = a_world(a_scripted_file(available_at=at(minutes=7), transcribed_at=at(minutes=7)))
    world.run(at(hours=1), ticks=False)
    assert (object_names(world), the_call(world).settled) == (
        ["recordings/a.wav", "transcripts/a.wav.json"],
        True,
    )


def test_a_transcript_of_three_minutes_is_archived_by_delayed_messages_alone() -> None:
    world = a_world(a_scripted_file(transcribed_at=at(minutes=3)))
    world.run(at(minutes=6), ticks=False)
    assert object_names(world) == ["recordings/a.wav", "transcripts/a.wav.json"]


def test_a_transcript_that_never_comes_is_none_after_its_grace_by_delayed_messages_alone() -> None:
    world = a_world(a_scripted_file(transcribing_at=None, transcribed_at=None))
    world.run(at(minutes=10), ticks=False)
    transcript = the_call(world).files["a.wav"].transcript
    assert transcript is not None
    assert transcript.status is TranscriptStatus.NONE


SLOW = a_scripted_file(transcribed_at=at(hours=3))


def test_a_chain_of_messages_ends_at_its_tenth_and_parks_the_call() -> None:
    world = a_world(SLOW)
    world.run(at(hours=2), ticks=False)
    assert (hops(world), world.fetch_queue.length()) == ([*range(MAX_CHAIN + 1)], 0)


def test_a_parked_call_is_archived_once_a_tick_begins_a_new_chain() -> None:
    world = a_world(SLOW)
    world.run(at(hours=2), ticks=False)
    world.run(at(hours=5))
    assert object_names(world) == ["recordings/a.wav", "transcripts/a.wav.json"]


def test_every_chain_that_a_tick_begins_is_bounded_too() -> None:
    world = a_world(a_scripted_file(transcribed_at=at(days=2)))
    world.run(at(hours=23))
    assert max(hops(world)) <= MAX_CHAIN


def test_a_transcript_that_is_never_completed_fails_after_a_day() -> None:
    world = a_world(a_scripted_file(transcribed_at=None))
    world.run(at(hours=26))
    assert (the_call(world).settled, the_call(world).failed) == (True, True)


def test_a_call_that_takes_a_day_asks_the_provider_seldom() -> None:
    world = a_world(a_scripted_file(transcribed_at=None))
    world.run(at(hours=26))
    assert world.steps.taken.count("provider.call") < 50


def test_a_message_of_a_later_visit_carries_the_call_and_its_hop_alone() -> None:
    world = a_world(SLOW)
    world.visit(VisitMessage(reference_id="call-1", hop=4))
    assert json.loads(world.fetch_queue.sent[-1][0]) == {"reference_id": "call-1", "hop": 5}


@pytest.mark.parametrize(
    "call",
    [a_call(a=an_archived_file()), replace(a_call(a=a_file()), due_at=at(seconds=1))],
    ids=["settled", "not due"],
)
def test_a_duplicate_costs_one_read_and_asks_the_provider_nothing(call: Call) -> None:
    world = a_world()
    world.ledger.calls["call-1"] = call
    world.visit(FIRST)
    assert world.steps.taken == ["ledger.read"]


def test_messages_that_come_twice_change_nothing() -> None:
    once, twice = a_world(SLOW), a_world(SLOW, copies=2)
    for world in (once, twice):
        world.run(at(hours=5))
    assert (twice.steps.taken.count("provider.call"), twice.archive.objects) == (
        once.steps.taken.count("provider.call"),
        once.archive.objects,
    )


def test_a_file_that_appears_later_is_archived_too() -> None:
    late = a_scripted_file("b.wav", begins_at=at(minutes=1), available_at=at(minutes=2))
    world = a_world(a_scripted_file(transcribed_at=at(minutes=5)), late)
    world.run(at(hours=1))
    assert set(object_names(world)) >= {"recordings/a.wav", "recordings/b.wav"}


@pytest.mark.parametrize("seconds", [10, 60], ids=["earlier", "later"])
def test_another_file_of_one_name_that_appears_later_is_archived_beside_the_first(seconds: int) -> None:
    world = a_world(a_scripted_file(begins_at=at(seconds=30), available_at=at(seconds=30)))
    world.run(at(minutes=5))
    first = dict(world.archive.objects)
    begins_at = at(seconds=seconds)
    another = a_scripted_file(begins_at=begins_at, available_at=begins_at)
    world.provider.calls["call-1"] = [*world.provider.calls["call-1"], another]
    world.run(at(hours=1))
    name = f"a.wav-{begins_at:%Y%m%dT%H%M%S}"
    assert object_names(world) == [
        *("recordings/a.wav", "transcripts/a.wav.json"),
        *(f"recordings/{name}", f"transcripts/{name}.json"),
    ]
    assert dict(list(world.archive.objects.items())[:2]) == first


def test_a_file_in_error_does_not_hold_up_the_others() -> None:
    world = a_world(a_scripted_file("a.wav"), a_scripted_file("b.wav"))
    world.steps.interrupt("downloads.open", raising(RetryableError("the link has expired (403)")))
    world.visit(FIRST)
    assert object_names(world) == ["recordings/b.wav", "transcripts/b.wav.json"]


def test_an_outage_is_outlasted() -> None:
    world = a_world()
    world.steps.interrupt("provider.call", *[raising(RetryableError("503"))] * 30)
    world.run(at(days=2))
    assert the_call(world).settled
    assert not the_call(world).failed


def test_a_call_waits_as_long_as_the_provider_asks() -> None:
    world = a_world()
    world.steps.interrupt("provider.call", raising(RetryableError("429", retry_after_seconds=120)))
    world.visit(FIRST)
    assert (the_call(world).due_at, world.fetch_queue.sent[-1][1]) == (at(seconds=120), 120)


def test_a_permanent_failure_ends_the_file_at_once() -> None:
    world = a_world()
    world.steps.interrupt("downloads.open", raising(PermanentError("the link redirects")))
    world.visit(FIRST)
    assert the_call(world).files["a.wav"].status is FileStatus.FAILED


def test_a_call_that_the_provider_never_heard_of_ends_as_failed() -> None:
    world = World({}, now=NOW)
    world.fetch_queue.send([FIRST])
    world.run(at(hours=1), ticks=False)
    assert (the_call(world).settled, the_call(world).failed) == (True, True)


# Crashes and rivals


def raising(error: Exception) -> Any:
    def raise_it() -> None:
        raise error

    return raise_it


@pytest.mark.parametrize(
    "step",
    ["provider.call", "downloads.open", "archive.put_recording", "archive.put_transcript", "ledger.write"],
)
def test_a_crash_anywhere_is_made_good_by_the_message_that_comes_back(step: str) -> None:
    world = a_world()
    world.steps.interrupt(step, crash)
    world.run(at(hours=1), ticks=False)
    assert (object_names(world), the_call(world).failed) == (
        ["recordings/a.wav", "transcripts/a.wav.json"],
        False,
    )


def test_a_crash_between_the_ledger_and_the_message_is_put_right_by_the_tick() -> None:
    world = a_world(a_scripted_file(available_at=at(minutes=2), transcribed_at=at(minutes=2)))
    world.steps.interrupt("fetch_queue.send", crash)
    world.deliver_visit()
    world.fetch_queue.lose_all()
    world.run(at(hours=1))
    assert the_call(world).settled


def test_nothing_is_pending_to_messages_that_all_vanish() -> None:
    world = a_world(SLOW)
    world.run(at(minutes=30), ticks=False)
    world.fetch_queue.lose_all()
    world.run(at(hours=6))
    assert the_call(world).settled


def test_the_result_of_a_rival_is_stored_beside_ours() -> None:
    world = a_world(a_scripted_file("a.wav"), a_scripted_file("b.wav"))
    theirs = an_archived_file(TranscriptStatus.ARCHIVED, recording=a_stored_object(key="theirs"))

    def rival() -> None:
        world.ledger.calls["call-1"] = replace(a_call(a=theirs, b=a_file()), version=7)

    world.steps.interrupt("ledger.write", rival)
    world.visit(FIRST)
    files = the_call(world).files
    assert (files["a.wav"], files["b.wav"].status, the_call(world).version) == (
        theirs,
        FileStatus.ARCHIVED,
        8,
    )


def test_a_version_conflict_asks_the_provider_no_second_time() -> None:
    world = a_world()
    world.steps.interrupt("ledger.write", lambda: world.ledger.calls.update({"call-1": a_call(a=a_file())}))
    world.ledger.calls["call-1"] = replace(a_call(a=a_file()), version=1)
    world.visit(FIRST)
    assert (world.steps.taken.count("provider.call"), the_call(world).settled) == (1, True)


def test_a_call_that_others_write_all_the_time_fails_its_message() -> None:
    world = a_world()
    versions = iter(range(100, 200))

    def rival() -> None:
        world.ledger.calls["call-1"] = replace(a_call(a=a_file()), version=next(versions))

    world.steps.interrupt("ledger.write", *[rival] * 20)
    with pytest.raises(RetryableError, match=r"^call call-1 was written by others 5 times in a row$"):
        world.visit(FIRST)


def test_a_conflict_sends_one_message() -> None:
    world = a_world(SLOW)
    world.ledger.calls["call-1"] = replace(a_call(a=a_file()), version=1)
    world.steps.interrupt(
        "ledger.write", lambda: world.ledger.calls.update({"call-1": replace(a_call(a=a_file()), version=2)})
    )
    world.visit(FIRST)
    assert hops(world) == [0, 1]


def test_an_object_that_an_earlier_visit_left_is_taken_for_ours_when_it_is_the_same() -> None:
    world = a_world()
    world.visit(FIRST)
    world.ledger.calls.clear()  # all that it noted is lost
    world.visit(FIRST)
    assert (the_call(world).settled, the_call(world).failed) == (True, False)


def test_a_different_object_at_the_key_is_left_and_the_file_fails() -> None:
    world = a_world()
    key = Origin(reference_id="call-1", file_name="a.wav", recorded_at=at(minutes=-5)).recording_key
    world.archive.objects[key] = a_stored_object(key=key)
    world.visit(FIRST)
    assert (the_call(world).files["a.wav"].status, world.archive.objects[key]) == (
        FileStatus.FAILED,
        a_stored_object(key=key),
    )


def test_a_key_keeps_the_date_that_was_first_noted() -> None:
    world = a_world()
    world.ledger.calls["call-1"] = replace(a_call(a=a_file(recorded_at=at(days=-9))), version=1)
    world.visit(FIRST)
    assert [key.split("/")[1:4] for key in world.archive.objects] == [["2026", "02", "20"]] * 2


# Time that runs out


def test_nothing_is_begun_when_less_than_a_minute_is_left() -> None:
    world = a_world()
    world.seconds_left = 59
    world.visit(FIRST)
    assert (world.archive.objects, the_call(world).settled, hops(world)) == ({}, False, [0, 1])
    assert the_call(world).last_error == "not begun: the function's time was running out"


def test_what_was_not_begun_is_archived_by_the_next_visit() -> None:
    world = a_world()
    world.seconds_left = 59
    world.visit(FIRST)
    world.seconds_left = 60
    world.run(at(minutes=1), ticks=False)
    assert the_call(world).settled


@pytest.mark.parametrize("there", [False, True], ids=["to store", "to compare"])
def test_a_download_is_given_less_time_than_is_left(
    monkeypatch: pytest.MonkeyPatch,
    there: bool,  # noqa: FBT001
) -> None:
    world = a_world()
    if there:
        world.visit(FIRST)
        world.ledger.calls.clear()
    given: list[float] = []
    opened = world.provider.open

    def open_noting(url: str, *, seconds: float) -> Any:
        given.append(seconds)
        return opened(url, seconds=seconds)

    monkeypatch.setattr(world.provider, "open", open_noting)
    world.visit(FIRST)
    assert given == [world.seconds_left - 20] * (2 if there else 1)


# What is told


def test_a_visit_reports_what_it_archived() -> None:
    world = a_world()
    world.visit(FIRST)
    recording, transcript = world.archive.objects
    assert world.told == [
        ("recording_archived", TOLD | {"key": recording, "size": len(WAVE)}),
        ("transcript_archived", TOLD | {"key": transcript}),
    ]


@pytest.mark.parametrize(
    ("step", "error", "event"),
    [
        ("downloads.open", PermanentError("the link redirects"), "recording_failed"),
        ("archive.put_transcript", PermanentError("a different object"), "transcript_failed"),
    ],
)
def test_a_visit_reports_what_failed_and_why(step: str, error: Exception, event: str) -> None:
    world = a_world()
    world.steps.interrupt(step, raising(error))
    world.visit(FIRST)
    assert world.told_of(event) == [TOLD | {"reason": str(error)}]


def test_what_was_deleted_is_reported_though_the_function_dies_once_the_ledger_has_it() -> None:
    world = a_world(a_scripted_file(deleted_at=NOW))
    told_before: list[int] = []
    world.steps.interrupt("ledger.write", lambda: told_before.append(len(world.told)))
    world.visit(FIRST)
    assert told_before == [1]


@pytest.mark.parametrize("step", ["downloads.open", "archive.put_transcript"])
def test_a_loss_is_reported_though_the_function_dies_once_the_ledger_has_it(step: str) -> None:
    world = a_world()
    told_before: list[int] = []
    world.steps.interrupt(step, raising(PermanentError("lost")))
    world.steps.interrupt("ledger.write", lambda: told_before.append(len(world.told)))
    world.visit(FIRST)
    assert told_before == [1]


def test_the_loss_of_a_file_that_never_got_a_name_is_reported() -> None:
    world = World({}, now=NOW)
    world.fetch_queue.send([FIRST])
    world.run(at(hours=1), ticks=False)
    [told] = world.told_of("recording_failed")
    assert told == {
        "reference_id": "call-1",
        "file_name": None,
        "visit": the_call(world).visits,
        "reason": the_call(world).parts[0].reason,
    }


def test_a_visit_reports_what_was_deleted_before_it_came() -> None:
    world = a_world(a_scripted_file(deleted_at=NOW))
    world.visit(FIRST)
    assert world.told_of("recording_deleted_at_source") == [TOLD]


def test_a_change_is_reported_once() -> None:
    world = a_world(SLOW)
    world.run(at(hours=5))
    assert [len(world.told_of(event)) for event in ("recording_archived", "transcript_archived")] == [1, 1]


def test_a_visit_that_waits_reports_why_and_until_when() -> None:
    world = a_world(a_scripted_file(available_at=at(hours=1)))
    world.visit(FIRST)
    assert world.told == [
        (
            "call_pending",
            {
                "reference_id": "call-1",
                "visit": 1,
                "due_at": the_call(world).due_at.isoformat(),
                "reason": "the call is still being recorded",
            },
        )
    ]


@pytest.mark.parametrize(
    ("status", "event"),
    [
        (FileStatus.FAILED, "recording_failed"),
        (FileStatus.DELETED_AT_SOURCE, "recording_deleted_at_source"),
    ],
)
def test_a_loss_is_reported_once(status: FileStatus, event: str) -> None:
    world = a_world(a_scripted_file("b.wav"))
    world.ledger.calls["call-1"] = replace(a_call(a=a_file(status=status), b=a_file()), version=1)
    world.visit(FIRST)
    assert world.told_of(event) == []


@pytest.mark.parametrize(
    ("status", "event"),
    [(TranscriptStatus.FAILED, "transcript_failed"), (TranscriptStatus.ARCHIVED, "transcript_archived")],
)
def test_a_visit_that_changes_nothing_of_a_transcript_reports_nothing_of_it(
    status: TranscriptStatus, event: str
) -> None:
    world = a_world()
    world.ledger.calls["call-1"] = replace(a_call(a=an_archived_file(status), b=a_file()), version=1)
    world.visit(FIRST)
    assert world.told_of(event) == []


def test_the_tick_leaves_a_call_whose_message_is_on_its_way_alone() -> None:
    world = a_world(a_scripted_file(available_at=at(hours=1)))
    world.visit(FIRST)
    assert the_call(world).next_visit_at - the_call(world).due_at == LEASE


def test_the_transcript_is_stored_as_the_provider_gave_it() -> None:
    world = a_world()
    world.visit(FIRST)
    origin = Origin(reference_id="call-1", file_name="a.wav", recorded_at=at(minutes=-5))
    [row] = world.provider.call("call-1")
    document = transcript_document(origin, row.transcribe or {})
    assert world.archive.objects[origin.transcript_key].sha256 == hashlib.sha256(document).hexdigest()


def test_a_visit_that_waits_for_a_transcript_alone_reports_why() -> None:
    world = a_world(SLOW)
    world.visit(FIRST)
    assert [told["reason"] for told in world.told_of("call_pending")] == [
        "the provider is still transcribing it"
    ]


def test_no_link_is_ever_reported() -> None:
    world = a_world(SLOW)
    world.run(at(hours=5))
    assert "https://" not in str(world.told)
