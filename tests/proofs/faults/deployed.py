"""The deployed functions behind the proxies: real Lambdas, real time, every fault of AWS at once."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from call_archive.list_window import enqueue_windows
from call_archive.model.window import cut
from infra.local.demo.comparison import Comparison, compare
from infra.verification.invariants import violations
from tests.proofs.faults.cells import WRITES, Dependency, Fault
from tests.proofs.faults.observer import sent
from tests.proofs.faults.stage import SECRETS, Stage
from tests.proofs.observer import observed, served, spoken

FAULTS = (Fault.THROTTLE, Fault.ERROR_503, Fault.RESET)
SERVICES = ("S3 PutObject", "DynamoDB", "SQS", "Secrets")
PATIENCE_SECONDS = 240.0
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


def put_proxies_before(stage: Stage) -> None:
    functions = stage.deployment.connection.client("lambda")
    names = {"lister": stage.deployment.lister_function, "fetcher": stage.deployment.fetcher_function}
    for service, name in names.items():
        variables = {
            **stage.functions[service],
            "AWS_ENDPOINT_URL": stage.deployed.aws_url,
            "LEASE_SECONDS": LEASE_SECONDS,
        }
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
    for url in (stage.deployment.fetch_queue_url, stage.deployment.windows_queue_url):
        stage.clients["sqs"].set_queue_attributes(
            QueueUrl=url, Attributes={"VisibilityTimeout": VISIBILITY_SECONDS}
        )


def archive_everything(stage: Stage) -> list[str]:
    """What is still owed when all is done, or the patience over."""
    for dependency, fault in planned():
        stage.deployed.plan.add(dependency, fault, 1)
    put_proxies_before(stage)
    end = stage.deployed.simulator.options.history_end
    windows = cut(end.replace(microsecond=0) - timedelta(hours=1), end.replace(microsecond=0), recheck=True)
    deployment = stage.deployment
    queue = deployment.queue(deployment.windows_queue_url)
    enqueue_windows(windows, ledger=deployment.ledger, queue=queue, now=end)
    deadline = time.monotonic() + PATIENCE_SECONDS
    functions = deployment.connection.client("lambda")
    while (left := [*pending(stage), *unmet(stage)]) and time.monotonic() < deadline:
        functions.invoke(FunctionName=deployment.lister_function, Payload=b'{"kind": "tick"}')
        time.sleep(1)
    return left


def pending(stage: Stage) -> list[str]:
    """A call may get another file after it was settled: settled before that is not settled."""
    truth = {call.reference_id: call.files for call in stage.deployed.simulator.truth()}
    known = stage.deployment.ledger.read_many(truth)
    return [
        name
        for name, files in truth.items()
        if name not in known
        or not known[name].settled
        or not {file.file_name for file in files} <= known[name].files.keys()
    ]


def unmet(stage: Stage) -> list[str]:
    return [
        f"{dependency} - {fault}"
        for dependency, fault in planned()
        if not stage.deployed.plan.injected[dependency, fault]
    ]


def compared(stage: Stage) -> Comparison:
    simulator = stage.deployed.simulator
    return compare(stage.deployment, simulator.truth(), simulator.options.now())


def found_wrong(stage: Stage) -> list[str]:
    """By the checker of the invariants. Not as at rest: calls go on arriving."""
    simulator, plan = stage.deployed.simulator, stage.deployed.plan
    secrets = (*SECRETS, *spoken(simulator.truth()))
    seen = observed(stage.deployment, at_rest=False, secrets=secrets)
    texts = [*seen.texts, *(("a message", request) for request in plan.sent)]
    seen = replace(seen, texts=texts, messages=sent(plan))
    # Later than the look, which may have met what is new.
    truth = served(simulator.truth(), simulator.options.now())
    return [str(violation) for violation in violations(truth, seen)]
