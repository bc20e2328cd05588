"""Some seeds of the simulation, and the proof that it can fail. `poe simulate` runs as many as you like."""

import pytest

from tests.proofs.simulation.planted import BUGS, is_caught
from tests.proofs.simulation.running import run_seed

SEEDS = range(30)
EACH = 10


@pytest.mark.parametrize("first", SEEDS[::EACH])
def test_nothing_is_broken_whatever_goes_wrong(first: int) -> None:
    broken = {seed: found for seed in range(first, first + EACH) if (found := run_seed(seed).violations)}
    assert broken == {}


@pytest.mark.parametrize("seed", [0, 4])
def test_a_seed_gives_the_same_steps_each_time(seed: int) -> None:
    once: list[str] = []
    again: list[str] = []
    for steps in (once, again):
        run_seed(seed, trace=steps.append)
    assert once == again


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_caught_as_what_it_breaks(name: str) -> None:
    assert is_caught(BUGS[name], BUGS[name].seed)
