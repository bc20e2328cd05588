"""Watching an archive work, by its ledger alone, until nothing of the provider's is pending any more."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from rich.filesize import decimal

from call_archive.model.call import Call, FileStatus, TranscriptStatus
from call_archive.storage.ledger import Ledger
from infra.deployment import Deployment
from infra.errors import CommandError
from infra.local.progress import Progress
from infra.simulator import SimulatedTelesign, TrueCall

TIMEOUT_SECONDS = 180.0
MAX_LIST = 10

TICK_SECONDS = 10.0
"""The schedule's own tick comes once a minute; nobody who watches should have to wait for it."""

LAST_FILE_SECONDS = 10.0
"""A call may be resumed this long after the history's end: settled before that is not settled."""


@dataclass(slots=True)
class Watched:
    """What the ledger said of each call when it was last asked."""

    ledger: Ledger
    calls: dict[str, Call] = field(default_factory=dict)

    def refresh(self, truth: Iterable[TrueCall]) -> list[TrueCall]:
        """Asks again about the calls that are not done; those of them that still are not."""
        undone = self._undone(truth)
        self.calls.update(self.ledger.read_many(call.reference_id for call in undone))
        return self._undone(undone)

    def reason(self, call: TrueCall) -> str:
        known = self.calls.get(call.reference_id)
        if known is None:
            return "not listed yet"
        reasons = [
            f"{name}: {file.reason or 'its transcript'}"
            for name, file in known.files.items()
            if not file.settled
        ]
        return known.last_error or "; ".join(reasons) or "waiting for another file"

    def __str__(self) -> str:
        files = [file for call in self.calls.values() for file in call.files.values()]
        archived = [file.recording for file in files if file.status is FileStatus.ARCHIVED and file.recording]
        statuses = [file.transcript.status for file in files if file.transcript]
        return (
            f"{len(self.calls)} calls listed, {len(archived)} of {len(files)} files archived, "
            f"transcripts {statuses.count(TranscriptStatus.ARCHIVED)} archived "
            f"and {statuses.count(TranscriptStatus.PENDING)} pending, "
            f"{decimal(sum(recording.size for recording in archived))}"
        )

    def _undone(self, truth: Iterable[TrueCall]) -> list[TrueCall]:
        return [call for call in truth if not self._is_done(call)]

    def _is_done(self, call: TrueCall) -> bool:
        known = self.calls.get(call.reference_id)
        return (
            known is not None
            and known.settled
            and {file.file_name for file in call.files} <= set(known.files)
        )


def watch_until_settled(
    deployment: Deployment, simulator: SimulatedTelesign, progress: Progress
) -> list[TrueCall]:
    """The provider's calls as they were when all of them were settled; CommandError if that takes too long."""
    watched = Watched(Ledger(deployment.connection.client("dynamodb"), deployment.table))
    began = time.monotonic()
    ticked = began - TICK_SECONDS
    with progress.step("Archiving") as say:
        while True:
            if time.monotonic() - ticked >= TICK_SECONDS:
                ticked = time.monotonic()
                _tick(deployment)
            asked = time.monotonic()
            truth = simulator.truth()
            undone = watched.refresh(truth)
            say(str(watched))
            elapsed = time.monotonic() - began
            if not undone and elapsed >= LAST_FILE_SECONDS:
                return truth
            if elapsed > TIMEOUT_SECONDS:
                raise CommandError(_overdue(undone, watched))
            time.sleep(max(0.25, time.monotonic() - asked))


def _tick(deployment: Deployment) -> None:
    deployment.connection.client("lambda").invoke(
        FunctionName=deployment.lister_function, InvocationType="Event", Payload=b'{"kind": "tick"}'
    )


def _overdue(undone: list[TrueCall], watched: Watched) -> str:
    lines = [f"  {call.reference_id}: {watched.reason(call)}" for call in undone[:MAX_LIST]]
    if len(undone) > MAX_LIST:
        lines.append(f"  and {len(undone) - MAX_LIST} more")
    return f"After {TIMEOUT_SECONDS:.0f} s {len(undone)} calls were still open:\n" + "\n".join(lines)
