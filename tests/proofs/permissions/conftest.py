"""One stack for all of the folder, deployed once, under enforced IAM."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from infra.local.demo.demonstration import HeldClock
from infra.simulator import Options, SimulatedTelesign
from tests.proofs.deployed import deployed_archive
from tests.proofs.permissions.enforced_stack import EnforcedStack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.simulator import TrueCall

CALLS = 100
TICKED = 15
"""The newest calls, which the tick finds; the others are listed when a test asks for them."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """First what is refused, with nothing going on by itself; then what heals, with nobody acting."""
    last = ["test_not_asked.py", "test_sufficient.py"]
    items.sort(key=lambda item: last.index(item.path.name) + 1 if item.path.name in last else 0)


@pytest.fixture(scope="session")
def clock() -> HeldClock:
    """The provider's time stands still until the archive runs by itself, so that late transcripts are late."""
    return HeldClock()


@pytest.fixture(scope="session")
def passing_time(clock: HeldClock) -> None:
    """From the first test that lets the archive run by itself: its own clock does not stand still."""
    clock.release()


@pytest.fixture(scope="session")
def simulator(clock: HeldClock) -> Iterator[SimulatedTelesign]:
    options = Options(calls=CALLS, seed=5, history_hours=1, empty_is_404=True, history_end=clock(), now=clock)
    with SimulatedTelesign(options) as simulator:
        yield simulator


@pytest.fixture(scope="session")
def stack(
    simulator: SimulatedTelesign, clock: HeldClock, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EnforcedStack]:
    calls = simulator.truth()
    of_second = Counter(file.created_at for call in calls for file in call.files)
    archive_from = calls[-TICKED].files[0].created_at
    with deployed_archive(
        simulator,
        tmp_path_factory.mktemp("enforced"),
        archive_from=archive_from,
        transcript_grace_seconds=15,
        enforce_iam=True,
    ) as deployed:
        stack = EnforcedStack(
            deployment=deployed.deployment,
            simulator=simulator,
            clock=clock,
            # Each alone in its second: to list one of them lists no other.
            fresh=[
                call.files[0]
                for call in calls[:-TICKED]
                if is_plain(call, clock) and of_second[call.files[0].created_at] == 1
            ],
            archive_from=archive_from,
        )
        stack.prepare()
        yield stack


def is_plain(call: TrueCall, clock: HeldClock) -> bool:
    """One file, there to be downloaded, with a transcript that is complete."""
    (file, *others) = call.files
    transcribe = file.transcribe_at(clock())
    complete = transcribe is not None and [e["status"] for e in transcribe["transcription"]] == ["completed"]
    return not others and complete and file.status_at(clock() + timedelta(hours=1)) == "available"
