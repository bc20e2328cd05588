"""What a cold start spends on importing an entry module, beyond boto3 itself."""

import json
import statistics
import subprocess
import sys
from typing import Any

from tests.benchmarks.children import clean_environment

MODULES = ("call_archive.lister", "call_archive.fetcher")
PROGRAM = """
import json, sys, time
began = time.perf_counter()
import boto3
between = time.perf_counter()
__import__(sys.argv[1])
print(json.dumps([between - began, time.perf_counter() - between]))
"""


def import_figures(runs_each: int) -> list[dict[str, Any]]:
    """Milliseconds by module, the median of so many processes each, in turns."""
    _seconds(MODULES[0]), _seconds(MODULES[1])  # writes the bytecode, fills the file cache
    runs = [{module: _seconds(module) for module in MODULES} for _ in range(runs_each)]
    return [
        {
            "module": module,
            "boto3_ms": round(1000 * statistics.median(run[module][0] for run in runs), 1),
            "on_top_ms": round(1000 * statistics.median(run[module][1] for run in runs), 1),
        }
        for module in MODULES
    ]


def _seconds(module: str) -> tuple[float, float]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, module],
        stdout=subprocess.PIPE,
        env=clean_environment(),
        timeout=60,
        check=True,
    )
    boto3_seconds, on_top_seconds = json.loads(done.stdout)
    return boto3_seconds, on_top_seconds
