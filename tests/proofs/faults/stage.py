"""What all cells share: MiniStack with the deployed stack, the simulated provider, and the proxies before them."""

import base64
import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3

from infra.cli.deployment import Deployment, deployment_of
from infra.connection import LOCAL_ACCESS_KEY
from infra.local.deploy import STACK, Plan, deploy
from infra.local.embedded_aws.ministack import REGION, MiniStack, start_ministack
from infra.local.embedded_aws.processes import stop
from infra.local.progress import Progress
from infra.local.provider import Provider
from infra.simulator import Options, SimulatedTelesign
from tests.proofs.faults.plan import FaultPlan
from tests.proofs.faults.proxy import Proxy, Upstream, of_api, of_aws, of_cdn
from tests.synthesis import table_of

CUSTOMER, API_KEY = "CANARY-7C1D-CUSTOMER", "Q0FOQVJZ+fault/key+91ab=="
BASIC = base64.b64encode(f"{CUSTOMER}:{API_KEY}".encode()).decode()
"""How the two travel to the provider."""
SECRETS = (CUSTOMER, API_KEY, BASIC, "Signature=", "Key-Pair-Id", "Authorization: Basic")
SEED = 1
"""Of two calls whose files all have a transcript."""
SERVICES: tuple[Any, ...] = ("dynamodb", "s3", "secretsmanager", "sqs")
END = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BEGIN = END + timedelta(minutes=15)
"""When a cell begins: every file and transcript is there."""


@dataclass(slots=True)
class Clock:
    moment: datetime = BEGIN

    def now(self) -> datetime:
        return self.moment

    def advance(self, minutes: float) -> None:
        self.moment += timedelta(minutes=minutes)


@dataclass(frozen=True, kw_only=True)
class Fronts:
    """The proxies before a provider and before AWS, with the plan that spoils what goes through them."""

    plan: FaultPlan
    simulator: SimulatedTelesign
    api_url: str
    aws_url: str


@dataclass(frozen=True, kw_only=True)
class Stage:
    ministack: MiniStack
    deployment: Deployment
    functions: Mapping[str, Mapping[str, str]]
    """The environment of each deployed function, by service."""
    table: Mapping[str, Any]
    """The ledger's schema, from the synthesized template."""
    fronts: Fronts
    clock: Clock
    authority: Path
    """The one certificate that MiniStack and the proxies have. A whole bundle takes long to read, for each client."""
    clients: Mapping[str, Any]
    """Of MiniStack itself, past the proxies."""
    session: boto3.Session
    """One for all cells: it keeps the service models that it has read."""
    deployed: Fronts
    """Those of the deployed functions, that no cell gets in the way of."""


@contextlib.contextmanager
def a_stage(folder: Path) -> Iterator[Stage]:
    clock = Clock()
    with contextlib.ExitStack() as ending:
        ministack = start_ministack(folder)
        ending.callback(stop, ministack.process)
        fronts = ending.enter_context(
            _fronts(
                ministack,
                calls=2,
                seed=SEED,
                history_end=END,
                history_hours=0.25,
                file_bytes=150_000,
                now=clock.now,
            )
        )
        deployed = ending.enter_context(_fronts(ministack, calls=20, seed=4, history_hours=0.5))
        plan = Plan(
            provider=Provider(url=deployed.api_url, customer_id=CUSTOMER, api_key=API_KEY),
            archive_from=deployed.simulator.options.history_end,
            transcript_grace_seconds=20,
        )
        outputs = deploy(ministack, plan, folder, Progress())
        authority = folder / "endpoint.crt"
        connection = replace(ministack.connection, ca_bundle=str(authority))
        deployment = deployment_of(STACK, outputs, connection)
        yield Stage(
            ministack=ministack,
            deployment=deployment,
            functions=_environments(deployment),
            table=_table(folder),
            fronts=fronts,
            clock=clock,
            authority=authority,
            clients={name: connection.client(name) for name in SERVICES},
            session=boto3.Session(LOCAL_ACCESS_KEY, LOCAL_ACCESS_KEY, region_name=REGION),
            deployed=deployed,
        )


@contextlib.contextmanager
def _fronts(ministack: MiniStack, **options: Any) -> Iterator[Fronts]:
    plan = FaultPlan()
    folder = ministack.ca_bundle.parent
    with contextlib.ExitStack() as ending:

        def front(upstream: Upstream) -> Proxy:
            proxy = Proxy(upstream, plan)
            ending.callback(proxy.close)
            return proxy

        # The provider's links name the proxy before its CDN; only then the provider starts.
        cdn = front(Upstream(url=lambda: simulator.cdn_url, tells=of_cdn))
        simulator = SimulatedTelesign(
            Options(customer_id=CUSTOMER, api_key=API_KEY, public_cdn_url=_by_name(cdn.url), **options)
        )
        ending.enter_context(simulator)
        api = front(Upstream(url=lambda: simulator.api_url, tells=of_api))
        aws = front(
            Upstream(
                url=lambda: ministack.endpoint_url,
                tells=of_aws,
                ca_bundle=ministack.ca_bundle,
                certificate=(folder / "endpoint.crt", folder / "endpoint.key"),
                keeps_delays="now" not in options,  # else time is virtual
                drip_seconds=0.3,
            )
        )
        yield Fronts(plan=plan, simulator=simulator, api_url=api.url, aws_url=aws.url)


def _by_name(url: str) -> str:
    """So that there is a name to resolve."""
    return url.replace("127.0.0.1", "localhost")


def _environments(deployment: Deployment) -> dict[str, dict[str, str]]:
    functions = deployment.connection.client("lambda")
    names = (deployment.lister_function, deployment.fetcher_function)
    found = [
        functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"] for name in names
    ]
    return {each["POWERTOOLS_SERVICE_NAME"]: dict(each) for each in found}


def _table(folder: Path) -> dict[str, Any]:
    template = (folder / "cdk.out" / f"{STACK}.template.json").read_text(encoding="utf-8")
    return table_of(json.loads(template))
