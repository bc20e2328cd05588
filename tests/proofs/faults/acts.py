"""What is done in a cell: a fault that passes, one that stays until everything was tried, and its end."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import pytest

from tests.proofs.faults.cells import BLIND, Cell, Dependency, Fault
from tests.proofs.faults.checking import Told, failed, found_wrong, owes, reasons_of, told, unsettled
from tests.proofs.faults.naming import names_resolved
from tests.proofs.faults.plan import FaultPlan
from tests.proofs.faults.stage import Stage
from tests.proofs.faults.world import DEADLINE_MINUTES, MAX_RECEIVES, CellWorld, impatience
from tests.proofs.observer import stored_versions

TIMES = 2
"""How often a fault that passes is met, at most."""
ROUND_MINUTES = 6
"""Longer than a lease and the first delays."""
MAX_PAUSE_MINUTES = 65
ROUNDS = 4
TICKS = (
    Dependency.LIST,
    Dependency.GET_ITEM,
    Dependency.UPDATE_ITEM,
    Dependency.BATCH_GET_ITEM,
    Dependency.PUT_WINDOW,
    Dependency.QUERY,
    Dependency.SEND_MESSAGE_BATCH,
    Dependency.GET_QUEUE_ATTRIBUTES,
)
"""What the tick asks for, or what shows in its gauges: the other cells begin with a backfill, which is cheaper."""
REFUSED_CALL = Cell(dependency=Dependency.CALL, fault=Fault.DENIED)


class Outcome(StrEnum):
    RECOVERED = "recovered"
    ARCHIVED = "archived all the same"
    FAILED = "failed with a reason"
    OPEN = "open and loud"
    UNLISTED = "not listed"
    LOST = "LOST"


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    outcome: Outcome
    met: int
    """How often the fault was injected."""
    owes: bool
    """Whether anything is still to be listed or archived."""
    told: Told
    how: tuple[str, ...]
    """What made it good, or why it failed."""
    wrong: tuple[str, ...]
    """Every promise that was broken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    cell: Cell
    passing: Act
    staying: Act
    healed: Act
    """The archive of `staying`, once the fault has ended."""


def run(cell: Cell, stage: Stage) -> Result:
    with _begun(cell, stage) as world, impatience(cell):
        passing = _passing(cell, world)
    with _begun(cell, stage) as world:
        with impatience(cell):
            staying = _staying(cell, world)
        if cell.waits:
            world.begin_process()
        healed = _healed(cell, world)
    return Result(cell=cell, passing=passing, staying=staying, healed=healed)


@contextlib.contextmanager
def _begun(cell: Cell, stage: Stage) -> Iterator[CellWorld]:
    world = CellWorld(stage)
    with world.opened(), pytest.MonkeyPatch.context() as patch:
        if cell.dependency is Dependency.DNS:
            names_resolved(patch, world.plan)
        yield world


def _passing(cell: Cell, world: CellWorld) -> Act:
    plan = world.plan
    # A visit that is refused asks again at once: of two, it is a race which of them is refused twice.
    times = 1 if cell.waits or cell == REFUSED_CALL else TIMES
    plan.add(cell.dependency, cell.fault, times)
    if cell.dependency is Dependency.HEAD_OBJECT:  # asked only about an object whose storing was not told
        # One object, of which all is asked: with two, it is a race about which of them the fault is met.
        plan.add(Dependency.PUT_OBJECT, Fault.ANSWER_LOST, 1)
    _begin(cell, world)
    world.deliver_all()
    world.versions = stored_versions(world.account)
    by_itself = _worked_off(cell, world) and not failed(world)
    if not by_itself:
        world.recheck()
        world.deliver_all()
        _worked_off(cell, world)
    how = [*_how(cell, world), *([] if by_itself else ["found by the daily recheck"])]
    return _act(cell, world, how, done=True)


def _staying(cell: Cell, world: CellWorld) -> Act:
    plan = world.plan
    plan.add(cell.dependency, cell.fault)
    if cell.dependency is Dependency.HEAD_OBJECT:
        plan.add(Dependency.PUT_OBJECT, Fault.ANSWER_LOST)
    _begin(cell, world)
    for _ in range(1 if cell.waits else MAX_RECEIVES + 1):
        if not world.deliver_all():
            break
    world.versions = stored_versions(world.account)
    world.clock.advance(minutes=DEADLINE_MINUTES + ROUND_MINUTES)
    world.deliver_all()
    if cell.dependency in TICKS or owes(world):
        world.tick()
        world.deliver_all()
        world.clock.advance(minutes=1)
        world.tick()  # whose gauges tell of what could not be mended
        world.deliver_all()
    reasons = sorted({reason for call in failed(world).values() for reason in reasons_of(call)})
    return _act(cell, world, reasons or _how(cell, world), done=False)


def _healed(cell: Cell, world: CellWorld) -> Act:
    world.plan.heal()
    if not owes(world) and not failed(world):
        return _act(cell, world, ["nothing was pending"], done=True)
    world.forgive()
    if owes(world):
        world.clock.advance(minutes=MAX_PAUSE_MINUTES)
        world.deliver_all()
    by_itself = _worked_off(cell, world) and not failed(world)
    if not by_itself:
        world.backfill()
        world.deliver_all()
        _worked_off(cell, world)
    return _act(cell, world, ["by itself" if by_itself else "by a backfill"], done=True)


def _begin(cell: Cell, world: CellWorld) -> None:
    if cell.dependency in TICKS:
        world.tick()
    else:
        world.backfill()


def _worked_off(cell: Cell, world: CellWorld) -> bool:
    """Time passes until nothing is owed and the fault was met; whether that came to pass."""
    for _ in range(ROUNDS):
        if not owes(world) and _met(cell, world):
            return True
        world.clock.advance(minutes=ROUND_MINUTES)
        world.deliver_all()
        if owes(world) or not _met(cell, world):
            world.tick()
            world.deliver_all()
    return not owes(world)


def _met(cell: Cell, world: CellWorld) -> int:
    return world.plan.injected[cell.dependency, cell.fault]


def _act(cell: Cell, world: CellWorld, how: list[str], *, done: bool) -> Act:
    wrong = found_wrong(world, at_rest=done, may_be_unlisted=cell == BLIND and not done)
    return Act(
        outcome=Outcome.LOST if wrong else _outcome(world, done=done),
        met=_met(cell, world),
        owes=owes(world),
        told=told(world),
        how=tuple(how),
        wrong=tuple(wrong),
    )


def _outcome(world: CellWorld, *, done: bool) -> Outcome:
    if failed(world):
        return Outcome.FAILED
    if not unsettled(world):
        return Outcome.RECOVERED if done else Outcome.ARCHIVED
    return Outcome.OPEN if told(world).alarms else Outcome.UNLISTED


def _repeated(cell: Cell, plan: FaultPlan) -> bool:
    """AWS's clients say so in a header; the provider is asked again at once when it refuses the key."""
    refused = cell.dependency in (Dependency.LIST, Dependency.CALL) and cell.fault is Fault.DENIED
    return bool(plan.repeated[cell.dependency]) or refused


def _how(cell: Cell, world: CellWorld) -> list[str]:
    plan = world.plan
    how = ["asked again for the rest"] if cell.fault is Fault.PARTIAL else []
    how += ["asked again at once"] if _repeated(cell, plan) else []
    how += [f"put off: {reason}" for reason in sorted(told(world).reasons)]
    if plan.asked[Dependency.HEAD_OBJECT] and cell.dependency is not Dependency.HEAD_OBJECT:
        how.append("S3 was asked whether the object is there")
    return how or ["does no harm"]
