"""Faults of the provider, switched on from the start: they heal by themselves, or end with a reason."""

import pytest

from infra.simulator import Fault
from tests.integration.conftest import HEALING, LISTING
from tests.integration.running_archive import RunningArchive, Troubled

TRIES = 5


def named(fault: Fault) -> str:
    return f"{fault.where}-{fault.kind}"


@pytest.mark.parametrize("fault", LISTING, ids=named)
def test_a_fault_of_the_list_was_met_as_often_as_it_was_switched_on(
    archive: RunningArchive, troubled: Troubled, fault: Fault
) -> None:
    troubled.outcome()
    assert archive.simulator.faults.injected_faults[fault] == fault.times


@pytest.mark.parametrize("number", range(len(HEALING)), ids=map(named, HEALING))
def test_a_fault_that_ends_leaves_its_call_archived(
    archive: RunningArchive, troubled: Troubled, number: int
) -> None:
    troubled.outcome()
    fault, file = troubled.faults[number], troubled.healing[number]
    # A call whose fault was never met would be archived anyway.
    assert archive.simulator.faults.injected_faults[fault] == fault.times
    (call,) = archive.ledger_of([file]).values()
    recording = call.files[file.file_name].recording
    assert recording is not None
    assert recording.sha256 == file.sha256


def test_faults_spoil_no_object_and_lose_none(archive: RunningArchive, troubled: Troubled) -> None:
    troubled.outcome()
    compared = archive.compared(troubled.part)
    assert [key for key in compared.missing if troubled.hopeless.file_name not in key] == []
    assert (compared.altered, compared.extra) == ((), ())


def test_a_listing_longer_than_a_page_is_read_to_its_end_though_its_tokens_went_stale(
    archive: RunningArchive, troubled: Troubled
) -> None:
    troubled.outcome()
    files = archive.files(troubled.part)
    assert len(files) > 100
    assert archive.ledger_of(files).keys() == {file.reference_id for file in files}


def test_a_file_that_is_no_recording_fails_alone_with_a_reason(troubled: Troubled) -> None:
    outcome = troubled.outcome()
    assert troubled.backfill.returncode == 1
    assert [each["reference_id"] for each in outcome["failed"]] == [troubled.hopeless.reference_id]
    assert "html" in outcome["failed"][0]["reason"]


def test_a_file_that_is_no_recording_is_asked_for_five_times(
    archive: RunningArchive, troubled: Troubled
) -> None:
    troubled.outcome()
    paths = [request.path for request in archive.simulator.requests if request.server == "cdn"]
    assert sum(troubled.hopeless.file_name in path for path in paths) == TRIES


def test_find_reports_that_and_why_a_file_failed(archive: RunningArchive, troubled: Troubled) -> None:
    troubled.outcome()
    found = {each["file_name"]: each for each in archive.find(troubled.part)}
    failed = found[troubled.hopeless.file_name]
    assert (failed["status"], failed["key"]) == ("failed", None)
    assert "html" in failed["reason"]
