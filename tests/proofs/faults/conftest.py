"""One stage for all cells, and each cell run once, whatever is asked about it and in which order."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.proofs.faults.acts import Result, run
from tests.proofs.faults.cells import Cell, cells
from tests.proofs.faults.part import chosen, offset_of_this
from tests.proofs.faults.stage import Stage, a_stage

CELLS = list(cells())
WHOLE_PAGE = "test_the_page_is_what_the_run_gave"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-docs", action="store_true", help="Write docs/faults.md from what is run.")
    parser.addoption(
        "--one-in",
        type=int,
        default=1,
        metavar="N",
        help="Run the rare cells and one in N of the others, and not the rest.",
    )
    parser.addoption(
        "--offset",
        type=int,
        metavar="NUMBER",
        help="Which one in N, as an earlier run's header says; else the commit decides.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Decided once, for the processes of pytest-xdist take the options as they are by then."""
    if config.option.one_in < 1:
        raise pytest.UsageError("--one-in takes a number from 1")
    if config.option.offset is None:
        number, config.option.offset_from = offset_of_this(Path(__file__).parent)
        config.option.offset = number % config.option.one_in


def pytest_report_header(config: pytest.Config) -> str | None:
    one_in, offset = config.option.one_in, config.option.offset
    if one_in == 1:
        return None
    count = len(chosen(CELLS, one_in=one_in, offset=offset))
    made_of = getattr(config.option, "offset_from", "the command line")
    again = f"--one-in {one_in} --offset {offset}"
    return f"faults: {count} of {len(CELLS)} cells; the same again: {again} (from {made_of})"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The whole page takes every cell."""
    one_in = config.option.one_in
    if one_in == 1:
        return
    part = set(chosen(CELLS, one_in=one_in, offset=config.option.offset))
    left_out = [item for item in items if item.name == WHOLE_PAGE or _cell_of(item) not in {None, *part}]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def _cell_of(item: pytest.Item) -> Cell | None:
    return item.callspec.params.get("cell") if hasattr(item, "callspec") else None


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with a_stage(tmp_path_factory.mktemp("stage")) as stage:
        yield stage


@pytest.fixture(scope="session")
def result(stage: Stage) -> Callable[[Cell], Result]:
    return cache(lambda cell: run(cell, stage))
