"""What the tests share: the real stack on an embedded AWS, a simulated provider, and an operator's shell."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from call_archive.model.call import Call
from infra.deployment import Deployment
from infra.local.demo.comparison import Comparison, compare, expected_objects
from infra.simulator import Fault, RecordedRequest, SimulatedTelesign, TrueCall, TrueFile
from infra.verification.differences import StoredVersion
from tests.proofs.aws import Account
from tests.proofs.observer import stored_versions

CALL_ARCHIVE = str(Path(sys.executable).with_name("call-archive"))
SECOND = timedelta(seconds=1)
PATIENCE_SECONDS = 900.0
"""Only what will never happen waits for so long: a visit that is killed is made again after its lease, which is
longer than a function may run, and on a busy machine one may be killed again."""

T = TypeVar("T")


def eventually(
    look: Callable[[], T], *, enough: Callable[[T], bool] = bool, seconds: float = PATIENCE_SECONDS
) -> T:
    """What `look` answers once that is enough; what it answered last when the patience is over."""
    deadline = time.monotonic() + seconds
    while not enough(found := look()) and time.monotonic() < deadline:
        time.sleep(0.3)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A part of the provider's history that one theme has for itself; both ends inclusive."""

    start: datetime
    end: datetime

    @property
    def arguments(self) -> tuple[str, str]:
        return f"{self.start:%Y-%m-%dT%H:%M:%S}", f"{self.end:%Y-%m-%dT%H:%M:%S}"

    def holds(self, file: TrueFile) -> bool:
        return self.start <= file.created_at <= self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class Troubled:
    """A backfill over faults of every kind, under way since the archive is up."""

    part: Slice
    healing: tuple[TrueFile, ...]
    faults: tuple[Fault, ...]
    """One for each of those that heal."""
    hopeless: TrueFile
    backfill: "subprocess.Popen[bytes]"
    output: Path

    def outcome(self) -> dict[str, Any]:
        self.backfill.wait(PATIENCE_SECONDS)
        outcome: dict[str, Any] = json.loads(self.output.read_text(encoding="utf-8"))
        return outcome


@dataclass(frozen=True, kw_only=True)
class RunningArchive:
    deployment: Deployment
    simulator: SimulatedTelesign
    parts: dict[str, Slice]
    env: dict[str, str]
    log_file: Path
    bodies: list[str] = field(default_factory=list)
    """What the consumer of every object was told, as it came."""
    screens: list[str] = field(default_factory=list)
    """What the commands printed."""
    backfilled: set[Slice] = field(default_factory=set)
    found_before: set[StoredVersion] = field(default_factory=set)
    """What lay in the bucket of a part when its backfill had ended: all of it must lie there ever after."""

    @property
    def folder(self) -> Path:
        return self.log_file.parent

    def command(
        self, *arguments: str, timeout: float = 2 * PATIENCE_SECONDS
    ) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [CALL_ARCHIVE, *arguments],
            env=self.env,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        self.screens.append(done.stdout + done.stderr)
        return done

    def backfill(self, part: Slice) -> tuple[int, dict[str, Any]]:
        """The exit code of `backfill --wait` and what it printed."""
        done = self.command(
            "backfill", *part.arguments, "--wait", "--timeout", f"{PATIENCE_SECONDS}", "--json"
        )
        assert done.stdout, done.stderr
        self.backfilled.add(part)
        ids = {file.reference_id for file in self.files(part)}
        self.found_before.update(stored_versions(Account.of(self.deployment), ids))
        return done.returncode, json.loads(done.stdout)

    def find(self, part: Slice) -> list[dict[str, Any]]:
        start, end = part.arguments
        done = self.command("find", "--start", start, "--end", end, "--json")
        assert done.returncode == 0, done.stderr
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found

    def come_to_rest(self, calls: Collection[TrueCall], until: datetime) -> None:
        """Waits for these calls, and for the windows until then, as long as the archive itself means to.

        That is until the last visit or lease that its ledger holds is over, and two leases more for who comes then;
        anew with each change. A visit that is killed is so waited for, however slow the machine is.
        """
        before, ends = None, datetime.now(UTC)
        while (open_ := self.open(calls, until)) and (open_ != before or datetime.now(UTC) < ends):
            if open_ != before:
                last = max((at for _, at in open_.values() if at), default=ends)
                before, ends = open_, max(last, datetime.now(UTC)) + 2 * self.deployment.lease
            time.sleep(1)

    def open(self, calls: Collection[TrueCall], until: datetime) -> dict[str, tuple[int, datetime | None]]:
        """How often each was written, and when it is visited next; nobody knows of one that is not listed yet."""
        known = self.ledger_of(calls)
        windows = [
            pending for pending in self.deployment.ledger.open_windows() if pending.window.start <= until
        ]
        return {
            **{f"{pending.window}": (pending.attempts, pending.next_visit_at) for pending in windows},
            **{
                true.reference_id: (call.version, call.next_visit_at) if call else (0, None)
                for true in calls
                if not (call := known.get(true.reference_id))
                or not call.settled
                or not {file.file_name for file in true.files} <= call.files.keys()
            },
        }

    def tick(self) -> None:
        self.deployment.connection.client("lambda").invoke(
            FunctionName=self.deployment.lister_function, Payload=b'{"kind": "tick"}'
        )

    def files(self, part: Slice) -> list[TrueFile]:
        return [file for call in self.simulator.truth() for file in call.files if part.holds(file)]

    def keys(self, ids: Iterable[str]) -> set[str]:
        """What must be in the bucket of these calls by now."""
        wanted = set(ids)
        files = [f for call in self.simulator.truth() if call.reference_id in wanted for f in call.files]
        return set(expected_objects(files, datetime.now(UTC)))

    def ledger_of(self, calls: Iterable[TrueCall | TrueFile]) -> dict[str, Call]:
        return self.deployment.ledger.read_many({call.reference_id for call in calls})

    def compared(self, part: Slice) -> Comparison:
        """Of a part's keys alone, for other parts may not be archived yet."""
        now = datetime.now(UTC)
        files = self.files(part)
        keys = expected_objects(files, now).keys()
        ids = {file.reference_id for file in files}
        truth = [call for call in self.simulator.truth() if call.reference_id in ids]
        everything = compare(self.deployment, truth, now)
        return Comparison(
            recordings=everything.recordings,
            transcripts=everything.transcripts,
            size=everything.size,
            deleted_at_source=everything.deleted_at_source,
            missing=tuple(key for key in everything.missing if key in keys),
            altered=tuple(key for key in everything.altered if key in keys),
            extra=tuple(key for key in everything.extra if key.split("/")[4] in ids),
        )

    def versions(self, ids: Iterable[str] | None = None) -> Counter[str]:
        """How many versions each key has, of these calls or of all."""
        wanted = None if ids is None else set(ids)
        pages = self.deployment.connection.client("s3").get_paginator("list_object_versions")
        return Counter(
            version["Key"]
            for page in pages.paginate(Bucket=self.deployment.bucket)
            for version in page.get("Versions", [])
            if wanted is None or version["Key"].split("/")[4] in wanted
        )

    def heard(self) -> Counter[str]:
        """How often the consumer heard of each key until now; it takes its messages away, as a consumer does."""
        sqs = self.deployment.connection.client("sqs")
        url = self.deployment.consumers["all"]
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            for message in messages:
                self.bodies.append(message["Body"])
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return Counter(json.loads(body)["detail"]["object"]["key"] for body in self.bodies)

    def heard_of(self, keys: Iterable[str]) -> Counter[str]:
        """The same, once it has heard of all of these."""
        wanted = set(keys)
        eventually(lambda: wanted <= self.heard().keys())
        return Counter({key: count for key, count in self.heard().items() if key in wanted})

    def asked(self, since: int) -> list[RecordedRequest]:
        """What the provider was asked after its first `since` requests."""
        return self.simulator.requests[since:]

    def windows_are_listed(self, part: Slice) -> bool:
        pending = self.deployment.ledger.open_windows()
        return not any(each.window.overlaps(part.start, part.end) for each in pending)
