"""The real stack on an embedded AWS, before a simulated provider, for as long as it is needed."""

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from infra.cli.deployment import Deployment, deployment_of
from infra.local.deploy import STACK, Plan, deploy
from infra.local.embedded_aws.ministack import MiniStack, start_ministack
from infra.local.embedded_aws.processes import stop
from infra.local.progress import Progress
from infra.local.provider import Provider
from infra.simulator import SimulatedTelesign
from tests.proofs.recording import APP


@contextlib.contextmanager
def deployed_archive(
    simulator: SimulatedTelesign,
    progress: Progress,
    *,
    archive_from: datetime,
    settings: Mapping[str, str],
    app: str = APP,
) -> Iterator[tuple[Deployment, MiniStack]]:
    options = simulator.options
    plan = Plan(
        provider=Provider(url=simulator.api_url, customer_id=options.customer_id, api_key=options.api_key),
        archive_from=archive_from,
        settings=settings,
    )
    with tempfile.TemporaryDirectory(prefix="call-archive-") as folder:
        ministack = start_ministack(Path(folder), app=app)
        try:
            outputs = deploy(ministack, plan, Path(folder), progress)
            yield deployment_of(STACK, outputs, ministack.connection), ministack
        finally:
            stop(ministack.process)
