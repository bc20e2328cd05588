"""The record of the archive that `local up` left running: one a user, and no secret in it."""

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from infra.connection import Connection
from infra.errors import CommandError, InputError
from infra.local.embedded_aws.processes import Detached, is_running, stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """An archive on this machine. Without outputs it is still coming up, or never did."""

    endpoint_url: str
    ca_bundle: str
    region: str
    stack: str
    folder: str
    log_file: str
    provider_url: str = ""
    recording_hosts: tuple[str, ...] = ()
    outputs: dict[str, str] = field(default_factory=dict)
    processes: tuple[Detached, ...] = ()

    @property
    def is_alive(self) -> bool:
        return bool(self.processes) and all(is_running(process) for process in self.processes)

    @property
    def connection(self) -> Connection:
        return Connection.to_local(
            endpoint_url=self.endpoint_url, ca_bundle=self.ca_bundle, region=self.region
        )

    @property
    def is_ready(self) -> bool:
        return bool(self.outputs) and self.is_alive


def state_folder() -> Path:
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "call-archive"


def read_running() -> Running | None:
    try:
        return _parse(json.loads(_record_file().read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CommandError(
            f"The record of the running local archive, {_record_file()}, cannot be read: "
            "end what it may have left running, delete it, and try again."
        ) from error


def write_running(running: Running) -> None:
    """Whole or not at all; readable by its owner alone."""
    handle, name = tempfile.mkstemp(dir=_record_file().parent, prefix=".local-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(asdict(running), file, indent=2)
    Path(name).replace(_record_file())


def end(running: Running) -> None:
    """Ends the processes of the record, removes what they wrote, and the record last."""
    for process in running.processes:
        stop(process)
    shutil.rmtree(running.folder, ignore_errors=True)
    _record_file().unlink(missing_ok=True)


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """One command at a time begins or ends the local archive; another waits its turn."""
    folder = state_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (folder / "local.lock").open("a")
    except OSError as error:
        raise InputError(
            f"{folder} cannot be written ({error.strerror}): set XDG_STATE_HOME to a folder that can."
        ) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _record_file() -> Path:
    return state_folder() / "local.json"


def _parse(record: dict[str, Any]) -> Running:
    processes = tuple(Detached(**process) for process in record.pop("processes"))
    hosts = tuple(record.pop("recording_hosts"))
    return Running(**record, processes=processes, recording_hosts=hosts)
