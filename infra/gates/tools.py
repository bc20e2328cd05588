"""How a check that is a command is run."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from infra.gates.findings import GateError

PROJECT: Final = Path(__file__).resolve().parents[2]


def installed(name: str) -> str:
    """A command of this virtual environment, whatever the PATH says."""
    return str(Path(sys.executable).with_name(name))


def output_of(
    *command: str, folder: Path = PROJECT, env: Mapping[str, str] | None = None, also: tuple[int, ...] = ()
) -> str:
    """`also`: the exit codes, besides 0, by which it says that it found something."""
    done = subprocess.run(  # noqa: S603  # nosec B603  # a command of ours, and no shell
        command, cwd=folder, env=env or os.environ, capture_output=True, text=True, check=False
    )
    if done.returncode not in {0, *also}:
        shown = " ".join(command)
        raise GateError(
            f"`{shown}` ended with {done.returncode}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
        )
    return done.stdout
