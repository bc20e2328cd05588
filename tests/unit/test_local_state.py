"""The record of what `local up` left running, and whether it still does."""

import stat
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from infra.errors import CommandError, InputError
from infra.local.embedded_aws.processes import Detached, is_running, start_detached, started_at, stop
from infra.local.state import Running, end, locked, read_running, state_folder, write_running

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def own_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    folder = tmp_path / "call-archive"
    folder.mkdir()
    return folder


def running(folder: Path, *processes: Detached) -> Running:
    return Running(
        endpoint_url="https://127.0.0.1:4566",
        ca_bundle=str(folder / "ca-bundle.pem"),
        region="us-east-1",
        stack="CallArchive",
        folder=str(folder),
        log_file=str(folder / "ministack.log"),
        provider_url="http://127.0.0.1:8080",
        recording_hosts=("127.0.0.1",),
        outputs={"Bucket": "b"},
        processes=processes,
    )


def sleeper(folder: Path, argv: list[str] = SLEEP) -> Detached:
    return start_detached(argv, env={}, log_file=folder / "log", folder=folder)


def test_the_state_folder_is_the_xdg_one(own_state: Path) -> None:
    assert state_folder() == own_state


def test_the_state_folder_is_in_the_home_without_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_STATE_HOME")
    assert state_folder() == Path.home() / ".local/state/call-archive"


def test_a_record_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    written = running(tmp_path, Detached(pid=1, started="2"))
    write_running(written)
    assert read_running() == written


def test_a_record_is_readable_by_its_owner_alone(own_state: Path, tmp_path: Path) -> None:
    write_running(running(tmp_path))
    assert stat.S_IMODE((own_state / "local.json").stat().st_mode) == 0o600


def test_without_a_record_nothing_is_running() -> None:
    assert read_running() is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"processes": [{"pid": "x"}]}'])
def test_a_damaged_record_is_reported_in_a_sentence(own_state: Path, text: str) -> None:
    (own_state / "local.json").write_text(text)
    with pytest.raises(CommandError, match="delete it"):
        read_running()


def test_a_process_is_reported_apart_from_one_that_reuses_its_number(tmp_path: Path) -> None:
    process = sleeper(tmp_path)
    try:
        assert is_running(process)
        assert not is_running(replace(process, started="another time"))
    finally:
        stop(process)


def test_a_reused_number_is_not_killed(tmp_path: Path) -> None:
    process = sleeper(tmp_path)
    stop(replace(process, started="another time"))
    assert is_running(process)
    stop(process)


def test_stopping_a_process_ends_its_children_too(tmp_path: Path) -> None:
    parent = sleeper(tmp_path, [sys.executable, "-c", PARENT])
    log = tmp_path / "log"
    while not (text := log.read_text()).endswith("\n"):
        assert is_running(parent)
    stop(parent)
    assert not is_running(parent)
    while started_at(int(text)) is not None:  # until it is gone, or only its remains are left
        pass


def test_an_archive_is_ready_only_while_all_of_its_processes_live(tmp_path: Path) -> None:
    one, two = sleeper(tmp_path), sleeper(tmp_path)
    record = running(tmp_path, one, two)
    assert record.is_ready
    stop(two)
    assert not record.is_ready
    stop(one)


def test_an_archive_without_outputs_is_not_ready(tmp_path: Path) -> None:
    process = sleeper(tmp_path)
    assert not replace(running(tmp_path, process), outputs={}).is_ready
    stop(process)


def test_ending_leaves_no_process_no_folder_and_no_record(own_state: Path) -> None:
    folder = own_state / "local-x"
    folder.mkdir()
    process = sleeper(folder)
    record = running(folder, process)
    write_running(record)
    end(record)
    assert not is_running(process)
    assert list(own_state.iterdir()) == []


def test_the_lock_makes_its_folder(own_state: Path) -> None:
    own_state.rmdir()
    with locked():
        assert own_state.is_dir()


def test_a_state_folder_that_cannot_be_made_is_reported_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(InputError, match="set XDG_STATE_HOME"), locked():
        pass
