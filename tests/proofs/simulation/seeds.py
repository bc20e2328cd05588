"""Seeds that nobody has tried: others for each commit, the same for whoever tries that commit."""

import secrets
import shutil
import subprocess
from pathlib import Path

DIGITS = 10
"""Of a commit's id, in base 16: enough that no two commits share seeds."""
MAX_AT_ONCE = 1_000_000
"""The seeds of two commits are so far apart at least."""


def drawn(folder: Path = Path(__file__).parent) -> tuple[int, str]:
    """The first of them, and what they were drawn from: the commit, or chance outside of a checkout."""
    commit = _commit(folder)
    number = int(commit, 16) if commit else secrets.randbits(4 * DIGITS)
    return number * MAX_AT_ONCE, f"commit {commit}" if commit else "chance"


def _commit(folder: Path) -> str:
    git = shutil.which("git")
    if git is None:
        return ""
    asked = [git, "-C", str(folder), "rev-parse", "HEAD"]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False)
    return answer.stdout.strip()[:DIGITS] if answer.returncode == 0 else ""
