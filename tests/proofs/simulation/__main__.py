"""`poe simulate`: runs seeds, on all cores, and says what went wrong, how often, and whether anything broke."""

import argparse
import json
import multiprocessing
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from click import echo

from tests.proofs.planted import BUGS
from tests.proofs.simulation import scenarios, seeds
from tests.proofs.simulation.running import Outcome, report_planted, run_seed

PROGRESS_SECONDS = 5
EVERY = "every"


def main() -> int:
    options = _parser().parse_args()
    if options.planted:
        return report_planted(BUGS if options.planted == EVERY else [options.planted])
    if options.scenario:
        return scenarios.report(options.scenario, options.calls)
    if options.seed is not None:
        return _replay(options.seed, verbose=options.verbose)
    first = options.first
    if options.fresh:
        first, drawn_from = seeds.drawn()
        if not options.json:
            last, same = first + options.seeds - 1, f"poe simulate --first {first} --seeds {options.seeds}"
            echo(f"seeds {first} to {last}, drawn from {drawn_from}; the same again: {same}")
    return _run(range(first, first + options.seeds), options.jobs, as_json=options.json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="poe simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many to run")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument(
        "--fresh", action="store_true", help="others for each commit, instead of from --first"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes at once")
    parser.add_argument("--json", action="store_true", help="the summary as JSON")
    parser.add_argument("--seed", type=int, help="replays this one")
    parser.add_argument("-v", "--verbose", action="store_true", help="with all that happens in it")
    parser.add_argument(
        "--planted",
        nargs="?",
        const=EVERY,
        choices=sorted(BUGS),
        help="plants known bugs, or the one, and says which seed finds each",
    )
    parser.add_argument("--scenario", choices=sorted(scenarios.SCENARIOS), help="a long run of real size")
    parser.add_argument("--calls", type=int, help="so many in a scenario, each day in an outage")
    return parser


def _replay(seed: int, *, verbose: bool) -> int:
    outcome = run_seed(seed, trace=echo if verbose else None)
    echo(f"seed {seed}: {outcome.steps} steps, {outcome.virtual_days:.1f} virtual days")
    _print_counts("faults", outcome.faults)
    _print_counts("events", outcome.events)
    return _verdict([outcome])


def _run(wanted: range, jobs: int, *, as_json: bool) -> int:
    began = shown = time.monotonic()
    outcomes: list[Outcome] = []
    workers = multiprocessing.Pool(jobs, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN))
    with workers as pool, suppress(KeyboardInterrupt):  # then told of those that are done
        for outcome in pool.imap_unordered(run_seed, wanted):
            outcomes.append(outcome)
            if not as_json and time.monotonic() - shown > PROGRESS_SECONDS:
                shown = time.monotonic()
                rate, broken = (
                    len(outcomes) / (shown - began),
                    sum(bool(each.violations) for each in outcomes),
                )
                echo(f"{len(outcomes)} of {len(wanted)} seeds, {broken} broken, {rate:.1f} a second")
    seconds = time.monotonic() - began
    faults = sum((each.faults for each in outcomes), Counter[str]())
    events = sum((each.events for each in outcomes), Counter[str]())
    summary: dict[str, Any] = {
        "seeds": len(outcomes),
        "first": wanted.start,
        "seconds": round(seconds, 1),
        "seeds_per_second": round(len(outcomes) / seconds, 2),
        "virtual_days": round(sum(each.virtual_days for each in outcomes)),
        "steps": sum(each.steps for each in outcomes),
        "faults_injected": faults.total(),
    }
    if as_json:
        broken_seeds = {
            each.seed: [str(violation) for violation in each.violations]
            for each in outcomes
            if each.violations
        }
        echo(json.dumps({**summary, "faults": faults, "events": events, "broken": broken_seeds}, indent=2))
        return 1 if broken_seeds else 0
    _print_counts("faults", faults)
    _print_counts("events", events)
    echo(", ".join(f"{name} {number}" for name, number in summary.items()))
    return _verdict(outcomes)


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
