"""Recordings of every size through the deployed stack: the same bytes, in how much memory."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from call_archive.list_window import enqueue_windows
from call_archive.model.call import FileStatus
from call_archive.model.window import Window
from infra.cli.wait import wait_until_settled
from infra.deployment import Deployment
from infra.local.progress import Progress
from infra.simulator import Options, SimulatedTelesign, TrueFile
from infra.simulator.audio import SizedAudio, StoredAudio
from infra.simulator.options import Audio
from infra.verification.differences import StoredVersion
from tests.proofs.deployed import Deployed, deployed_archive
from tests.proofs.observer import served, stored_versions

MIB = 1024**2
SMALLEST = 44
SIZES = (SMALLEST, 0, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1, 100 * MIB)
LARGEST = 2048 * MIB
SETTINGS = {"transcript_grace_seconds": "30", "function_timeout_seconds": "600"}
MARGIN = timedelta(minutes=1)
MAX_ABOVE_IDLE_MIB = 256
TIMEOUT_SECONDS = 1800.0
MAX_VISITS = 15
"""Of one call: an empty file is asked for five times."""


@dataclass(slots=True)
class DealtSizes:
    """Gives each new file the next size, and what comes after the last the smallest."""

    left: list[int]
    known: dict[str, Audio] = field(default_factory=dict)

    def __call__(self, file_name: str) -> Audio:
        if file_name not in self.known:
            size = self.left.pop(0) if self.left else SMALLEST
            empty = StoredAudio(path=Path("/dev/null"))
            self.known[file_name] = SizedAudio(seed=1, file_name=file_name, size=size) if size else empty
        return self.known[file_name]


def run(sizes: tuple[int, ...], progress: Progress) -> dict[str, Any]:
    """A line for each file; `above_idle_mib` is the fetchers' peak memory above what one has at rest."""
    options = Options(calls=len(sizes), audio=DealtSizes(list(sizes)), history_hours=1)
    with SimulatedTelesign(options) as simulator, TemporaryDirectory(prefix="call-archive-") as folder:
        start = options.history_end - timedelta(hours=options.history_hours) - MARGIN
        end = options.history_end + MARGIN
        with deployed_archive(
            simulator, Path(folder), archive_from=end, settings=SETTINGS, progress=progress
        ) as deployed:
            deployment = deployed.deployment
            with progress.step("Archiving the smallest") as say:
                smallest = next(file for file in _files(simulator) if file.size == SMALLEST)
                moment = smallest.created_at
                seconds = _archive(deployment, Window(start=moment, end=moment), say)
            before = stored_versions(deployed.account)
            idle = max(_memory(pid, "VmRSS") for pid in _fetchers(deployment))
            with progress.step("Archiving the others") as say:
                seconds = _archive(deployment, Window(start=start, end=end), say)
            peak = max(_memory(pid, "VmHWM") for pid in _fetchers(deployment))
            with progress.step("Reading all of it back"):
                return {
                    **_found(deployed, simulator, before),
                    "idle_mib": round(idle / MIB, 1),
                    "above_idle_mib": round((peak - idle) / MIB, 1),
                    "seconds": round(seconds, 1),
                }


def _files(simulator: SimulatedTelesign) -> list[TrueFile]:
    return [file for call in simulator.truth() for file in call.files]


def _archive(deployment: Deployment, window: Window, say: Callable[[str], None]) -> float:
    began = time.monotonic()
    enqueue_windows(
        [window],
        ledger=deployment.ledger,
        queue=deployment.queue(deployment.windows_queue_url),
        now=datetime.now(UTC),
        lease=deployment.lease,
    )
    wait_until_settled(deployment.ledger, window.start, window.end, timeout_seconds=TIMEOUT_SECONDS, say=say)
    return time.monotonic() - began


def _found(deployed: Deployed, simulator: SimulatedTelesign, before: list[StoredVersion]) -> dict[str, Any]:
    not_empty = [call for call in simulator.truth() if all(file.size for file in call.files)]
    seen, found = deployed.found(simulator, before=before, most_visits=MAX_VISITS, compared=not_empty)
    by_key = {version.key: version for version in seen.versions}
    files = []
    for truth in served(simulator.truth(), datetime.now(UTC)):
        file = seen.calls[truth.reference_id].files[truth.file_name]
        version = by_key.get(truth.origin.recording_key)
        files.append(
            {
                "size": version.size if version else 0,
                "status": file.status.value,
                "reason": file.reason,
                "same_sha256": version.sha256 == truth.sha256 if version else None,
            }
        )
    return {
        "files": sorted(files, key=lambda file: file["size"]),
        **{name: found[name] for name in ("missing", "altered", "looked_at", "violations")},
        "failed": [file["reason"] for file in files if file["status"] == FileStatus.FAILED.value],
    }


def _fetchers(deployment: Deployment) -> Iterator[int]:
    """The processes that run the fetcher, by what they find in their environment."""
    name = f"AWS_LAMBDA_FUNCTION_NAME={deployment.fetcher_function}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if name in (process / "environ").read_bytes().split(b"\0"):
                yield int(process.name)
        except OSError:  # it has ended, or is another user's
            continue


def _memory(pid: int, name: str) -> int:
    """In bytes, as the system tells it."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0
