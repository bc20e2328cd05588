"""One stage for all cells, and each cell run once, whatever is asked about it and in which order."""

from collections.abc import Callable, Iterator
from functools import cache

import pytest

from tests.faults.acts import Result, run
from tests.faults.faults import Cell, cells
from tests.faults.stage import Stage, a_stage

CELLS = list(cells())
WHOLE_PAGE = "test_the_page_is_what_the_run_gave"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-docs", action="store_true", help="Write docs/faults.md from what is run.")
    parser.addoption(
        "--one-in", type=int, default=1, metavar="N", help="Run one cell in N, and not the rest."
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The whole page takes every cell."""
    one_in = config.getoption("--one-in", default=1)
    left_out = [item for item in items if one_in > 1 and _is_left_out(item, one_in)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def _is_left_out(item: pytest.Item, one_in: int) -> bool:
    cell = getattr(item, "callspec", None) and item.callspec.params.get("cell")  # type: ignore[attr-defined]
    return (cell is not None and CELLS.index(cell) % one_in != 0) or item.name == WHOLE_PAGE


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with a_stage(tmp_path_factory.mktemp("stage")) as stage:
        yield stage


@pytest.fixture(scope="session")
def result(stage: Stage) -> Callable[[Cell], Result]:
    return cache(lambda cell: run(cell, stage))
