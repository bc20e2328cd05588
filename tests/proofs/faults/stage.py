"""What all cells share: the simulated provider of two calls, and the proxies before it and before an AWS."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from infra.local.embedded_aws.certificate import Certificate, write_certificate
from infra.simulator import SimulatedTelesign
from tests.proofs.aws import Stack
from tests.proofs.clock import Clock
from tests.proofs.faults.plan import FaultPlan
from tests.proofs.faults.proxy import Proxy, Upstream, of_api, of_aws, of_cdn
from tests.proofs.stories import NOW, TWO_CALLS

ACCOUNT: dict[str, Any] = {"customer_id": "CANARY-7C1D-CUSTOMER", "api_key": "Q0FOQVJZ+fault/key+91ab=="}
BEGIN = NOW + timedelta(minutes=15)
"""When a cell begins: every file and transcript is there."""


@dataclass(kw_only=True)
class Fronts:
    """The proxies before a provider and before AWS, with the plan that spoils what goes through them."""

    plan: FaultPlan
    ending: contextlib.ExitStack
    simulator: SimulatedTelesign = field(init=False)
    api_url: str = field(init=False)
    aws_url: str = field(init=False)

    def before_aws(self, upstream: Upstream, certificate: Certificate) -> None:
        self.aws_url = self._front(upstream, certificate)

    def before_provider(self, simulated: Callable[[str], SimulatedTelesign]) -> None:
        # The provider's links name the proxy before its CDN; only then the provider starts.
        cdn_url = self._front(Upstream(url=lambda: self.simulator.cdn_url, tells=of_cdn))
        # By the name that DNS is asked for.
        self.simulator = self.ending.enter_context(simulated(cdn_url.replace("127.0.0.1", "localhost")))
        self.api_url = self._front(Upstream(url=lambda: self.simulator.api_url, tells=of_api))

    def _front(self, upstream: Upstream, certificate: Certificate | None = None) -> str:
        proxy = Proxy(upstream, self.plan, certificate)
        self.ending.callback(proxy.close)
        return proxy.url


@dataclass(kw_only=True)
class Stage:
    stack: Stack
    authority: Path
    """The one certificate of the proxy before AWS. A whole bundle takes long to read, for each client."""
    fronts: Fronts
    clock: Clock = field(default_factory=lambda: Clock(BEGIN))
    """Of the cell that is run."""
    clients: dict[str, Any] = field(default_factory=dict)
    """The functions' clients of AWS."""


@contextlib.contextmanager
def a_stage(folder: Path) -> Iterator[Stage]:
    certificate = write_certificate(folder)
    in_memory = Upstream(url=None, tells=of_aws, keeps_delays=False, drip_seconds=0.06)

    def simulated(cdn_url: str) -> SimulatedTelesign:
        return TWO_CALLS.simulated(history_end=NOW, now=now, public_cdn_url=cdn_url, **ACCOUNT)

    def now() -> datetime:
        return stage.clock()

    with fronts(simulated) as opened:
        opened.before_aws(in_memory, certificate)
        stage = Stage(stack=Stack.synthesized(), authority=certificate.certificate, fronts=opened)
        yield stage


@contextlib.contextmanager
def fronts(simulated: Callable[[str], SimulatedTelesign]) -> Iterator[Fronts]:
    with contextlib.ExitStack() as ending:
        opened = Fronts(plan=FaultPlan(), ending=ending)
        opened.before_provider(simulated)
        yield opened
