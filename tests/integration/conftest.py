"""One archive for all of the folder: a real deployment takes a while, and its parts do not disturb one another."""

import contextlib
import itertools
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from infra.local.deploy import STACK
from infra.local.embedded_aws.ministack import REGION
from infra.local.state import Running, locked, write_running
from infra.simulator import Fault, Options, SimulatedTelesign, TrueCall, TrueFile
from tests.integration.running_archive import (
    CALL_ARCHIVE,
    PATIENCE_SECONDS,
    SECOND,
    RunningArchive,
    Slice,
    Troubled,
)
from tests.proofs.deployed import deployed_archive

CUSTOMER, API_KEY = "CANARY-5A1F0C3E-CUSTOMER", "Q0FOQVJZ+canary/key+7b2d4e96=="
WRONG_KEY = "CANARY-wrong-key=="
GRACE_SECONDS = 20
"""The simulated provider's late transcripts take up to fifteen."""

PARTS = {"history": 60, "troubled": 120, "repeated": 20, "refused": 15, "malformed": 15, "recent": 10}
"""Calls of each part; the troubled one is longer than a page."""

HEALING = [
    Fault(where="call", kind="429", times=2, retry_after=3),
    Fault(where="call", kind="500", times=2),
    Fault(where="call", kind="503", times=1, retry_after=2),
    Fault(where="call", kind="401", times=1),
    Fault(where="call", kind="reset", times=2),
    Fault(where="call", kind="reset_midway", times=1),
    Fault(where="call", kind="timeout", times=1, seconds=2),
    Fault(where="call", kind="bad_json", times=2),
    Fault(where="call", kind="html", times=1),
    Fault(where="call", kind="empty", times=1),
    Fault(where="download", kind="expired_link", times=2),
    Fault(where="download", kind="429", times=1, retry_after=2),
    Fault(where="download", kind="500", times=2),
    Fault(where="download", kind="503", times=1, retry_after=2),
    Fault(where="download", kind="short_body", times=2),
    Fault(where="download", kind="reset", times=2),
    Fault(where="download", kind="reset_midway", times=1),
    Fault(where="download", kind="no_length", times=1),
    Fault(where="download", kind="long_body", times=1),
    Fault(where="download", kind="drip", times=1, seconds=2),
    Fault(where="download", kind="html", times=1),
    Fault(where="download", kind="wrong_bytes", times=1),
    Fault(where="download", kind="empty", times=1),
]
"""One call for each."""

LISTING = [
    Fault(where="list", kind="429", times=1, retry_after=2),
    Fault(where="list", kind="500", times=1),
    Fault(where="list", kind="bad_json", times=1),
    Fault(where="list", kind="expired_token", times=1),
    Fault(where="list", kind="repeated_token", times=1),
]

MALFORMED = [
    "not json",
    "[]",
    '{"reference_id": 5}',
    '{"reference_id": ""}',
    '{"reference_id": "A", "hop": -1}',
]
"""Bodies of messages that are none of ours."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long goes on beside the rest, wrong credentials would prolong it, secrets are looked for last."""
    last = [
        "test_fault_recovery.py",
        "test_recovery.py",
        "test_arrivals.py",
        "test_secrets.py",
        "test_proof.py",
    ]
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(3 * PATIENCE_SECONDS))
    items.sort(key=lambda item: last.index(item.path.name) + 1 if item.path.name in last else 0)


@pytest.fixture(scope="session")
def simulator() -> Iterator[SimulatedTelesign]:
    options = Options(
        calls=sum(PARTS.values()),
        seed=11,
        history_hours=1,
        arrivals_per_minute=8,
        customer_id=CUSTOMER,
        api_key=API_KEY,
        empty_is_404=True,
    )
    with SimulatedTelesign(options) as simulator:
        yield simulator


@pytest.fixture(scope="session")
def up(simulator: SimulatedTelesign, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningArchive]:
    folder, home = tmp_path_factory.mktemp("stack"), tmp_path_factory.mktemp("state")
    parts = cut_into_parts(simulator)
    with deployed_archive(
        simulator,
        folder,
        archive_from=simulator.options.history_end + SECOND,
        transcript_grace_seconds=GRACE_SECONDS,
    ) as deployed:
        ministack = deployed.ministack
        running = Running(
            endpoint_url=ministack.endpoint_url,
            ca_bundle=str(ministack.ca_bundle),
            region=REGION,
            stack=STACK,
            folder=str(folder),
            log_file=str(ministack.log_file),
            provider_url=deployed.plan.provider.url,
            outputs=deployed.outputs,
            processes=(ministack.process,),
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_STATE_HOME", str(home))
            with locked():
                write_running(running)
        yield RunningArchive(
            deployment=deployed.deployment,
            simulator=simulator,
            parts=parts,
            env=shell(home),
            log_file=ministack.log_file,
        )


@pytest.fixture(scope="session")
def troubled(up: RunningArchive, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Troubled]:
    """Begun with the archive: five tries of a hopeless file take over a minute, in which other tests run."""
    part = up.parts["troubled"]
    *healing, hopeless = plain_files(up.simulator, part)[: len(HEALING) + 1]
    faults = tuple(aimed(fault, file) for fault, file in zip(HEALING, healing, strict=True))
    endless = Fault(where="download", kind="html", reference_id=hopeless.reference_id)
    for fault in (*faults, endless, *LISTING):
        up.simulator.faults.add(fault)
    output = tmp_path_factory.mktemp("troubled") / "outcome.json"
    with output.open("wb") as standard_output:
        command = [CALL_ARCHIVE, "backfill", *part.arguments, "--wait", "--json"]
        backfill = subprocess.Popen(command, env=up.env, stdout=standard_output, stderr=subprocess.DEVNULL)
    with backfill, contextlib.ExitStack() as ending:
        ending.callback(backfill.kill)
        yield Troubled(
            part=part,
            healing=tuple(healing),
            faults=faults,
            hopeless=hopeless,
            backfill=backfill,
            output=output,
        )


@pytest.fixture(scope="session")
def archive(up: RunningArchive, troubled: Troubled) -> RunningArchive:
    """The archive with trouble under way in one part of its history: the others must not feel it."""
    del troubled
    return up


def cut_into_parts(simulator: SimulatedTelesign) -> dict[str, Slice]:
    end = simulator.options.history_end.replace(microsecond=0)
    calls = [call for call in simulator.truth() if call.files[0].created_at <= end]
    firsts = [0, *itertools.accumulate(PARTS.values())][:-1]
    starts = [calls[first].files[0].created_at for first in firsts]
    ends = [start - SECOND for start in starts[1:]] + [end]
    return {name: Slice(start=start, end=stop) for name, start, stop in zip(PARTS, starts, ends, strict=True)}


def plain_files(simulator: SimulatedTelesign, part: Slice) -> list[TrueFile]:
    def is_plain(call: TrueCall) -> bool:
        (file, *others) = call.files
        return not others and part.holds(file) and file.deleted_at is None

    return [call.files[0] for call in simulator.truth() if is_plain(call)]


def aimed(fault: Fault, file: TrueFile) -> Fault:
    return replace(fault, reference_id=file.reference_id)


def shell(home: Path) -> dict[str, str]:
    """An operator's, in which the archive is found by itself."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return kept | {"XDG_STATE_HOME": str(home)}
