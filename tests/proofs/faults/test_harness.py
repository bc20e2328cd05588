"""The matrix can fail: bugs that it looks for are planted, and seen."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from call_archive import telemetry, wiring
from call_archive.model.backoff import MAX_CHAIN
from call_archive.model.call import FileStatus, StoredObject
from call_archive.model.message import VisitMessage
from call_archive.model.window import PendingWindow, Window
from call_archive.storage.bucket import Bucket
from call_archive.storage.ledger import Ledger
from call_archive.storage.queues import Queue
from infra.config import OLDEST_OPEN_CALL_ALARM_SECONDS
from infra.simulator import TrueFile
from tests.proofs.faults.acts import run
from tests.proofs.faults.cells import Cell, Dependency, Fault, cells, why_not
from tests.proofs.faults.checking import ALARMS, found_wrong, told
from tests.proofs.faults.stage import ACCOUNT, BEGIN, Stage
from tests.proofs.faults.world import CellWorld
from tests.proofs.observer import basic_credentials
from tests.proofs.planted import BUGS
from tests.proofs.stories import NOW, TWO_CALLS
from tests.synthesis import synthesized

API_KEY, BASIC = ACCOUNT["api_key"], basic_credentials(**ACCOUNT)
GIVEN_UP = Cell(dependency=Dependency.CALL, fault=Fault.ERROR_503)
TICKED = Cell(dependency=Dependency.GET_ITEM, fault=Fault.ERROR_503)


@pytest.fixture
def world(stage: Stage) -> Iterator[CellWorld]:
    """One in which everything is archived, and that was looked at."""
    world = CellWorld(stage)
    with world.opened():
        world.backfill()
        world.deliver_all()
        assert found_wrong(world, at_rest=True) == []
        yield world


def test_an_archive_that_believes_what_was_not_reported_is_caught(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put_nothing(_archive: Bucket, key: str, *_rest: object) -> StoredObject:
        return StoredObject(key=key, size=1, sha256="", version_id=None, archived_at=BEGIN)

    monkeypatch.setattr(Bucket, "_put", put_nothing)
    result = run(GIVEN_UP, stage)
    assert any(wrong.startswith("I5 ") for wrong in result.passing.wrong)


def test_windows_that_are_not_noted_are_caught(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ledger, "put_windows", lambda _ledger, _owed: None)
    result = run(TICKED, stage)
    assert {"I1", "I6", "lost:"} <= {wrong.split()[0] for wrong in result.passing.wrong}


@pytest.mark.parametrize("secret", [API_KEY, BASIC])
def test_a_secret_in_a_log_is_caught(stage: Stage, monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    from_above = Queue.send

    def leaky(queue: Queue, *messages: object, **options: object) -> None:
        print(secret)  # noqa: T201 - the planted leak
        from_above(queue, *messages, **options)  # type: ignore[arg-type]  # handed through

    monkeypatch.setattr(Queue, "send", leaky)
    result = run(Cell(dependency=Dependency.LIST, fault=Fault.ERROR_500), stage)
    assert any(wrong.startswith("I10 the log") for wrong in result.passing.wrong)


@pytest.mark.parametrize("name", [name for name, bug in BUGS.items() if bug.cell])
def test_a_planted_bug_is_caught_as_what_it_breaks(stage: Stage, name: str) -> None:
    bug = BUGS[name]
    assert bug.cell is not None
    with bug.plant():
        result = run(bug.cell, stage)
    wrong = {what.split()[0] for act in (result.passing, result.staying, result.healed) for what in act.wrong}
    assert bug.invariant in wrong


def test_a_loss_that_is_logged_and_not_counted_is_caught(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(telemetry.METRICS_BY_EVENT, "recording_failed")
    result = run(GIVEN_UP, stage)
    assert any(wrong.startswith("I13 ") for wrong in result.staying.wrong)
    assert not result.staying.told.alarms


def _forget_a_call(world: CellWorld) -> None:
    key = {"pk": {"S": f"call#{TWO_CALLS.calls[0].reference_id}"}}
    world.account.dynamodb.delete_item(TableName=world.account.table, Key=key)
    _pass_without_noting(world)


def _pass_without_noting(world: CellWorld) -> None:
    world.account.ledger.move_cursor(world.clock())


def _say_another_size(world: CellWorld) -> None:
    call = world.account.ledger.read(TWO_CALLS.calls[0].reference_id)
    assert call is not None
    ((name, file),) = call.files.items()
    assert file.recording is not None
    recording = replace(file.recording, size=file.recording.size + 1)
    assert world.account.ledger.write(replace(call, files={name: replace(file, recording=recording)}))


def _visit_without_end(world: CellWorld) -> None:
    call = world.account.ledger.read(TWO_CALLS.calls[0].reference_id)
    assert call is not None
    assert world.account.ledger.write(replace(call, visits=world.most_visits + 1))


def _put_another_over_it(world: CellWorld) -> None:
    """With its former version gone, so that only the earlier look tells."""
    s3, bucket, version = world.account.s3, world.account.bucket, world.versions[0]
    body = s3.get_object(Bucket=bucket, Key=version.key)["Body"].read()
    s3.delete_object(Bucket=bucket, Key=version.key, VersionId=version.version_id or "")
    s3.put_object(Bucket=bucket, Key=version.key, Body=body)


def _owe_a_window(world: CellWorld) -> None:
    window = Window(start=NOW, end=NOW)
    world.account.ledger.put_windows([PendingWindow(window=window, due_at=BEGIN, next_visit_at=BEGIN)])


def _send_on_and_on(world: CellWorld) -> None:
    wiring.fetch_queue().send([VisitMessage(reference_id="a call", hop=MAX_CHAIN + 1)])
    _purge(world)


def _send_a_secret(world: CellWorld) -> None:
    wiring.fetch_queue().send([VisitMessage(reference_id=BASIC)])
    _purge(world)


def _purge(world: CellWorld) -> None:
    """So that what was sent lies in no queue any more."""
    for message in world.account.receive("fetch", 10):
        world.account.delete("fetch", message)


def _leave_an_upload(world: CellWorld) -> None:
    world.account.s3.create_multipart_upload(Bucket=world.account.bucket, Key="half")


@pytest.mark.parametrize(
    ("plant", "told_as"),
    [
        (_forget_a_call, "I1"),
        (_forget_a_call, "lost:"),
        (_say_another_size, "I2"),
        (_put_another_over_it, "I4"),
        (_pass_without_noting, "I6"),
        (_visit_without_end, "I9"),
        (_send_on_and_on, "I9"),
        (_send_a_secret, "I10"),
        (_leave_an_upload, "I11"),
        (_owe_a_window, "I12"),
    ],
)
def test_what_is_planted_in_a_whole_archive_is_seen(
    world: CellWorld, plant: Callable[[CellWorld], None], told_as: str
) -> None:
    plant(world)
    assert told_as in {wrong.split()[0] for wrong in found_wrong(world, at_rest=True)}


def test_the_alarms_are_those_that_are_deployed() -> None:
    resources = synthesized()["Resources"].items()
    alarms = {
        name: each["Properties"] for name, each in resources if each["Type"] == "AWS::CloudWatch::Alarm"
    }
    deployed = {
        (alarm["MetricName"], alarm["Dimensions"][0]["Value"]): (name, alarm["Threshold"])
        for name, alarm in alarms.items()
        if alarm["Namespace"] == "CallArchive"
    }
    assert deployed.keys() == ALARMS.keys()
    for measured, (name, threshold) in ALARMS.items():
        assert name in deployed[measured][0]
        assert threshold == deployed[measured][1]


@pytest.mark.parametrize(("minutes", "raised"), [(0, set()), (1, {"OldestOpenCall"})])
def test_an_open_call_raises_its_alarm_after_a_day_and_no_sooner(
    world: CellWorld, minutes: int, raised: set[str]
) -> None:
    call = world.account.ledger.read(TWO_CALLS.calls[0].reference_id)
    assert call is not None
    files = {name: replace(file, status=FileStatus.RECORDING) for name, file in call.files.items()}
    assert world.account.ledger.write(replace(call, files=files))
    world.clock.advance(minutes=OLDEST_OPEN_CALL_ALARM_SECONDS / 60 + minutes)
    world.tick()
    assert told(world).alarms & {"OldestOpenCall"} == raised


def test_a_cell_is_run_or_there_is_a_reason_why_not() -> None:
    every = {Cell(dependency=dependency, fault=fault) for dependency in Dependency for fault in Fault}
    assert all(why_not(cell) for cell in every - set(cells()))


def test_all_that_a_cell_archives_is_there_when_it_begins() -> None:
    def ready(file: TrueFile) -> bool:
        transcribe = file.transcribe_at(BEGIN)
        return file.status_at(BEGIN) == "available" and bool(transcribe and transcribe["transcription"])

    files = [file for call in TWO_CALLS.calls for file in call.files]
    assert len(files) == 2
    assert all(map(ready, files))
