"""Runs seeds: what each came to, and all of them together."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from infra.verification.invariants import Violation
from tests.proofs.simulation.observer import Watch
from tests.proofs.simulation.scenario import DAY, a_scenario
from tests.proofs.simulation.world import World


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
