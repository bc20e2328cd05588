"""The adapters twice: over an AWS with the template's own table, and over the models that simulations trust."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from call_archive.storage.bucket import Bucket
from call_archive.storage.queues import Queue
from tests.proofs.aws import Stack, account_in_memory
from tests.proofs.clock import Clock
from tests.proofs.models.archive import Archive as ModelArchive
from tests.proofs.models.ledger import Ledger as ModelLedger
from tests.proofs.models.queue import Queue as ModelQueue
from tests.proofs.models.steps import Steps
from tests.unit.factories import NOW

VISIBILITY_SECONDS, MAX_RECEIVES = 2, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    body: str
    delete: Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """What both have: the adapters, and the other end of the queue."""

    ledger: Any
    archive: Any
    queue: Any
    receive: Callable[[], list[Received]]
    dead: Callable[[], list[str]]
    passes: Callable[[float], None]
    """Lets so many seconds go by."""


@pytest.fixture(scope="session")
def stack() -> Stack:
    return replace(Stack.synthesized(), visibility_seconds=VISIBILITY_SECONDS, most_receives=MAX_RECEIVES)


@pytest.fixture
def on_aws(stack: Stack) -> Iterator[System]:
    clock = Clock(NOW)
    with account_in_memory(stack, {}, clock.timestamp) as account:

        def receive() -> list[Received]:
            return [
                Received(body=each["Body"], delete=partial(account.delete, "fetch", each))
                for each in account.receive("fetch", 10)
            ]

        yield System(
            ledger=account.ledger,
            archive=Bucket(account.s3, account.bucket, clock),
            queue=Queue(account.sqs, account.urls["fetch"]),
            receive=receive,
            dead=lambda: account.dead_letters()["fetch-dlq"],
            passes=lambda seconds: clock.advance(seconds=seconds),
        )


@pytest.fixture(params=["model", "aws"])
def system(request: pytest.FixtureRequest) -> System:
    if request.param == "model":
        return of_models()
    on_aws: System = request.getfixturevalue("on_aws")
    return on_aws


def of_models() -> System:
    clock, steps = Clock(NOW), Steps()
    queue = ModelQueue("fetch_queue", clock, steps, visibility=timedelta(seconds=VISIBILITY_SECONDS))
    return System(
        ledger=ModelLedger(clock, steps),
        archive=ModelArchive(clock, steps),
        queue=queue,
        receive=lambda: [
            Received(body=each.body, delete=partial(queue.delete, each)) for each in queue.receive(10)
        ],
        dead=lambda: list(queue.dead),
        passes=lambda seconds: clock.advance(seconds=seconds),
    )
