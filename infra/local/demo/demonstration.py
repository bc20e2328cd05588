"""The demonstration: an archive from nothing to settled, beside a simulated provider, and how it is stopped."""

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from infra.deployment import Deployment, deployment_of
from infra.errors import InputError
from infra.local.demo.comparison import Comparison, compare
from infra.local.demo.watch import watch_until_settled
from infra.local.deploy import STACK, Plan, deploy
from infra.local.embedded_aws.ministack import MiniStack, start_ministack
from infra.local.embedded_aws.processes import stop
from infra.local.progress import Progress
from infra.local.provider import Provider
from infra.simulator import Options, SimulatedTelesign

TRANSCRIPT_GRACE_SECONDS = 10
CLOCK_SPEED = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    comparison: Comparison
    calls: int
    events: int
    """Events that the consumer of every object got, one an object."""
    deploy_seconds: float
    archive_seconds: float

    @property
    def holds(self) -> bool:
        return self.comparison.holds


class HeldClock:
    """The provider's time: it stands still until the archive is deployed, then runs fast.

    So calls in progress end, and late transcripts appear, while someone watches.
    """

    def __init__(self) -> None:
        self._held = datetime.now(UTC)
        self._released: float | None = None

    def __call__(self) -> datetime:
        if self._released is None:
            return self._held
        return self._held + timedelta(seconds=CLOCK_SPEED * (time.monotonic() - self._released))

    def release(self) -> None:
        self._released = time.monotonic()


def demonstrate(*, calls: int, audio: Path | None, seed: int, progress: Progress) -> Result:
    """Leaves nothing behind, whatever happens."""
    clock = HeldClock()
    try:
        options = Options(calls=calls, audio=audio, seed=seed, history_end=clock(), now=clock)
        simulator = SimulatedTelesign(options)
    except ValueError as error:
        raise InputError(f"The simulated provider cannot be set up: {error}.") from error
    with simulator, _ministack_of_its_own() as (ministack, folder):
        began = time.monotonic()
        deployment = _deploy(simulator, ministack, folder, progress)
        deployed = time.monotonic()
        clock.release()
        truth = watch_until_settled(deployment, simulator, progress)
        archived = time.monotonic()
        with progress.step("Comparing every object with what was served"):
            comparison = compare(deployment, truth, clock())
        return Result(
            comparison=comparison,
            calls=len(truth),
            events=_waiting(deployment),
            deploy_seconds=deployed - began,
            archive_seconds=archived - deployed,
        )


def _deploy(
    simulator: SimulatedTelesign, ministack: MiniStack, folder: Path, progress: Progress
) -> Deployment:
    options = simulator.options
    plan = Plan(
        provider=Provider(url=simulator.api_url, customer_id=options.customer_id, api_key=options.api_key),
        archive_from=options.history_end - timedelta(hours=options.history_hours, minutes=1),
        transcript_grace_seconds=TRANSCRIPT_GRACE_SECONDS,
    )
    outputs = deploy(ministack, plan, folder, progress)
    return deployment_of(STACK, outputs, ministack.connection)


def _waiting(deployment: Deployment) -> int:
    answer = deployment.connection.client("sqs").get_queue_attributes(
        QueueUrl=deployment.consumers["all"], AttributeNames=["ApproximateNumberOfMessages"]
    )
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])


@contextlib.contextmanager
def _ministack_of_its_own() -> Iterator[tuple[MiniStack, Path]]:
    folder = Path(tempfile.mkdtemp(prefix="call-archive-"))
    try:
        ministack = start_ministack(folder)
        try:
            yield ministack, folder
        finally:
            stop(ministack.process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
