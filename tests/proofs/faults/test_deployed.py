"""The faults of AWS again, through the stack as it is deployed."""

import pytest

from tests.proofs.faults import deployed
from tests.proofs.faults.stage import SECRETS, Stage
from tests.proofs.observer import logs


@pytest.fixture(scope="module")
def left(stage: Stage) -> list[str]:
    """What was still owed, or not met, in the end."""
    return deployed.archive_everything(stage)


def test_every_fault_is_met_and_every_call_is_settled(left: list[str]) -> None:
    assert left == []


def test_every_object_is_there_once_and_as_it_was_served(stage: Stage, left: list[str]) -> None:
    del left
    found = deployed.compared(stage)
    assert (found.missing, found.altered, found.extra) == ((), (), ())


def test_no_invariant_is_violated(stage: Stage, left: list[str]) -> None:
    del left
    assert stage.deployed.plan.sent
    assert deployed.found_wrong(stage) == []


def test_no_upload_is_left_halfway(stage: Stage, left: list[str]) -> None:
    del left
    assert not stage.clients["s3"].list_multipart_uploads(Bucket=stage.deployment.bucket).get("Uploads")


def test_no_log_of_the_functions_holds_a_secret(stage: Stage, left: list[str]) -> None:
    del left
    told = "\n".join(logs(stage.deployment))
    assert "recording_archived" in told
    assert not [secret for secret in SECRETS if secret in told]
