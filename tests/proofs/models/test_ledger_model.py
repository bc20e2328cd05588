"""What the ledger answers, asked of the model and of the real one."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from call_archive.model.call import Call, FileStatus, TranscriptStatus
from call_archive.model.window import PendingWindow, Window
from tests.proofs.models.conftest import System, of_models
from tests.unit.factories import NOW, a_call, a_file, a_window, an_archived_file, an_owed_window, at

SETTLED = {"a.wav": an_archived_file(TranscriptStatus.ARCHIVED)}


def named(reference_id: str, **parts: Any) -> Call:
    return replace(a_call(a=a_file()), reference_id=reference_id, **parts)


def test_a_call_is_read_as_it_was_written(system: System) -> None:
    call = named("call-1", files=SETTLED, unnamed=a_file(reason="why"), missing_since=NOW, last_error="503")
    assert (system.ledger.write(call), system.ledger.read("call-1")) == (True, replace(call, version=1))


def test_moments_are_stored_to_the_second(system: System) -> None:
    system.ledger.write(named("call-1", due_at=at(seconds=1, milliseconds=999)))
    assert system.ledger.read("call-1").due_at == at(seconds=1)


def test_nobody_writes_a_new_call_twice(system: System) -> None:
    assert [system.ledger.write(named("call-1")) for _ in range(2)] == [True, False]


def test_only_who_read_the_last_version_writes(system: System) -> None:
    system.ledger.write(named("call-1"))
    read = system.ledger.read("call-1")
    assert [system.ledger.write(replace(read, visits=visits)) for visits in (1, 2)] == [True, False]
    assert system.ledger.read("call-1").visits == 1


def test_a_call_that_nobody_wrote_is_not_there(system: System) -> None:
    assert (system.ledger.read("call-1"), system.ledger.read_each(["call-1"])) == (None, {})


def test_many_are_written_and_read_each_for_itself(system: System) -> None:
    system.ledger.write(named("call-2"))
    assert system.ledger.write_many([named("call-1"), named("call-2")]) == [True, False]
    assert set(system.ledger.read_each(["call-1", "call-2", "call-3"])) == {"call-1", "call-2"}


def test_a_lease_is_given_to_who_saw_the_last_one(system: System) -> None:
    system.ledger.write(named("call-1", next_visit_at=NOW))
    leases = [system.ledger.lease_call("call-1", expected=NOW, until=at(minutes=20)) for _ in range(2)]
    assert (leases, system.ledger.read("call-1").next_visit_at) == ([True, False], at(minutes=20))


def test_a_lease_leaves_the_version_alone(system: System) -> None:
    system.ledger.write(named("call-1", next_visit_at=NOW))
    read = system.ledger.read("call-1")
    system.ledger.lease_call("call-1", expected=NOW, until=at(minutes=20))
    assert system.ledger.write(read)


@pytest.mark.parametrize("reference_id", ["settled", "unknown"])
def test_nothing_is_leased_that_is_not_open(system: System, reference_id: str) -> None:
    system.ledger.write(named("settled", files=SETTLED, next_visit_at=NOW))
    assert not system.ledger.lease_call(reference_id, expected=NOW, until=at(minutes=20))


def test_the_longest_due_come_first_and_no_more_than_asked_for(system: System) -> None:
    for number in range(6):
        system.ledger.write(named(f"call-{number}", next_visit_at=at(seconds=-number)))
    system.ledger.write(named("later", next_visit_at=at(seconds=1)))
    system.ledger.write(named("settled", files=SETTLED, next_visit_at=at(hours=-1)))
    assert system.ledger.due_calls(NOW, 2) == [("call-5", at(seconds=-5)), ("call-4", at(seconds=-4))]
    assert {each for each, _ in system.ledger.due_calls(NOW, 100)} == {f"call-{each}" for each in range(6)}


def test_every_open_call_is_reported_and_no_other(system: System) -> None:
    system.ledger.write(named("open"))
    system.ledger.write(named("settled", files=SETTLED))
    (indexed,) = system.ledger.open_calls()
    assert (indexed.reference_id, indexed.recorded_at, indexed.opened_at) == (
        "open",
        at(minutes=-5),
        NOW,
    )


def test_a_window_is_pending_until_it_is_finished(system: System) -> None:
    pending = an_owed_window(a_window())
    system.ledger.put_windows([pending])
    assert (system.ledger.read_window(pending.window), system.ledger.open_windows()) == (pending, [pending])
    system.ledger.finish_window(pending.window)
    assert (system.ledger.read_window(pending.window), system.ledger.open_windows()) == (None, [])


def test_a_window_that_looks_again_is_another(system: System) -> None:
    system.ledger.put_windows([an_owed_window(a_window(recheck=True))])
    assert system.ledger.read_window(a_window()) is None


def test_an_attempt_is_noted_at_a_window_that_is_pending_and_no_other(system: System) -> None:
    pending, other = an_owed_window(a_window()), an_owed_window(a_window(seconds=60))
    system.ledger.put_windows([pending])
    for each in (pending, other):
        system.ledger.update_window(replace(each, attempts=3, last_error="503", refused=True))
    assert system.ledger.open_windows() == [replace(pending, attempts=3, last_error="503", refused=True)]


def test_windows_are_leased_as_calls_are(system: System) -> None:
    pending = an_owed_window(a_window(), next_visit_at=NOW)
    system.ledger.put_windows([pending])
    assert system.ledger.due_windows(NOW, 5) == [pending]
    leases = [
        system.ledger.lease_window(pending.window, expected=NOW, until=at(minutes=20)) for _ in range(2)
    ]
    assert (leases, system.ledger.due_windows(NOW, 5)) == ([True, False], [])


def test_the_cursor_never_goes_back(system: System) -> None:
    assert system.ledger.listed_until() is None
    moves = [system.ledger.move_cursor(at(hours=hours)) for hours in (1, 1, 0, 2)]
    assert (moves, system.ledger.listed_until()) == ([True, False, False, True], at(hours=2))


# Any sequence of such calls


Operation = Callable[[Any], object]


def operations(random: Random) -> Iterator[Operation]:
    """On a few calls and windows, so that they meet."""
    while True:
        call = named(
            f"call-{random.randrange(3)}",
            version=random.randrange(4),
            next_visit_at=at(minutes=random.randrange(3)),
            files=random.choice([SETTLED, {"a.wav": a_file(status=FileStatus.FAILED)}, {"a.wav": a_file()}]),
        )
        window = a_window(seconds=60 * random.randint(1, 2), recheck=random.random() < 0.5)
        yield random.choice(_asked(call, window, random.randrange(3)))


def _asked(call: Call, window: Window, minute: int) -> list[Operation]:
    name, moment, pending = (
        call.reference_id,
        at(minutes=minute),
        PendingWindow(window=window, due_at=at(minutes=minute), next_visit_at=call.next_visit_at),
    )
    return [
        lambda ledger: ledger.write(call),
        lambda ledger: ledger.read(name),
        lambda ledger: ledger.lease_call(name, expected=moment, until=at(hours=1)),
        lambda ledger: sorted(ledger.due_calls(moment, 10)),
        lambda ledger: sorted(each.reference_id for each in ledger.open_calls()),
        lambda ledger: ledger.put_windows([pending]),
        lambda ledger: ledger.update_window(replace(pending, attempts=2)),
        lambda ledger: ledger.read_window(window),
        lambda ledger: ledger.finish_window(window),
        lambda ledger: ledger.lease_window(window, expected=moment, until=at(hours=1)),
        lambda ledger: {each.window for each in ledger.due_windows(moment, 10)},
        lambda ledger: ledger.move_cursor(moment),
        lambda ledger: ledger.listed_until(),
    ]


@pytest.mark.parametrize("seed", range(5))
def test_both_answer_alike_whatever_is_asked(seed: int, on_aws: System) -> None:
    model, real = of_models().ledger, on_aws.ledger
    for number, (operation, _) in enumerate(zip(operations(Random(seed)), range(100), strict=False)):
        assert (number, operation(model)) == (number, operation(real))
