"""Measures the fetcher in a process of its own; prints the figures as JSON, and of the fetcher's log why it failed."""

import gc
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from tests.benchmarks.invocation import MeasureError, Servers, invoke, one_by_one

OBJECTS_PER_CALL = 2  # the recording and its transcript
MAX_LISTED = 5


def speed(servers: Servers, spec: dict[str, Any]) -> dict[str, Any]:
    """Seconds a file, by round and contender, in turns: what disturbs the machine disturbs both."""
    calls, plain = iter(spec["calls"]), one_by_one(servers)
    fetched: list[str] = []

    def seconds_of_a_batch() -> float:
        batch = _take(calls, spec["batch"])
        fetched.extend(batch)
        return _timed(servers, invoke, batch)

    _timed(servers, plain, _take(calls, 2))
    for _ in range(spec["warm_ups"]):  # until every thread has its connections
        seconds_of_a_batch()
    rounds = []
    for _ in range(spec["rounds"]):
        one = _timed(servers, plain, _take(calls, spec["plain_files"]))
        many = [seconds_of_a_batch() for _ in range(spec["invocations"])]
        rounds.append({"one_by_one": one, "fetcher": sum(many) / len(many)})
    return {"rounds": rounds, "fetched": fetched}


def memory(servers: Servers, spec: dict[str, Any]) -> dict[str, Any]:
    """Bytes above the idle process, which has archived two small files before, at the worst moment."""
    small, large = spec["small_calls"][:2], spec["calls"][:1]
    for reference_id in small:
        _timed(servers, invoke, [reference_id])
    gc.collect()
    idle = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # VmHWM starts anew
    seconds = _timed(servers, invoke, large)
    above = _status("VmHWM") - idle
    return {"idle_bytes": idle, "above_idle_bytes": above, "seconds": seconds, "fetched": [*small, *large]}


def _take(calls: Iterator[str], count: int) -> list[str]:
    taken = list(islice(calls, count))
    if len(taken) < count:
        raise MeasureError("the simulated provider has too few calls for this")
    return taken


def _timed(servers: Servers, work: Callable[[Sequence[str]], None], calls: Sequence[str]) -> float:
    """Seconds a file; raises unless every object arrived and nothing was put off."""
    before = servers.totals()
    began = time.perf_counter()
    work(calls)
    seconds = time.perf_counter() - began
    after = servers.totals()
    if after.get("objects", 0) - before.get("objects", 0) != OBJECTS_PER_CALL * len(calls):
        raise MeasureError("objects are missing: what was measured is not the whole work")
    if after.get("messages", 0) != before.get("messages", 0):
        raise MeasureError("visits were put off: what was measured is not the whole work")
    return seconds / len(calls)


def _status(name: str) -> int:
    """A value of this process in bytes; Linux tells it in KiB."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status does not tell {name}")


def _reasons(log: str) -> list[str]:
    """Why the fetcher failed or put off what it did, by its own events."""
    lines = [line for line in log.splitlines() if line.startswith("{")]
    reasons = [json.loads(line).get("reason") for line in lines]
    return sorted({reason for reason in reasons if reason})


def main() -> None:
    spec = json.load(sys.stdin)
    answer = os.dup(sys.stdout.fileno())
    with TemporaryFile("w+", encoding="utf-8") as log:
        os.dup2(log.fileno(), sys.stdout.fileno())
        servers = Servers(**spec["servers"])
        try:
            result = {"speed": speed, "memory": memory}[spec["measure"]](servers, spec)
        except MeasureError as error:
            sys.stdout.flush()
            log.seek(0)
            sys.exit("\n".join([f"{error}; the fetcher's reasons:", *_reasons(log.read())[:MAX_LISTED]]))
    with os.fdopen(answer, "w") as out:
        out.write(json.dumps(result))


if __name__ == "__main__":
    main()
