"""Many calls through the deployed stack, with faults of the provider and duplicates of the messages."""

import json
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from infra.cli.wait import wait_until_settled
from infra.local.progress import Progress
from infra.simulator import Fault, Options, SimulatedTelesign
from infra.simulator.faults import Where
from infra.verification.differences import StoredVersion
from tests.proofs.deployed import Deployed, deployed_archive
from tests.proofs.observer import stored_versions
from tests.proofs.volume.duplicating import COUNT_FILE

FAULTS: dict[Where, tuple[str, ...]] = {
    "list": ("429", "500", "503", "reset", "reset_midway", "bad_json", "html", "empty", "expired_token"),
    "call": ("429", "500", "503", "401", "reset", "reset_midway", "bad_json", "html", "empty", "short_body"),
    "download": (
        *("429", "500", "503", "expired_link", "reset", "reset_midway", "short_body", "long_body"),
        *("no_length", "wrong_bytes", "html", "empty"),
    ),
}
"""They heal when asked again, or come again."""
SETTINGS = {"max_requests_per_second": "500", "transcript_grace_seconds": "30", "fetcher_concurrency": "2"}
"""The provider is on this machine and the archive is watched: no pause is needed that the real one needs."""
MARGIN = timedelta(minutes=1)
MAX_VISITS = 40
"""Of one call: several times what so many faults ever cost one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    calls: int
    faults_per_cent: float
    file_bytes: int
    timeout_seconds: float


def run(volume: Volume, progress: Progress) -> dict[str, Any]:
    """What was found, for a table or as JSON; `violations` and the three lists of keys are empty when it holds."""
    options = Options(calls=volume.calls, file_bytes=volume.file_bytes)
    with SimulatedTelesign(options) as simulator, TemporaryDirectory(prefix="call-archive-") as folder:
        start = options.history_end - timedelta(hours=options.history_hours) - MARGIN
        with deployed_archive(
            simulator,
            Path(folder),
            archive_from=start,
            settings=SETTINGS,
            progress=progress,
            app="tests.proofs.volume.duplicating:app",
        ) as deployed:
            _switch_on(simulator, volume.faults_per_cent)
            seconds, before = _archived(deployed, simulator, start, volume.timeout_seconds, progress)
            with progress.step("Looking at all of it from outside"):
                return {
                    "calls": len(simulator.truth()),
                    **deployed.found(simulator, before=before, most_visits=MAX_VISITS)[1],
                    "faults_injected": dict(simulator.faults.injected.most_common()),
                    "requests": len(simulator.requests),
                    **json.loads((deployed.folder / COUNT_FILE).read_text(encoding="utf-8")),
                    "seconds": round(seconds, 1),
                }


def _switch_on(simulator: SimulatedTelesign, per_cent: float) -> None:
    for where, kinds in FAULTS.items():
        for number, kind in enumerate(kinds):
            # The first that strikes is the one: what is left for the later ones is less.
            each = per_cent / 100 / len(kinds)
            chance = each / (1 - number * each)
            simulator.faults.add(Fault(where=where, kind=kind, probability=chance, retry_after=1))


def _archived(
    deployed: Deployed,
    simulator: SimulatedTelesign,
    start: datetime,
    timeout_seconds: float,
    progress: Progress,
) -> tuple[float, list[StoredVersion]]:
    """Waits for the schedule's own ticks to list it all, and then for the last call to be settled.

    How long that took, and what lay in the bucket already when the rest was still under way.
    """
    began, deployment = time.monotonic(), deployed.deployment
    end = simulator.options.history_end + MARGIN

    def seconds_left() -> float:
        return timeout_seconds - (time.monotonic() - began)

    with progress.step("Archiving") as say:
        while (deployment.ledger.listed_until() or start) < end and seconds_left() > 0:
            say("waiting for a tick")
            time.sleep(1)
        while not (before := stored_versions(deployed.account)) and seconds_left() > 0:
            say("waiting for the first object")
            time.sleep(1)
        wait_until_settled(deployment.ledger, start, end, timeout_seconds=seconds_left(), say=say)
    return time.monotonic() - began, before
