"""One stage for all cells, and each cell run once, whatever is asked about it and in which order."""

from collections.abc import Callable, Iterator
from functools import cache

import pytest

from tests.faults.acts import Result, run
from tests.faults.faults import Cell
from tests.faults.stage import Stage, a_stage


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-docs", action="store_true", help="Write docs/faults.md from what is run.")


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with a_stage(tmp_path_factory.mktemp("stage")) as stage:
        yield stage


@pytest.fixture(scope="session")
def result(stage: Stage) -> Callable[[Cell], Result]:
    return cache(lambda cell: run(cell, stage))
