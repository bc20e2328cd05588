"""An AWS in memory whose ledger has the template's own schema, a simulated provider, and a scripted server."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from moto import mock_aws

from call_archive.model.call import Call, RecordingFile, StoredObject
from call_archive.storage.ledger import Ledger
from call_archive.storage.queues import Queue
from infra.simulator import Options, SimulatedTelesign
from tests.raw_server import RawServer
from tests.synthesis import properties_of, synthesized, table_of

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
REGION = "eu-central-1"

StartTelesign = Callable[..., SimulatedTelesign]
MakeCall = Callable[..., Call]


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
def template() -> dict[str, Any]:
    """The stack as the app synthesizes it with the shipped settings."""
    return synthesized()


@pytest.fixture(scope="session")
def table_properties(template: dict[str, Any]) -> dict[str, Any]:
    return table_of(template)


@pytest.fixture(scope="session")
def function_environments(template: dict[str, Any]) -> dict[str, dict[str, str]]:
    """What each function finds in its environment, by service; without the names of resources."""
    functions = properties_of(template, "AWS::Lambda::Function")
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
    with mock_aws():  # which takes the default session away
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", boto3_session)
        yield


@pytest.fixture
def ledger(aws: None, table_properties: dict[str, Any]) -> Ledger:
    """The ledger on a table with the template's own keys and indexes."""
    del aws
    client = boto3.client("dynamodb")
    client.create_table(TableName="ledger", **table_properties)
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
        moments = {"opened_at": NOW, "due_at": NOW, "next_visit_at": NOW} | changes
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
