"""One stage a process for all cells, and each cell run once, whatever is asked about it and in which process."""

import fcntl
import pickle
from collections.abc import Callable, Iterator
from functools import cache

import pytest

from tests.proofs.faults.acts import Result, run
from tests.proofs.faults.cells import Cell
from tests.proofs.faults.stage import Stage, a_stage


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-docs", action="store_true", help="Write docs/faults.md from what is run.")


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with a_stage(tmp_path_factory.mktemp("stage")) as stage:
        yield stage


@pytest.fixture(scope="session")
def result(
    stage: Stage, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Callable[[Cell], Result]:
    """Processes of pytest-xdist share what they found: the page needs it all, each other test one cell's."""
    folder = tmp_path_factory.getbasetemp()
    folder = (folder.parent if hasattr(request.config, "workerinput") else folder) / "cells"
    folder.mkdir(exist_ok=True)

    @cache
    def of_cell(cell: Cell) -> Result:
        path = folder / f"{cell}".replace("/", " ")
        with path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not path.stat().st_size:
                file.write(pickle.dumps(run(cell, stage)))
                file.flush()
            found: Result = pickle.loads(path.read_bytes())  # noqa: S301 - this run's own
            return found

    return of_cell
