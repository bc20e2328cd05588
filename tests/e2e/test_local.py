"""`call-archive local` as a user runs it: commands in a shell, and what they leave behind."""

import base64
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.local.embedded_aws.ministack import start_ministack
from infra.local.embedded_aws.processes import is_running, stop
from tests.e2e.hostile_provider import NAMES, UNASKABLE, Hostile, audio, hostile_provider

CALL_ARCHIVE = str(Path(sys.executable).with_name("call-archive"))
CUSTOMER, API_KEY = "CUSTOMER", "a+key/of=="
DAY = "2025-06-07"
PATIENCE_SECONDS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """A user with a home and a folder for temporary files of their own."""

    folder: Path

    @property
    def env(self) -> dict[str, str]:
        own = {
            "XDG_STATE_HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "CALL_ARCHIVE_API_KEY": API_KEY,
        }
        return {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | own

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [CALL_ARCHIVE, *arguments]
        return subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=280, check=False)

    def json(self, *arguments: str) -> Any:
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def processes(self) -> list[str]:
        """The command lines of everything that runs out of its folder."""
        return [line for line in _command_lines() if str(self.folder) in line]


def _command_lines() -> Iterator[str]:
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it ended meanwhile
            continue


@pytest.fixture(scope="module")
def provider() -> Iterator[Hostile]:
    basic = base64.b64encode(f"{CUSTOMER}:{API_KEY}".encode()).decode()
    with hostile_provider(f"Basic {basic}") as provider:
        yield provider


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    return Shell(folder=tmp_path_factory.mktemp("shell"))


@pytest.fixture(scope="module")
def up(shell: Shell, provider: Hostile) -> Iterator[dict[str, Any]]:
    try:
        yield shell.json("local", "up", "--provider-url", provider.url, "--customer-id", CUSTOMER)
    finally:
        shell.run("local", "down")


@pytest.fixture(scope="module")
def found(shell: Shell, up: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every recording of the day, once all that can be archived is (or the patience is over)."""
    del up
    shell.json("backfill", DAY, DAY)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        records = {each["reference_id"]: each for each in shell.json("find", "--start", DAY, "--end", DAY)}
        archived = [name for name, each in records.items() if each["status"] == "archived"]
        if len(archived) == len(NAMES) - 1 or time.monotonic() > deadline:
            return records


def test_up_says_where_everything_is(up: dict[str, Any]) -> None:
    expected = {"endpoint_url", "ca_bundle", "region", "stack", "bucket", "table", "consumers"}
    expected |= {"fetch_queue_url", "fetch_dlq_url", "windows_queue_url"}
    assert expected <= up.keys()
    assert Path(up["ca_bundle"]).is_file()
    assert up["consumers"]
    assert API_KEY not in str(up)


def test_twice_up_is_one_up(shell: Shell, up: dict[str, Any], provider: Hostile) -> None:
    before = len(shell.processes())
    again = shell.json("local", "up", "--provider-url", provider.url, "--customer-id", CUSTOMER)
    assert again == up
    assert len(shell.processes()) == before


def test_up_for_another_provider_is_refused_while_one_runs(shell: Shell, up: dict[str, Any]) -> None:
    del up
    refused = shell.run("local", "up", "--provider-url", "http://127.0.0.1:9", "--customer-id", CUSTOMER)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "local down" in refused.stderr


@pytest.mark.parametrize("number", range(len(NAMES)))
def test_a_recording_of_any_name_is_archived_as_it_was_served(
    found: dict[str, dict[str, Any]], number: int
) -> None:
    reference_id, file_name = NAMES[number]
    record = found[reference_id]
    assert record["file_name"] == file_name
    if reference_id == UNASKABLE:
        assert record["status"] in {"recording", "failed"}
        assert record["reason"]
        return
    assert record["status"] == "archived"
    assert record["sha256"] == hashlib.sha256(audio(file_name)).hexdigest()
    assert re.fullmatch(r"recordings/2025/06/07/[A-Za-z0-9_.%~-]+/[A-Za-z0-9_.%~-]+", record["key"])
    assert not {".", ".."} & set(record["key"].split("/"))
    assert record["transcript"]["status"] == "archived"


def test_no_download_from_another_provider_carries_credentials(
    found: dict[str, dict[str, Any]], provider: Hostile
) -> None:
    del found
    assert provider.authorized_downloads == []


def test_down_ends_what_up_began_and_only_that(tmp_path: Path) -> None:
    neighbour = tmp_path / "neighbour"
    neighbour.mkdir()
    own = Shell(folder=tmp_path / "own")
    own.folder.mkdir()
    other = start_ministack(neighbour)
    try:
        own.json("local", "up")
        down = own.run("local", "down")
        assert (down.returncode, own.processes()) == (0, [])
        assert is_running(other.process)
        assert "No local archive" in own.run("local", "down").stdout
    finally:
        own.run("local", "down")
        stop(other.process)


def test_the_demonstration_finds_everything_as_it_was_served(tmp_path: Path) -> None:
    own = Shell(folder=tmp_path)
    done = own.run("local", "--calls", "12", "--seed", "3")
    assert done.returncode == 0, done.stderr
    found = dict(re.findall(r"│ (\w[\w ]*?) +│ +([\d.]+)", done.stdout))
    assert [found[fault] for fault in ("missing", "altered", "extra")] == ["0", "0", "0"]
    assert found["calls"] == "12"
    assert (own.processes(), [*tmp_path.glob("call-archive-*")]) == ([], [])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_demonstration_that_is_stopped_leaves_nothing_behind(
    tmp_path: Path, number: signal.Signals
) -> None:
    own = Shell(folder=tmp_path)
    with subprocess.Popen(
        [CALL_ARCHIVE, "local"],
        env=own.env,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        next(line for line in process.stderr if "Starting MiniStack" in line)
        assert own.processes()
        process.send_signal(number)
        assert "Stopped" in process.stderr.read()
    assert process.returncode == 128 + number
    assert (own.processes(), [*tmp_path.glob("call-archive-*")]) == ([], [])
