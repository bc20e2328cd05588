"""Virtual time: who goes first, and what becomes of those who wait."""

from datetime import timedelta
from functools import partial

import pytest

from tests.proofs.simulation.scenario import START
from tests.proofs.simulation.schedule import Schedule


@pytest.fixture
def schedule() -> Schedule:
    return Schedule(START)


@pytest.fixture
def said() -> list[str]:
    return []


def waiting(schedule: Schedule, said: list[str], name: str, seconds: float) -> None:
    for number in range(3):
        said.append(f"{name}{number}")
        schedule.wait(seconds)


def test_tasks_take_turns_where_they_wait(schedule: Schedule, said: list[str]) -> None:
    for name, seconds in (("a", 1.0), ("b", 1.5)):
        schedule.begin(0, partial(waiting, schedule, said, name, seconds))
    schedule.run(10)
    assert said == ["a0", "b0", "a1", "b1", "a2", "b2"]


def test_at_one_moment_the_first_planned_goes_first(schedule: Schedule, said: list[str]) -> None:
    for name in "cab":
        schedule.begin(1, partial(said.append, name))
    schedule.run(10)
    assert said == ["c", "a", "b"]


def test_a_task_that_nobody_disturbs_sees_its_own_time_go_by(schedule: Schedule) -> None:
    moments = []

    def alone() -> None:
        schedule.wait(90)
        moments.append(schedule.clock())

    schedule.begin(30, alone)
    schedule.run(1000)
    assert moments == [START + timedelta(minutes=2)]


def test_what_comes_later_waits_for_the_next_run(schedule: Schedule, said: list[str]) -> None:
    schedule.begin(0, partial(waiting, schedule, said, "a", 10))
    schedule.run(15)
    first = list(said)
    schedule.run(100)
    assert (first, said) == (["a0", "a1"], ["a0", "a1", "a2"])


def test_an_error_of_a_task_ends_the_run(schedule: Schedule) -> None:
    def fail() -> None:
        schedule.wait(1)
        raise ValueError("no")

    schedule.begin(0, fail)
    schedule.begin(0.5, lambda: None)
    with pytest.raises(ValueError, match="no"):
        schedule.run(10)


def test_each_task_works_for_its_own(schedule: Schedule, said: list[str]) -> None:
    def work(name: str) -> None:
        schedule.own(name)
        schedule.wait(1)
        said.append(str(schedule.owner))

    for name in "ab":
        schedule.begin(0, partial(work, name))
    schedule.run(10)
    assert (said, schedule.owner) == (["a", "b"], None)


def test_stopping_lets_nobody_go_on(schedule: Schedule, said: list[str]) -> None:
    schedule.begin(0, partial(waiting, schedule, said, "a", 10))
    schedule.run(5)
    schedule.stop()
    assert said == ["a0"]
