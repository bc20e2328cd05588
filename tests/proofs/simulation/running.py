"""Runs seeds: what each came to, and all of them together."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from click import echo

from infra.verification.invariants import Violation
from tests.proofs.planted import BUGS, Bug
from tests.proofs.simulation.observer import Watch
from tests.proofs.simulation.scenario import DAY, a_scenario
from tests.proofs.simulation.world import World

SEARCHED = 400
"""Seeds that are tried until one sees a bug."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    seed: int
    violations: tuple[Violation, ...]
    faults: Counter[str]
    events: Counter[str]
    virtual_days: float
    steps: int
    seconds: float


def run_seed(
    seed: int, *, trace: Callable[[str], None] | None = None, rates: Mapping[str, float] | None = None
) -> Outcome:
    """One scenario from its start to its rest. The same seed gives the same steps, in the same order.

    `rates` says of some faults how often they come, whatever the seed says.
    """
    began = time.perf_counter()
    scenario = a_scenario(seed)
    if rates is not None:
        trouble = replace(scenario.trouble, rates={**scenario.trouble.rates, **rates})
        scenario = replace(scenario, trouble=trouble)
    world = World(scenario, trace=trace)
    watch = Watch(world)
    try:
        world.run()
        found = watch.at_rest()
    finally:
        world.schedule.stop()
    world.events["calls"] = len(scenario.calls)
    world.events["invocations"] = world.invocations
    world.events["dead letters"] = len(world.fetch_queue.dead) + len(world.windows_queue.dead)
    return Outcome(
        seed=seed,
        violations=tuple(found),
        faults=world.line.faults,
        events=world.events,
        virtual_days=scenario.ends / DAY,
        steps=world.line.steps,
        seconds=time.perf_counter() - began,
    )


def is_caught(bug: Bug, seed: int) -> bool:
    """Whether the seed sees the bug for what it is, and nothing without it."""
    with bug.plant():
        found = run_seed(seed, rates=bug.rates).violations
    caught = any(each.invariant == bug.invariant for each in found)
    return caught and not run_seed(seed, rates=bug.rates).violations


def report_planted(names: Iterable[str]) -> int:
    """Prints the first seed that catches each bug; 1 if one is not the seed that is written down."""
    wrong = 0
    for name in names:
        bug = BUGS[name]
        first = next((seed for seed in range(SEARCHED) if is_caught(bug, seed)), None)
        seed = f"NOT CAUGHT by {SEARCHED} seeds" if first is None else f"seed {first}"
        wrong += first != bug.seed
        told = "" if first == bug.seed else f" (not {bug.seed}, as is written in planted.py)"
        echo(f"{bug.invariant:4} {name:20} {seed:10} {bug.what}{told}")
    return 1 if wrong else 0
