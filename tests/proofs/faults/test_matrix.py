"""Every dependency with every fault: nothing is lost, and what does not mend by itself says so."""

from collections.abc import Callable

import pytest

from tests.proofs.faults.acts import Outcome, Result
from tests.proofs.faults.cells import BLIND, Cell, cells
from tests.proofs.faults.table import line, page
from tests.synthesis import ROOT

DOCS = ROOT / "docs" / "faults.md"
CELLS = list(cells())

every_cell = pytest.mark.parametrize("cell", CELLS, ids=str)


@every_cell
def test_a_fault_that_passes_leaves_everything_archived(cell: Cell, result: Callable[[Cell], Result]) -> None:
    act = result(cell).passing
    assert act.met
    assert (act.outcome, act.wrong) == (Outcome.RECOVERED, ())


@every_cell
def test_a_fault_that_stays_archives_nothing_without_its_object_and_is_reported(
    cell: Cell, result: Callable[[Cell], Result]
) -> None:
    act = result(cell).staying
    assert act.met
    assert act.wrong == ()
    told = {Outcome.ARCHIVED, Outcome.OPEN, Outcome.FAILED}
    assert act.outcome in (told | {Outcome.UNLISTED} if cell == BLIND else told)
    needs_no_alarm = act.outcome is Outcome.ARCHIVED and not act.owes
    assert act.told.alarms or needs_no_alarm or cell == BLIND


@every_cell
def test_what_a_fault_held_up_is_archived_once_it_ends(cell: Cell, result: Callable[[Cell], Result]) -> None:
    act = result(cell).healed
    assert (act.outcome, act.wrong) == (Outcome.RECOVERED, ())


@every_cell
def test_the_page_reports_how_a_cell_ended(cell: Cell, result: Callable[[Cell], Result]) -> None:
    section = DOCS.read_text(encoding="utf-8").split(f"## {cell.dependency}\n")[1].split("\n## ")[0]
    assert line(result(cell)) in section


@pytest.mark.timeout(1200)  # when it comes first, it runs every cell
def test_the_page_is_what_the_run_gave(
    result: Callable[[Cell], Result], request: pytest.FixtureRequest
) -> None:
    written = page({cell: result(cell) for cell in CELLS})
    if request.config.getoption("--write-docs", default=False):
        DOCS.write_text(written, encoding="utf-8")
    assert DOCS.read_text(encoding="utf-8") == written
