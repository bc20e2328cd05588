"""Listing a window, in virtual time with the models of the adapters."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from call_archive.errors import PermanentError, RefusedError, RetryableError, StaleTokenError
from call_archive.model.call import TranscriptStatus
from call_archive.model.message import WindowMessage
from call_archive.model.policy import Policy
from call_archive.model.window import PendingWindow, Window
from call_archive.provider.parse import Page, parse_page
from tests.unit.factories import NOW, a_call, a_file, a_row, a_window, an_archived_file, an_owed_window, at
from tests.unit.models import ScriptedFile, World, crash

HOUR = a_window()
MAX_CHAIN = 10
TOLD = {"start": "2026-03-01T11:00:01", "end": "2026-03-01T12:00:00"}


def a_world(
    *, calls: int = 5, page_size: int = 2, window: Window = HOUR, lease_seconds: int = 1200, **pending: Any
) -> World:
    """A world that owes one window, of calls a minute apart."""
    files = [
        ScriptedFile(begins_at=at(minutes=-each), available_at=at(minutes=-each)) for each in range(calls)
    ]
    world = World(
        {f"call-{number}": [file] for number, file in enumerate(files)},
        now=NOW,
        page_size=page_size,
        policy=Policy(lease=timedelta(seconds=lease_seconds)),
    )
    world.ledger.windows[window] = an_owed_window(window, **pending)
    return world


def list_once(world: World, window: Window = HOUR, *, hop: int = 0) -> None:
    world.list_window(WindowMessage(window=window, hop=hop))


def raising(error: Exception) -> Callable[[], None]:
    def raise_it() -> None:
        raise error

    return raise_it


def queued_calls(world: World) -> list[str]:
    return [json.loads(body)["reference_id"] for body, _ in world.fetch_queue.sent]


def queued_windows(world: World) -> list[WindowMessage]:
    return [WindowMessage.from_json(body) for body, _ in world.windows_queue.sent]


def noted(world: World, window: Window = HOUR) -> PendingWindow:
    return world.ledger.windows[window]


# Pages


def test_every_row_of_every_page_is_noted_and_queued() -> None:
    world = a_world(calls=5)
    list_once(world)
    assert set(world.ledger.calls) == set(queued_calls(world)) == {f"call-{each}" for each in range(5)}


def test_a_listed_window_is_not_pending_any_more() -> None:
    world = a_world()
    list_once(world)
    assert world.ledger.windows == {}


def test_each_call_is_noted_before_it_is_queued() -> None:
    world = a_world(calls=1)
    list_once(world)
    assert world.steps.taken == [
        "provider.first_page",
        "ledger.write",
        "fetch_queue.send",
        "ledger.finish_window",
    ]


def test_a_window_without_calls_is_finished() -> None:
    world = a_world(calls=0)
    list_once(world)
    assert (world.ledger.windows, world.fetch_queue.sent) == ({}, [])


@pytest.mark.parametrize(
    "end", [{"token": None}, {"token": ""}, {}, {"token": 7}], ids=["null", "empty", "absent", "no text"]
)
def test_a_page_without_a_token_is_the_last(end: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    world = a_world(calls=0)
    monkeypatch.setattr(world.provider, "first_page", lambda _: parse_page({"call_recordings": [], **end}))
    list_once(world)
    assert world.steps.taken == ["ledger.finish_window"]


@pytest.mark.parametrize("tokens", [["t", "t"], ["t", "u", "t"]])
def test_a_token_that_was_there_before_ends_the_list(
    tokens: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = a_world(calls=0)
    coming = iter(tokens)

    def page(_: object) -> Page:
        return Page(rows=(), token=next(coming), unreadable=0)

    monkeypatch.setattr(world.provider, "first_page", page)
    monkeypatch.setattr(world.provider, "next_page", page)
    list_once(world)
    assert (list(coming), world.ledger.windows) == ([], {})


def test_rows_without_an_id_are_reported_and_hold_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    world = a_world(calls=0)
    page = Page(rows=(a_row(),), token=None, unreadable=2)
    monkeypatch.setattr(world.provider, "first_page", lambda _: page)
    list_once(world)
    assert (world.told_of("row_unreadable"), set(world.ledger.calls)) == ([TOLD | {"rows": 2}], {"call-1"})


def test_a_call_that_the_ledger_cannot_hold_is_reported_and_holds_nothing_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = a_world(calls=2)
    write, refused = world.ledger.write, PermanentError("the ledger cannot hold call call-0")
    monkeypatch.setattr(
        world.ledger,
        "write_many",
        lambda calls: [refused if call.reference_id == "call-0" else write(call) for call in calls],
    )
    list_once(world)
    assert world.told_of("row_unreadable") == [TOLD | {"reference_id": "call-0", "reason": str(refused)}]
    assert (set(world.ledger.calls), queued_calls(world), world.ledger.windows) == (
        {"call-1"},
        ["call-1"],
        {},
    )


# What is known already


def test_a_window_listed_twice_queues_its_calls_once() -> None:
    world = a_world(calls=3)
    for _ in range(2):
        world.ledger.windows[HOUR] = an_owed_window(HOUR)
        list_once(world)
    assert len(queued_calls(world)) == 3


def test_a_call_that_a_rival_notes_in_between_is_neither_lost_nor_queued_twice() -> None:
    world = a_world(calls=1)
    rival = replace(a_call(a=a_file(recorded_at=NOW)), reference_id="call-0", version=1)
    world.steps.interrupt("ledger.write", lambda: world.ledger.calls.update({"call-0": rival}))
    list_once(world)
    assert (world.ledger.calls["call-0"], world.fetch_queue.sent) == (rival, [])


def test_a_new_file_is_noted_on_top_of_what_a_rival_wrote() -> None:
    world = a_world(calls=1)
    rival = replace(a_call(b=a_file()), reference_id="call-0", version=1)
    world.steps.interrupt("ledger.write", lambda: world.ledger.calls.update({"call-0": rival}))
    list_once(world)
    assert (set(world.ledger.calls["call-0"].files), queued_calls(world)) == ({"a.wav", "b.wav"}, ["call-0"])


@pytest.mark.parametrize("recheck", [False, True])
def test_only_a_window_that_looks_again_opens_what_ended_without_a_transcript(recheck: bool) -> None:  # noqa: FBT001
    window = a_window(recheck=recheck)
    world = a_world(calls=1, window=window)
    file = an_archived_file(TranscriptStatus.NONE, recorded_at=NOW)
    settled = replace(a_call(a=file), reference_id="call-0", version=1)
    world.ledger.calls["call-0"] = settled
    list_once(world, window)
    assert world.ledger.calls["call-0"].settled is not recheck


@pytest.mark.parametrize("pending", [{"due_at": at(seconds=1)}, None], ids=["not due", "finished"])
def test_a_duplicate_asks_the_provider_nothing(pending: dict[str, Any] | None) -> None:
    world = a_world(**pending or {})
    if pending is None:
        world.ledger.windows.clear()
    list_once(world)
    assert world.steps.taken == []


# Time that runs out, tokens that go stale


def short_of_time(**pending: Any) -> World:
    world = a_world(calls=5, **pending)
    world.seconds_left = 59
    return world


def test_a_window_that_takes_too_long_is_halved() -> None:
    world = short_of_time()
    list_once(world)
    assert set(world.ledger.windows) == set(HOUR.halves() or ())


def test_a_window_is_listed_on_while_a_minute_is_left() -> None:
    world = a_world(calls=5)
    world.seconds_left = 60
    list_once(world)
    assert (len(world.ledger.calls), world.ledger.windows) == (5, {})


def test_the_halves_are_noted_before_the_window_is_finished() -> None:
    world = short_of_time()
    list_once(world)
    assert world.steps.taken[-3:] == [
        "ledger.put_windows",
        "ledger.finish_window",
        "windows_queue.send",
    ]


def test_what_was_listed_before_a_window_was_halved_is_stored() -> None:
    world = short_of_time()
    list_once(world)
    assert len(queued_calls(world)) == 2


def test_the_halves_are_queued_one_hop_on() -> None:
    world = short_of_time()
    list_once(world, hop=3)
    assert [(message.window, message.hop) for message in queued_windows(world)] == [
        (half, 4) for half in HOUR.halves() or ()
    ]


def test_halves_are_looked_at_as_soon_as_windows_that_had_no_error() -> None:
    world = short_of_time(attempts=9)
    list_once(world)
    assert [delay for _, delay in world.windows_queue.sent] == [5, 5]


def test_halves_are_reported_of() -> None:
    world = short_of_time()
    list_once(world)
    reason = "the function's time was running out"
    assert world.told_of("window_halved") == [{**TOLD, "reason": reason}]


def test_error_past_the_first_page_halves_the_window() -> None:
    """From its start again, a window of many pages would hardly ever be listed where one request in ten fails."""
    world = a_world(calls=3, page_size=1)
    world.steps.interrupt("provider.next_page", raising(RetryableError("503", retry_after_seconds=40)))
    list_once(world)
    assert set(world.ledger.windows) == set(HOUR.halves() or ())
    assert [delay for _, delay in world.windows_queue.sent] == [40, 40]


def test_a_refusal_past_the_first_page_is_marked_for_an_operator() -> None:
    world = a_world(calls=3, page_size=1)
    world.steps.interrupt("provider.next_page", raising(RefusedError("401")))
    list_once(world)
    assert noted(world).refused


def test_a_long_window_is_listed_though_every_tenth_request_fails() -> None:
    world = a_world(calls=40, page_size=1)
    for _ in range(100):
        error: list[Callable[[], None]] = [lambda: None] * 9 + [raising(RetryableError("503"))]
        world.steps.interrupt("provider.next_page", *error)
    world.run(at(hours=2))
    assert (len(world.ledger.calls), world.ledger.windows) == (40, {})


def test_halves_at_the_end_of_a_chain_wait_for_the_tick() -> None:
    world = short_of_time()
    list_once(world, hop=MAX_CHAIN)
    assert (len(world.ledger.windows), world.windows_queue.sent) == (2, [])


def test_one_second_that_takes_too_long_stays_pending() -> None:
    second = a_window(seconds=1)
    world = a_world(calls=1, page_size=1, window=second)
    world.provider.calls["call-x"] = world.provider.calls["call-0"]
    world.seconds_left = 59
    list_once(world, second)
    assert (set(world.ledger.windows), noted(world, second).attempts, noted(world, second).last_error) == (
        {second},
        1,
        "the function's time was running out",
    )


def test_a_window_is_halved_until_it_fits() -> None:
    world = a_world(calls=60, page_size=10)
    world.windows_queue.send([WindowMessage(window=HOUR)])
    world.seconds_left = 59
    world.run(at(hours=12))
    assert set(world.ledger.calls) == set(world.provider.calls)


def test_a_stale_token_lists_the_window_from_its_start() -> None:
    world = a_world(calls=5)
    world.steps.interrupt("provider.next_page", raising(StaleTokenError("stale")))
    list_once(world)
    assert (
        len(world.ledger.calls),
        world.ledger.windows,
        world.steps.taken.count("provider.first_page"),
    ) == (
        5,
        {},
        2,
    )


def test_a_second_stale_token_halves_the_window() -> None:
    world = a_world(calls=5)
    world.steps.interrupt("provider.next_page", *[raising(StaleTokenError("stale"))] * 2)
    list_once(world)
    assert set(world.ledger.windows) == set(HOUR.halves() or ())
    reason = "the pages' tokens are not accepted"
    assert world.told_of("window_halved") == [{**TOLD, "reason": reason}]


# Trouble


def test_error_is_noted_with_its_reason_and_planned_again() -> None:
    world = a_world()
    world.steps.interrupt("provider.first_page", raising(RetryableError("the provider answered 503")))
    list_once(world)
    pending = noted(world)
    assert (pending.last_error, pending.attempts, pending.refused, pending.due_at > NOW) == (
        "the provider answered 503",
        1,
        False,
        True,
    )


def test_a_message_brings_a_window_in_error_back_when_it_is_due() -> None:
    world = a_world()
    world.steps.interrupt("provider.first_page", raising(RetryableError("503", retry_after_seconds=70)))
    list_once(world, hop=2)
    assert (world.windows_queue.sent[0][1], queued_windows(world)) == (
        70,
        [WindowMessage(window=HOUR, hop=3)],
    )


def test_a_window_in_error_is_listed_once_it_is_over() -> None:
    world = a_world(calls=3)
    world.steps.interrupt("provider.first_page", *[raising(RetryableError("503"))] * 5)
    world.windows_queue.send([WindowMessage(window=HOUR)])
    world.run(at(hours=1), ticks=False)
    assert (len(world.ledger.calls), world.ledger.windows) == (3, {})


def test_each_attempt_waits_longer() -> None:
    world = a_world()
    world.steps.interrupt("provider.first_page", *[raising(RetryableError("503"))] * 5)
    world.windows_queue.send([WindowMessage(window=HOUR)])
    world.run(at(hours=1), ticks=False)
    delays = [delay for _, delay in world.windows_queue.sent]
    assert delays == sorted(set(delays))


def test_error_at_the_end_of_a_chain_waits_for_the_tick() -> None:
    world = a_world()
    world.steps.interrupt("provider.first_page", raising(RetryableError("503")))
    list_once(world, hop=MAX_CHAIN)
    assert (world.windows_queue.sent, noted(world).next_visit_at) == ([], noted(world).due_at)


@pytest.mark.parametrize(
    ("error", "refused"),
    [(RefusedError("401: put the right key into the secret"), True), (RetryableError("503"), False)],
)
def test_a_window_that_the_provider_refuses_is_marked_for_an_operator(
    error: RetryableError,
    refused: bool,  # noqa: FBT001
) -> None:
    world = a_world(refused=not refused)
    world.steps.interrupt("provider.first_page", raising(error))
    list_once(world)
    assert (noted(world).refused, noted(world).last_error) == (refused, str(error))


def test_error_is_reported_with_its_window_and_reason() -> None:
    world = a_world()
    world.steps.interrupt("provider.first_page", raising(RetryableError("503")))
    list_once(world)
    assert world.told_of("window_postponed") == [TOLD | {"attempts": 1, "reason": "503"}]


def test_a_queue_that_takes_no_visits_postpones_the_window() -> None:
    world = a_world()
    world.steps.interrupt("fetch_queue.send", raising(RetryableError("the queue would not take 1 messages")))
    list_once(world)
    assert HOUR in world.ledger.windows


@pytest.mark.parametrize(
    "step", ["provider.first_page", "ledger.write", "fetch_queue.send", "ledger.finish_window"]
)
def test_a_crash_anywhere_loses_no_call(step: str) -> None:
    world = a_world(calls=3)
    world.windows_queue.send([WindowMessage(window=HOUR)])
    world.steps.interrupt(step, crash)
    world.run(at(hours=2))
    assert all(call.settled for call in world.ledger.calls.values())
    assert len(world.ledger.calls) == 3


# What is told, and how long a lease lasts


def test_a_listed_window_is_reported_with_its_rows() -> None:
    world = a_world(calls=5, page_size=2)
    list_once(world)
    assert world.told_of("window_listed") == [TOLD | {"rows": 5}]


def test_each_new_call_is_reported_once() -> None:
    world = a_world(calls=2)
    for _ in range(2):
        world.ledger.windows[HOUR] = an_owed_window(HOUR)
        list_once(world)
    assert world.told_of("call_listed") == [{"reference_id": "call-0"}, {"reference_id": "call-1"}]


def test_a_row_without_a_date_is_noted_at_its_windows_start(monkeypatch: pytest.MonkeyPatch) -> None:
    world = a_world(calls=0)
    page = Page(rows=(a_row(recorded_at=None),), token=None, unreadable=0)
    monkeypatch.setattr(world.provider, "first_page", lambda _: page)
    list_once(world)
    assert world.ledger.calls["call-1"].recorded_at == HOUR.start


def test_a_listed_call_is_leased_for_as_long_as_the_settings_say() -> None:
    world = a_world(calls=1, lease_seconds=77)
    list_once(world)
    assert world.ledger.calls["call-0"].next_visit_at == at(seconds=77)


def test_a_window_in_error_is_leased_for_as_long_as_the_settings_say() -> None:
    world = a_world(lease_seconds=77)
    world.steps.interrupt("provider.first_page", raising(RetryableError("503")))
    list_once(world)
    assert noted(world).next_visit_at - noted(world).due_at == timedelta(seconds=77)
