"""The stack as the app synthesizes it with the shipped settings, once for all processes of a test run."""

import fcntl
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from infra.cdk_cli import cdk_environment

ROOT = Path(__file__).resolve().parents[1]


_known: list[dict[str, Any]] = []
"""The forks of a process that knows it know it too."""


def synthesized(folder: Path) -> dict[str, Any]:
    """Processes that share the folder share the work."""
    if not _known:
        out = folder / "shipped-stack"
        file = out / "CallArchive.template.json"
        with out.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not file.exists():
                _synthesize(out)
        _known.append(json.loads(file.read_text()))
    return _known[0]


def _synthesize(out: Path) -> None:
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    environment = cdk_environment() | {"CDK_OUTDIR": str(out), "CDK_CONTEXT_JSON": json.dumps(context)}
    subprocess.run(
        [sys.executable, "-m", "infra.app"], cwd=ROOT, env=environment, capture_output=True, check=True
    )
