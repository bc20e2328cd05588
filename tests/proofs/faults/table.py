"""The page that tells how each cell ended, made from a run's results."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from tests.proofs.faults.acts import TIMES, Act, Outcome, Result
from tests.proofs.faults.cells import MEANINGS, Cell, Dependency, Fault, why_not
from tests.proofs.faults.world import DEADLINE_MINUTES, MAX_RECEIVES

INTRODUCTION = """\
# Faults

What becomes of the archive when one of the services it depends on fails, service by service and fault by fault.
This page is written by `tests/proofs/faults`, which runs every cell: the real handlers, over real sockets, against an
embedded AWS and a simulated provider, with a proxy before each that spoils what it hands on. A test compares this
page with what the run gives. To write it anew: `uv run pytest tests/proofs/faults --write-docs`.

A cell is run twice, with two calls each:

- **It passes**: the fault is met up to {times} times, then no more. Everything must be archived with no one acting.
- **It stays**: the fault does not end while everything is tried, past the deadline after which a call is given up.
  Nothing may count as archived without its object, and an alarm must be raised. Then the fault ends, and everything
  must be archived; where a call had been given up, after a `backfill`.

After each, the checker of all invariants ([guarantees.md](guarantees.md)) looks at bucket, ledger and queues, and at
what it found earlier in the same bucket. It must find nothing. Nor may a call that the ledger does not know be in no
window that is pending, whether the fault has ended or not. Messages are searched for secrets as they are sent.

Time is virtual. Calls are given up after {deadline} minutes, and messages after {receives} receives: far sooner than where it is
deployed. The alarms that are named are the deployed ones with their own thresholds, as far as they are raised in the
time that passes here; `OldestOpenCall` takes a day, and is not. One cell has no alarm: a list that is answered with
404 although there are calls. That is how an empty range is documented to be answered, so nothing distinguishes the two;
the daily recheck or a `backfill` lists it again.

Every commit runs every cell (`poe break`), and compares this page with what they gave.
"""
LETTERS = {Outcome.ARCHIVED: "a", Outcome.FAILED: "f", Outcome.OPEN: "o", Outcome.UNLISTED: "u"}


def page(results: Mapping[Cell, Result]) -> str:
    sections = [
        _introduction(),
        _counts(results.values()),
        _overview(results),
        _faults(),
        *(_section(dependency, results) for dependency in Dependency),
    ]
    return "\n".join(sections)


def _introduction() -> str:
    return INTRODUCTION.format(times=TIMES, deadline=DEADLINE_MINUTES, receives=MAX_RECEIVES)


def _counts(results: Iterable[Result]) -> str:
    staying = Counter(result.staying.outcome for result in results)
    passing = Counter(result.passing.outcome for result in results)
    healed = Counter(result.healed.outcome for result in results)
    lines = [
        f"{passing.total()} cells were run.",
        "",
        "| | cells |",
        "|---|---|",
        f"| it passes: recovered with no one acting | {passing[Outcome.RECOVERED]} |",
        *(f"| it stays: {outcome} | {count} |" for outcome, count in sorted(staying.items())),
        f"| it ends: all archived | {healed[Outcome.RECOVERED]} |",
        f"| anything lost, altered or stored twice | {sum(map(_broken, results))} |",
    ]
    return "\n".join([*lines, ""])


def _broken(result: Result) -> bool:
    return any(act.wrong for act in (result.passing, result.staying, result.healed))


def _overview(results: Mapping[Cell, Result]) -> str:
    lines = [
        "What happens while a fault stays: `a` archived all the same, `f` failed with a reason,",
        "`o` open and loud, `u` not listed, `-` the two mean nothing together.",
        "",
        "| | " + " | ".join(Fault) + " |",
        "|---|" + "---|" * len(Fault),
    ]
    for dependency in Dependency:
        found = [results.get(Cell(dependency=dependency, fault=fault)) for fault in Fault]
        letters = [LETTERS.get(each.staying.outcome, "LOST") if each else "-" for each in found]
        lines.append(f"| {dependency} | " + " | ".join(letters) + " |")
    return "\n".join([*lines, ""])


def _faults() -> str:
    lines = ["## The faults", "", "| fault | what is done |", "|---|---|"]
    return "\n".join([*lines, *(f"| {fault} | {MEANINGS[fault]} |" for fault in Fault), ""])


def _section(dependency: Dependency, results: Mapping[Cell, Result]) -> str:
    lines = [
        f"## {dependency}",
        "",
        "| fault | when it passes | while it stays | once it ends |",
        "|---|---|---|---|",
    ]
    for fault in Fault:
        result = results.get(Cell(dependency=dependency, fault=fault))
        if result is not None:
            lines.append(line(result))
    return "\n".join([*lines, "", *_left_out(dependency), ""])


def line(result: Result) -> str:
    """How a cell ended, as its dependency's section tells it."""
    columns = (_passed(result.passing), _stayed(result.staying), _said(result.healed))
    return f"| {result.cell.fault} | " + " | ".join(columns) + " |"


def _passed(act: Act) -> str:
    return f"{act.outcome}: {'; '.join(act.how)}"


def _stayed(act: Act) -> str:
    alarms = ", ".join(f"`{alarm}`" for alarm in sorted(act.told.alarms))
    return f"{act.outcome}: {'; '.join(act.how)}" + (f" ({alarms})" if alarms else "")


def _said(act: Act) -> str:
    return "; ".join(act.how) if act.outcome is Outcome.RECOVERED else act.outcome


def _left_out(dependency: Dependency) -> Iterator[str]:
    """By reason, for many faults share one."""
    faults: dict[str, list[str]] = {}
    for fault in Fault:
        reason = why_not(Cell(dependency=dependency, fault=fault))
        if reason is not None and reason != "of names alone":
            faults.setdefault(reason, []).append(fault)
    for reason, names in faults.items():
        yield f"- Not run: {', '.join(names)} ({reason})."
