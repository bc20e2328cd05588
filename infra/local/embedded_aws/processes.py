"""Processes that outlive the command that began them, distinguished from others that reuse their number."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Detached:
    """A process that leads a group of its own; `started` is as the system reports it."""

    pid: int
    started: str


def start_detached(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    log_file: Path,
    folder: Path,
    keep_open: Sequence[int] = (),
) -> Detached:
    with log_file.open("ab") as log:
        process = subprocess.Popen(  # noqa: S603  # nosec B603  # a command of ours, and no shell
            argv,
            env=dict(env),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=keep_open,
        )
    started = started_at(process.pid) or ""
    process.returncode = 0  # left to itself on purpose: without this, Python warns when it forgets it
    return Detached(pid=process.pid, started=started)


def is_running(process: Detached) -> bool:
    return bool(process.started) and started_at(process.pid) == process.started


def stop(process: Detached, *, timeout_seconds: float = 5.0) -> None:
    """Ends the process with everything it started; returns once it is gone.

    Killed, not asked: it holds nothing that outlives it, and its children must not linger.
    """
    if not is_running(process):
        return
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    deadline = time.monotonic() + timeout_seconds
    while is_running(process) and time.monotonic() < deadline:
        time.sleep(0.02)


def started_at(pid: int) -> str | None:
    """When that process began, as text to compare; None if there is no such process, or only its remains."""
    stat = Path(f"/proc/{pid}/stat")
    if not Path("/proc/self/stat").exists():
        return _started_by_ps(pid)
    try:
        # The name, in parentheses, may hold anything: state and start time are counted from its end.
        fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    state, started = fields[0], fields[19]
    return None if state in "ZX" else started


def _started_by_ps(pid: int) -> str | None:
    command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # nosec B603  # words of ours, and no shell
    state, _, started = answer.stdout.strip().partition(" ")
    return None if not state or state.startswith("Z") else started.strip()
