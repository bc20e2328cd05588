"""`poe simulate`: runs seeds, on all cores, and says what went wrong, how often, and whether anything broke."""

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

from click import echo

from tests.simulation import planted, scenarios
from tests.simulation.running import Outcome, run_seed

PROGRESS_SECONDS = 5


def main() -> int:
    options = _parser().parse_args()
    if options.planted:
        return planted.report()
    if options.scenario:
        return scenarios.report(options.scenario)
    if options.seed is not None:
        return _replay(options.seed, verbose=options.verbose)
    return _run(range(options.first, options.first + options.seeds), options.jobs, as_json=options.json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="poe simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many to run")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes at once")
    parser.add_argument("--json", action="store_true", help="the summary as JSON")
    parser.add_argument("--seed", type=int, help="replays this one")
    parser.add_argument("-v", "--verbose", action="store_true", help="with all that happens in it")
    parser.add_argument(
        "--planted", action="store_true", help="plants known bugs and says which seed finds each"
    )
    parser.add_argument("--scenario", choices=sorted(scenarios.SCENARIOS), help="a long run of real size")
    return parser


def _replay(seed: int, *, verbose: bool) -> int:
    outcome = run_seed(seed, trace=echo if verbose else None)
    echo(f"seed {seed}: {outcome.steps} steps, {outcome.virtual_days:.1f} virtual days")
    _print_counts("faults", outcome.faults)
    _print_counts("events", outcome.events)
    return _verdict([outcome])


def _run(seeds: range, jobs: int, *, as_json: bool) -> int:
    began = shown = time.monotonic()
    broken: list[Outcome] = []
    faults: Counter[str] = Counter()
    events: Counter[str] = Counter()
    days, steps, done = 0.0, 0, 0
    with multiprocessing.Pool(jobs) as pool:
        for outcome in pool.imap_unordered(run_seed, seeds, chunksize=4):
            done += 1
            faults += outcome.faults
            events += outcome.events
            days, steps = days + outcome.virtual_days, steps + outcome.steps
            if outcome.violations:
                broken.append(outcome)
            if not as_json and time.monotonic() - shown > PROGRESS_SECONDS:
                shown = time.monotonic()
                echo(
                    f"{done} of {len(seeds)} seeds, {len(broken)} broken, {done / (shown - began):.1f} a second"
                )
    seconds = time.monotonic() - began
    summary: dict[str, Any] = {
        "seeds": len(seeds),
        "first": seeds.start,
        "seconds": round(seconds, 1),
        "seeds_per_second": round(done / seconds, 2),
        "virtual_days": round(days),
        "steps": steps,
        "faults": dict(faults.most_common()),
        "events": dict(events.most_common()),
        "broken": {each.seed: [str(violation) for violation in each.violations] for each in broken},
    }
    if as_json:
        echo(json.dumps(summary, indent=2))
        return 1 if broken else 0
    _print_counts("faults", faults)
    _print_counts("events", events)
    echo(
        f"{done} seeds in {seconds:.0f} s ({done / seconds:.1f} a second): {days:.0f} virtual days, "
        f"{steps} steps, {faults.total()} faults"
    )
    return _verdict(broken)


def _print_counts(what: str, counts: Counter[str]) -> None:
    echo(f"{what}: " + ", ".join(f"{name} {number}" for name, number in counts.most_common()))


def _verdict(outcomes: Iterable[Outcome]) -> int:
    broken = sorted((each for each in outcomes if each.violations), key=lambda each: each.seed)
    for outcome in broken:
        echo(f"seed {outcome.seed} breaks {len(outcome.violations)}; poe simulate --seed {outcome.seed} -v")
        for violation in outcome.violations[:5]:
            echo(f"    {violation}")
    echo(f"{sum(len(each.violations) for each in broken)} violations")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
