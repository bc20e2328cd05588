"""The real stack on an embedded AWS, before a simulated provider, for as long as it is needed."""

import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from infra.deployment import Deployment, deployment_of
from infra.local.demo.comparison import compare
from infra.local.deploy import STACK, Plan, deploy
from infra.local.embedded_aws.ministack import MiniStack, start_ministack
from infra.local.embedded_aws.processes import stop
from infra.local.progress import Progress
from infra.local.provider import Provider
from infra.simulator import SimulatedTelesign, TrueCall
from infra.verification.differences import StoredVersion
from infra.verification.invariants import violations
from infra.verification.observation import Observation
from tests.proofs.aws import Account
from tests.proofs.observer import credentials, looked_at, observed, served, sources_of, spoken
from tests.proofs.recording import APP


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    deployment: Deployment
    ministack: MiniStack
    outputs: dict[str, str]
    plan: Plan

    @property
    def folder(self) -> Path:
        return self.ministack.log_file.parent

    @property
    def account(self) -> Account:
        return Account.of(self.deployment)

    def found(
        self,
        simulator: SimulatedTelesign,
        *,
        before: Collection[StoredVersion],
        most_visits: int,
        compared: Iterable[TrueCall] | None = None,
    ) -> tuple[Observation, dict[str, Any]]:
        """An archive at rest, and what is said of it: lists and dictionaries are empty when all holds.

        `before`: what an earlier look found. `compared`: the calls whose objects must be there; all if not given.
        """
        now, truth = datetime.now(UTC), simulator.truth()
        comparison = compare(self.deployment, truth if compared is None else list(compared), now)
        seen = observed(
            sources_of(self.deployment, self.folder),
            at_rest=True,
            most_visits=most_visits,
            before=before,
            secrets=(*credentials(simulator.options), *spoken(truth)),
        )
        return seen, {
            "recordings": comparison.recordings,
            "transcripts": comparison.transcripts,
            "deleted_at_source": comparison.deleted_at_source,
            "missing": list(comparison.missing),
            "altered": list(comparison.altered),
            "extra": list(comparison.extra),
            "looked_at": looked_at(seen),
            "violations": [str(each) for each in violations(served(truth, now), seen)],
        }


@contextlib.contextmanager
def deployed_archive(  # noqa: PLR0913 - each is one thing that one of five proofs has otherwise
    simulator: SimulatedTelesign,
    folder: Path,
    *,
    archive_from: datetime,
    provider_url: str | None = None,
    transcript_grace_seconds: int | None = None,
    settings: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    app: str = APP,
    enforce_iam: bool = False,
) -> Iterator[Deployed]:
    options = simulator.options
    plan = Plan(
        provider=Provider(
            url=provider_url or simulator.api_url,
            customer_id=options.customer_id,
            api_key=options.api_key,
        ),
        archive_from=archive_from,
        transcript_grace_seconds=transcript_grace_seconds,
        settings=settings or {},
    )
    ministack = start_ministack(folder, app=app, enforce_iam=enforce_iam)
    try:
        outputs = deploy(ministack, plan, folder, progress or Progress())
        yield Deployed(
            deployment=deployment_of(STACK, outputs, ministack.connection),
            ministack=ministack,
            outputs=outputs,
            plan=plan,
        )
    finally:
        stop(ministack.process)
