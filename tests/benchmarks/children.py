"""Child processes that serve or measure, each ended before this one goes on."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

MAX_SECONDS = 100


def clean_environment(**variables: str) -> dict[str, str]:
    """Nothing of the caller's AWS settings or proxies: what is measured must not depend on them."""
    return {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        **variables,
    }


@contextmanager
def server(module: str, *arguments: str, **variables: str) -> Iterator[Any]:
    """Runs a module that prints one line of JSON, which this yields, and serves until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=clean_environment(**variables),
        text=True,
    )
    with process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise RuntimeError(f"{module} did not start")
            yield json.loads(line)
        finally:
            if process.stdin:
                process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def measure(module: str, spec: Mapping[str, Any], variables: Mapping[str, str]) -> Any:
    """Runs a module to its end with the spec as its input; gives the JSON that it printed.

    Raises subprocess.CalledProcessError when it failed: it has said why on standard error.
    """
    done = subprocess.run(
        [sys.executable, "-m", module],
        input=json.dumps(spec),
        stdout=subprocess.PIPE,
        env=clean_environment(**variables),
        text=True,
        timeout=MAX_SECONDS,
        check=True,
    )
    return json.loads(done.stdout)
