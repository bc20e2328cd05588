"""The matrix can fail: bugs that it looks for are planted, and seen."""

import pytest

from call_archive.archive import Archive
from call_archive.calls import StoredObject
from call_archive.ledger import Ledger
from call_archive.queues import Queue
from infra.local.simulator import TrueFile
from tests.faults.acts import run
from tests.faults.faults import Cell, Dependency, Fault, cells, why_not
from tests.faults.stage import API_KEY, BEGIN, Stage

UNNOTED = Cell(dependency=Dependency.BATCH_WRITE_ITEM, fault=Fault.PARTIAL)


def test_an_archive_that_believes_what_was_not_told_is_caught(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put_nothing(_archive: Archive, key: str, *_rest: object) -> StoredObject:
        return StoredObject(key=key, size=1, sha256="", version_id=None, archived_at=BEGIN)

    monkeypatch.setattr(Archive, "_put", put_nothing)
    result = run(Cell(dependency=Dependency.CALL, fault=Fault.ERROR_503), stage)
    assert any("archived without its object" in wrong for wrong in result.passing.wrong)


def test_windows_that_are_not_noted_are_caught(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ledger, "owe_windows", lambda _ledger, _owed: None)
    result = run(UNNOTED, stage)
    assert any("lost" in wrong or "missing" in wrong for wrong in result.passing.wrong)


def test_a_secret_in_a_log_is_caught(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    from_above = Queue.send

    def leaky(queue: Queue, *messages: object, **options: object) -> None:
        print(API_KEY)  # noqa: T201 - the planted leak
        from_above(queue, *messages, **options)  # type: ignore[arg-type]  # handed through

    monkeypatch.setattr(Queue, "send", leaky)
    result = run(Cell(dependency=Dependency.LIST, fault=Fault.ERROR_500), stage)
    assert any("a secret in the log" in wrong for wrong in result.passing.wrong)


def test_a_cell_is_run_or_there_is_a_reason_why_not() -> None:
    every = {Cell(dependency=dependency, fault=fault) for dependency in Dependency for fault in Fault}
    assert all(why_not(cell) for cell in every - set(cells()))


def test_all_that_a_cell_archives_is_there_when_it_begins(stage: Stage) -> None:
    stage.clock.moment = BEGIN

    def ready(file: TrueFile) -> bool:
        transcribe = file.transcribe_at(BEGIN)
        return file.status_at(BEGIN) == "available" and bool(transcribe and transcribe["transcription"])

    files = [file for call in stage.fronts.simulator.truth() for file in call.files]
    assert len(files) == 2
    assert all(map(ready, files))
