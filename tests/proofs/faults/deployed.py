"""The deployed functions behind the proxies: real Lambdas, real time, every fault of AWS at once."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from call_archive.list_window import enqueue_windows
from call_archive.model.window import cut
from infra.local.demo.comparison import Comparison, compare
from infra.local.embedded_aws.certificate import Certificate
from infra.simulator import Options, SimulatedTelesign
from infra.verification.invariants import violations
from tests.proofs.aws import Account
from tests.proofs.deployed import Deployed, deployed_archive
from tests.proofs.faults.cells import WRITES, Dependency, Fault
from tests.proofs.faults.proxy import Upstream, of_aws
from tests.proofs.faults.stage import ACCOUNT, Fronts, fronts
from tests.proofs.observer import credentials, observed, served, sources_of, spoken

FAULTS = (Fault.THROTTLE, Fault.ERROR_503, Fault.RESET)
SERVICES = ("S3 PutObject", "DynamoDB", "SQS", "Secrets")
PATIENCE_SECONDS = 900.0
"""Far more than it takes: only what will never happen waits for so long."""
LEASE_SECONDS = "20"
"""What was noted and, for a lost answer, not queued waits for its lease: for minutes where it is deployed."""
VISIBILITY_SECONDS = "5"
"""A message that failed comes again after 18 minutes where it is deployed."""


def planned() -> Iterator[tuple[Dependency, Fault]]:
    """In the order in which they are met; a client of AWS tries four times."""
    for dependency in Dependency:
        if dependency.startswith(SERVICES):
            yield from ((dependency, fault) for fault in FAULTS)
            if dependency in WRITES:
                yield dependency, Fault.ANSWER_LOST


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployedBehindProxies:
    deployed: Deployed
    fronts: Fronts

    @property
    def account(self) -> Account:
        return Account.of(self.deployed.deployment)

    def put_proxies_before(self) -> None:
        """Before AWS: the provider is deployed as the proxy."""
        deployment = self.deployed.deployment
        functions = deployment.connection.client("lambda")
        for name in (deployment.lister_function, deployment.fetcher_function):
            environment = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
            environment |= {"AWS_ENDPOINT_URL": self.fronts.aws_url, "LEASE_SECONDS": LEASE_SECONDS}
            functions.update_function_configuration(FunctionName=name, Environment={"Variables": environment})
        for url in (deployment.fetch_queue_url, deployment.windows_queue_url):
            self.account.sqs.set_queue_attributes(
                QueueUrl=url, Attributes={"VisibilityTimeout": VISIBILITY_SECONDS}
            )

    def archive_everything(self) -> list[str]:
        """What is still owed when all is done, or the patience over."""
        for dependency, fault in planned():
            self.fronts.plan.add(dependency, fault, 1)
        self.put_proxies_before()
        end = self.fronts.simulator.options.history_end
        windows = cut(
            end.replace(microsecond=0) - timedelta(hours=1), end.replace(microsecond=0), recheck=True
        )
        deployment = self.deployed.deployment
        queue = deployment.queue(deployment.windows_queue_url)
        enqueue_windows(windows, ledger=deployment.ledger, queue=queue, now=end)
        deadline = time.monotonic() + PATIENCE_SECONDS
        functions = deployment.connection.client("lambda")
        while (left := [*self.pending(), *self.unmet()]) and time.monotonic() < deadline:
            functions.invoke(FunctionName=deployment.lister_function, Payload=b'{"kind": "tick"}')
            time.sleep(1)
        return left

    def pending(self) -> list[str]:
        """A call may get another file after it was settled: settled before that is not settled."""
        truth = {call.reference_id: call.files for call in self.fronts.simulator.truth()}
        known = self.deployed.deployment.ledger.read_many(truth)
        return [
            name
            for name, files in truth.items()
            if name not in known
            or not known[name].settled
            or not {file.file_name for file in files} <= known[name].files.keys()
        ]

    def unmet(self) -> list[str]:
        injected = self.fronts.plan.injected
        return [
            f"{dependency} - {fault}" for dependency, fault in planned() if not injected[dependency, fault]
        ]

    def compared(self) -> Comparison:
        simulator = self.fronts.simulator
        return compare(self.deployed.deployment, simulator.truth(), simulator.options.now())

    def found_wrong(self) -> list[str]:
        """By the checker of the invariants. Not as at rest: calls go on arriving."""
        simulator, plan = self.fronts.simulator, self.fronts.plan
        secrets = (*credentials(simulator.options), *spoken(simulator.truth()))
        sources = sources_of(self.deployed.deployment, self.deployed.folder)
        seen = observed(
            replace(sources, record=lambda: plan.record), at_rest=False, most_visits=None, secrets=secrets
        )
        # Later than the look, which may have met what is new.
        truth = served(simulator.truth(), simulator.options.now())
        return [str(violation) for violation in violations(truth, seen)]


@contextmanager
def deployed_behind_proxies(folder: Path) -> Iterator[DeployedBehindProxies]:
    def simulated(cdn_url: str) -> SimulatedTelesign:
        return SimulatedTelesign(
            Options(calls=20, seed=4, history_hours=0.5, public_cdn_url=cdn_url, **ACCOUNT)
        )

    with (
        fronts(simulated) as opened,
        deployed_archive(
            opened.simulator,
            folder,
            archive_from=opened.simulator.options.history_end,
            provider_url=opened.api_url,
            transcript_grace_seconds=20,
        ) as deployed,
    ):
        ministack = deployed.ministack
        upstream = Upstream(
            url=lambda: ministack.endpoint_url, tells=of_aws, ca_bundle=ministack.ca_bundle, drip_seconds=0.3
        )
        opened.before_aws(
            upstream,
            Certificate(
                certificate=folder / "endpoint.crt", key=folder / "endpoint.key", bundle=ministack.ca_bundle
            ),
        )
        yield DeployedBehindProxies(deployed=deployed, fronts=opened)
