"""Which cells are run where all would take too long: the rare ones always, of the others another part each time."""

import shutil
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.proofs.faults.cells import BLIND, Cell, Fault

RARE = (Fault.PARTIAL, Fault.ANSWER_LOST, Fault.DONE_500)
"""Faults that few cells have, and that are the hardest to do right."""
DIGITS = 8
"""Of a commit's id: more tell no more."""


def chosen(cells: Sequence[Cell], *, one_in: int, offset: int) -> list[Cell]:
    """The rare cells, and one in so many of the others. Those that wait come first, so that each part has its share."""
    common = sorted((cell for cell in cells if not is_rare(cell)), key=lambda cell: not cell.waits)
    part = {*common[offset % one_in :: one_in]}
    return [cell for cell in cells if is_rare(cell) or cell in part]


def is_rare(cell: Cell) -> bool:
    return cell.fault in RARE or cell == BLIND


def offset_of_this(folder: Path) -> tuple[int, str]:
    """A number that changes from commit to commit, and what it was made of; outside of git, from day to day."""
    commit = _commit(folder)
    if commit:
        return int(commit, 16), f"commit {commit}"
    today = datetime.now(UTC).date()
    return today.toordinal(), f"{today}"


def _commit(folder: Path) -> str:
    git = shutil.which("git")
    if git is None:
        return ""
    asked = [git, "-C", str(folder), "rev-parse", f"--short={DIGITS}", "HEAD"]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False)
    return answer.stdout.strip() if answer.returncode == 0 else ""
