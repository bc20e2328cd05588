"""Measures the fetcher in a process of its own; prints the figures as JSON, and nothing of the fetcher's logs."""

import gc
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from tests.benchmarks.invocation import Servers, invoke, one_by_one

OBJECTS_PER_CALL = 2  # the recording and its transcript
WARM_UPS = 3  # until every thread has its connections


def speed(servers: Servers, spec: dict[str, Any]) -> dict[str, Any]:
    """Seconds a file, by round and contender, in turns: what disturbs the machine disturbs both."""
    calls = iter(spec["calls"])
    plain = one_by_one(servers)
    _timed(servers, plain, _take(calls, 2))
    for _ in range(WARM_UPS):
        _timed(servers, invoke, _take(calls, spec["batch"]))
    rounds = []
    for _ in range(spec["rounds"]):
        one = _timed(servers, plain, _take(calls, spec["plain_files"]))
        many = [_timed(servers, invoke, _take(calls, spec["batch"])) for _ in range(spec["invocations"])]
        rounds.append({"one_by_one": one, "fetcher": sum(many) / len(many)})
    return {"rounds": rounds}


def memory(servers: Servers, spec: dict[str, Any]) -> dict[str, Any]:
    """Bytes above the idle process, which has archived two small files before, at the worst moment."""
    for reference_id in spec["small_calls"][:2]:
        _timed(servers, invoke, [reference_id])
    gc.collect()
    idle = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # VmHWM starts anew
    seconds = _timed(servers, invoke, spec["calls"][:1])
    return {"idle_bytes": idle, "above_idle_bytes": _status("VmHWM") - idle, "seconds": seconds}


def _take(calls: Iterator[str], count: int) -> list[str]:
    taken = list(islice(calls, count))
    if len(taken) < count:
        raise RuntimeError("the simulated provider has too few calls for this")
    return taken


def _timed(servers: Servers, work: Callable[[Sequence[str]], None], calls: Sequence[str]) -> float:
    """Seconds a file; raises unless every object arrived and nothing was put off."""
    before = servers.totals()
    began = time.perf_counter()
    work(calls)
    seconds = time.perf_counter() - began
    after = servers.totals()
    if after.get("objects", 0) - before.get("objects", 0) != OBJECTS_PER_CALL * len(calls):
        raise RuntimeError("objects are missing: what was measured is not the whole work")
    if after.get("messages", 0) != before.get("messages", 0):
        raise RuntimeError("visits were put off: what was measured is not the whole work")
    return seconds / len(calls)


def _status(name: str) -> int:
    """A value of this process in bytes; Linux tells it in KiB."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status does not tell {name}")


def main() -> None:
    spec = json.load(sys.stdin)
    answer = os.dup(sys.stdout.fileno())
    with Path(os.devnull).open("wb") as nothing:
        os.dup2(nothing.fileno(), sys.stdout.fileno())
    servers = Servers(**spec["servers"])
    result = {"speed": speed, "memory": memory}[spec["measure"]](servers, spec)
    with os.fdopen(answer, "w") as out:
        out.write(json.dumps(result))


if __name__ == "__main__":
    main()
