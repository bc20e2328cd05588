"""An AWS in memory whose ledger has the template's own schema, a simulated provider, and a scripted server."""

import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

import boto3
import pytest
from moto import mock_aws

from call_archive.calls import Call, RecordingFile, StoredObject
from call_archive.ledger import Ledger
from call_archive.queues import Queue
from infra.cdk_cli import cdk_environment
from infra.local.simulator import Options, SimulatedTelesign

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
REGION = "eu-central-1"
LINGER_ZERO = struct.pack("ii", 1, 0)  # closing then sends RST, not FIN

Ending = Literal["keep", "close", "reset", "silence"]
StartTelesign = Callable[..., SimulatedTelesign]
MakeCall = Callable[..., Call]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    pieces: tuple[bytes, ...]
    gap_seconds: float
    then: Ending


@dataclass(slots=True)
class RawServer:
    """Gives each request the next scripted answer, the last again and again; keeps what came, byte for byte."""

    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    pieces_sent: int = 0
    hung_up: threading.Event = field(default_factory=threading.Event)
    """Set when a client ends the connection during a silence."""
    _script: list[Answer] = field(default_factory=list)
    _socket: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    _open: list[socket.socket] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def says(self, *pieces: bytes, then: Ending = "keep", gap_seconds: float = 0) -> None:
        self._script.append(Answer(pieces=pieces, gap_seconds=gap_seconds, then=then))

    def answers(
        self,
        body: bytes = b"",
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        then: Ending = "keep",
    ) -> None:
        lines = [
            f"{name}: {value}"
            for name, value in ({"Content-Length": len(body)} | dict(headers or {})).items()
        ]
        head = "\r\n".join([f"HTTP/1.1 {status} x", *lines, "", ""]).encode()
        self.says(head + body, then=then)

    def targets(self) -> list[bytes]:
        return [request.split(b" ", 2)[1] for request in self.requests]

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_error: object) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._threads[0].join()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self._lock:
                    self.connections += 1
                self._open.append(connection)
                self._start(partial(self._serve, connection))

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            arrived = b""
            while True:
                while b"\r\n\r\n" not in arrived:
                    more = connection.recv(65536)
                    if not more:
                        return
                    arrived += more
                request, _, arrived = arrived.partition(b"\r\n\r\n")
                with self._lock:
                    self.requests.append(request)
                    answer = self._script[min(len(self.requests), len(self._script)) - 1]
                for piece in answer.pieces:
                    connection.sendall(piece)
                    self.pieces_sent += 1
                    time.sleep(answer.gap_seconds)
                if answer.then == "silence":
                    connection.recv(1)
                    self.hung_up.set()
                if answer.then == "reset":
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
                if answer.then != "keep":
                    return


@pytest.fixture
def raw_server() -> Iterator[RawServer]:
    with RawServer() as server:
        yield server


@pytest.fixture
def start_telesign() -> Iterator[StartTelesign]:
    """Starts a simulated Telesign whose clock stands at NOW, the end of its history."""
    with ExitStack() as running:

        def start(**options: Any) -> SimulatedTelesign:
            chosen: dict[str, Any] = {"history_end": NOW, "now": lambda: NOW} | options
            return running.enter_context(SimulatedTelesign(Options(**chosen)))

        yield start


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The stack as the app synthesizes it with the shipped settings, once for all of the run's processes."""
    own = tmp_path_factory.getbasetemp()
    out = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "shipped-stack"
    file = out / "CallArchive.template.json"
    with out.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            _synthesize(out)
    template: dict[str, Any] = json.loads(file.read_text())
    return template


def _synthesize(out: Path) -> None:
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    environment = cdk_environment() | {"CDK_OUTDIR": str(out), "CDK_CONTEXT_JSON": json.dumps(context)}
    subprocess.run(
        [sys.executable, "-m", "infra.app"], cwd=ROOT, env=environment, capture_output=True, check=True
    )


@pytest.fixture(scope="session")
def resources(template: dict[str, Any]) -> list[dict[str, Any]]:
    return list(template["Resources"].values())


@pytest.fixture(scope="session")
def table_properties(resources: list[dict[str, Any]]) -> dict[str, Any]:
    (table,) = (each for each in resources if each["Type"] == "AWS::DynamoDB::GlobalTable")
    properties: dict[str, Any] = table["Properties"]
    return properties


@pytest.fixture(scope="session")
def function_environments(resources: list[dict[str, Any]]) -> dict[str, dict[str, str]]:
    """What each function finds in its environment, by service; without the names of resources."""
    functions = [each["Properties"] for each in resources if each["Type"] == "AWS::Lambda::Function"]
    found = [function["Environment"]["Variables"] for function in functions]
    return {
        each["POWERTOOLS_SERVICE_NAME"]: {name: text for name, text in each.items() if isinstance(text, str)}
        for each in found
    }


@pytest.fixture(scope="session")
def boto3_session() -> boto3.Session:
    """One for all tests: it keeps the service models that it has read."""
    return boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, boto3_session: boto3.Session) -> Iterator[None]:
    """An empty AWS account in memory, and no trace of the caller's own."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", boto3_session)
    with mock_aws():
        yield


@pytest.fixture
def ledger(aws: None, table_properties: dict[str, Any]) -> Ledger:
    """The ledger on a table with the template's own keys and indexes."""
    del aws
    client = boto3.client("dynamodb")
    taken = ("KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes", "BillingMode")
    client.create_table(TableName="ledger", **{name: table_properties[name] for name in taken})
    return Ledger(client, "ledger")


@pytest.fixture
def make_queue(aws: None) -> Callable[[str], Queue]:
    del aws
    client = boto3.client("sqs")

    def make(name: str) -> Queue:
        return Queue(client, client.create_queue(QueueName=name)["QueueUrl"])

    return make


@pytest.fixture
def bodies() -> Callable[[Queue], list[dict[str, Any]]]:
    """Takes every message that lies in a queue."""

    def taken(queue: Queue) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while messages := queue.client.receive_message(QueueUrl=queue.url, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            found += [json.loads(message["Body"]) for message in messages]
        return found

    return taken


@pytest.fixture
def make_call() -> MakeCall:
    """A call with these files, by name; `status` and the like make its only one."""

    def make(reference_id: str = "CALL", **changes: Any) -> Call:
        recorded_at = changes.pop("recorded_at", NOW)
        files = changes.pop("files", None)
        if files is None:
            file: dict[str, Any] = {"recorded_at": recorded_at, "first_seen_at": NOW}
            names = ("status", "reason", "recording", "transcript")
            file |= {name: changes.pop(name) for name in names if name in changes}
            files = {f"{reference_id}.wav": RecordingFile(**file)}
        moments = {"first_listed_at": NOW, "due_at": NOW, "next_visit_at": NOW} | changes
        return Call(reference_id=reference_id, recorded_at=recorded_at, files=files, **moments)

    return make


@pytest.fixture
def stored() -> StoredObject:
    return StoredObject(
        key="recordings/2026/03/01/CALL/CALL.wav",
        size=44,
        sha256="ab" * 32,
        version_id="v1",
        archived_at=NOW,
    )
