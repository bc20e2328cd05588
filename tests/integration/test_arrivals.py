"""Calls that the provider adds while the archive runs, with no command given: the tick comes each minute."""

from datetime import UTC, datetime

from call_archive.model.call import FileStatus
from infra.simulator import TrueCall
from tests.integration.running_archive import RunningArchive, eventually


def arrivals(archive: RunningArchive) -> list[TrueCall]:
    end = archive.simulator.options.history_end
    return [call for call in archive.simulator.truth() if call.files[0].created_at > end]


def settled(archive: RunningArchive, calls: list[TrueCall]) -> bool:
    known = archive.ledger_of(calls)
    return all(
        call.reference_id in known
        and known[call.reference_id].settled
        and {file.file_name for file in call.files} <= known[call.reference_id].files.keys()
        for call in calls
    )


def test_a_call_that_arrives_later_is_archived_and_heard_of_once_with_no_command_given(
    archive: RunningArchive,
) -> None:
    calls = eventually(lambda: arrivals(archive)[:5])
    ids = {call.reference_id for call in calls}
    assert eventually(lambda: settled(archive, calls))
    keys = archive.keys(ids)
    assert archive.versions(ids) == dict.fromkeys(keys, 1)
    assert archive.heard_of(keys) == dict.fromkeys(keys, 1)


def test_a_call_that_is_listed_in_progress_is_visited_again_until_its_file_is_archived(
    archive: RunningArchive,
) -> None:
    def noted_in_progress() -> str | None:
        now = datetime.now(UTC)
        recording = [call for call in arrivals(archive) if call.files[-1].status_at(now) == "recording"]
        if recording:
            archive.tick()
        known = archive.ledger_of(recording)
        return next((name for name, call in known.items() if call.unnamed is not None), None)

    reference_id = eventually(noted_in_progress)
    assert reference_id is not None

    def archived() -> bool:
        call = archive.deployment.ledger.read(reference_id)
        files = [] if call is None or call.unnamed is not None else [*call.files.values()]
        return bool(files) and all(file.status is FileStatus.ARCHIVED for file in files)

    assert eventually(archived)


def test_status_reports_of_a_cursor_that_keeps_up(archive: RunningArchive) -> None:
    archive.tick()
    told = archive.command("status", "--json")
    assert told.returncode == 0
    assert '"cursor": "20' in told.stdout
