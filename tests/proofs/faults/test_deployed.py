"""The faults of AWS again, through the stack as it is deployed."""

from collections.abc import Iterator

import pytest

from tests.proofs.faults.deployed import PATIENCE_SECONDS, DeployedBehindProxies, deployed_behind_proxies
from tests.proofs.observer import credentials, logs

pytestmark = pytest.mark.timeout(2 * PATIENCE_SECONDS)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeployedBehindProxies]:
    with deployed_behind_proxies(tmp_path_factory.mktemp("deployed")) as archive:
        yield archive


@pytest.fixture(scope="module")
def left(archive: DeployedBehindProxies) -> list[str]:
    """What was still owed, or not met, in the end."""
    return archive.archive_everything()


def test_every_fault_is_met_and_every_call_is_settled(left: list[str]) -> None:
    assert left == []


def test_every_object_is_there_once_and_as_it_was_served(
    archive: DeployedBehindProxies, left: list[str]
) -> None:
    del left
    found = archive.compared()
    assert (found.missing, found.altered, found.extra) == ((), (), ())


def test_no_invariant_is_violated(archive: DeployedBehindProxies, left: list[str]) -> None:
    del left
    assert archive.fronts.plan.record.messages
    assert archive.found_wrong() == []


def test_no_upload_is_left_halfway(archive: DeployedBehindProxies, left: list[str]) -> None:
    del left
    assert archive.account.uploads() == []


def test_no_log_of_the_functions_holds_a_secret(archive: DeployedBehindProxies, left: list[str]) -> None:
    del left
    told = "\n".join(logs(archive.deployed.deployment))
    assert "recording_archived" in told
    assert not [secret for secret in credentials(archive.fronts.simulator.options) if secret in told]
