"""The stack as the app synthesizes it with the shipped settings, once for all processes of a test run."""

import fcntl
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from infra.cdk_cli import cdk_environment

ROOT = Path(__file__).resolve().parents[1]


@cache
def synthesized(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    own = tmp_path_factory.getbasetemp()
    out = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "shipped-stack"
    file = out / "CallArchive.template.json"
    with out.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            _synthesize(out)
    template: dict[str, Any] = json.loads(file.read_text())
    return template


def _synthesize(out: Path) -> None:
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    environment = cdk_environment() | {"CDK_OUTDIR": str(out), "CDK_CONTEXT_JSON": json.dumps(context)}
    subprocess.run(
        [sys.executable, "-m", "infra.app"], cwd=ROOT, env=environment, capture_output=True, check=True
    )
