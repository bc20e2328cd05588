"""The two entries: what they do with an event, what they tell of it, and that importing them does nothing."""

from __future__ import annotations

import base64
import inspect
import io
import json
import re
import subprocess
import sys
import threading
import time
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from itertools import pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from aws_lambda_powertools import Logger, Metrics
from botocore.awsrequest import AWSResponse, HTTPHeaders
from botocore.exceptions import ClientError, EndpointConnectionError
from moto.core.botocore_stubber import MockRawResponse

from call_archive import fetcher, lister, telemetry, wiring
from call_archive.errors import ConfigError, RetryableError, SchemaError
from call_archive.model.call import Call, FileStatus, RecordingFile
from call_archive.model.message import WindowMessage
from call_archive.model.window import SECOND, PendingWindow, Window
from call_archive.provider import download as downloads
from call_archive.provider.client import Telesign
from call_archive.storage.aws_client import aws_client
from call_archive.storage.ledger import Ledger
from call_archive.storage.ledger_items import SCHEMA
from infra.simulator import Fault
from tests.debugging import logged_at_debug
from tests.raw_server import RawServer
from tests.synthesis import properties_of
from tests.unit.factories import NOW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from call_archive.storage.queues import Queue
    from infra.simulator import SimulatedTelesign, TrueCall
    from tests.unit.conftest import MakeCall, StartTelesign

CONTEXT = SimpleNamespace(aws_request_id="request-1", get_remaining_time_in_millis=lambda: 600_000)
CACHED: Any = (
    wiring.settings,
    wiring.ledger,
    wiring.fetch_queue,
    wiring.windows_queue,
    wiring.telesign,
    wiring._sqs,
    telemetry.logger,
    telemetry.metrics,
    telemetry.limit_library_logs,
    lister.list_deps,
    lister.tick_deps,
    fetcher.visit_deps,
    fetcher.workers,
)


class RawResponse(io.BytesIO):
    """An empty body, as botocore reads one."""

    def stream(self, **_options: object) -> Iterator[bytes]:
        yield from ()


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    provider: SimulatedTelesign
    ledger: Ledger
    fetch_queue: Queue
    windows_queue: Queue
    log: io.StringIO

    def told(self, event: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.log.getvalue().splitlines()]
        return [line for line in lines if line["message"] == event]


@pytest.fixture
def uncached() -> Iterator[None]:
    """The entries as in a new execution environment; its threads and connections end with the test."""
    for cached in CACHED:
        cached.cache_clear()
    Metrics().clear_metrics()  # Powertools keeps what is not written yet in the class
    yield
    if fetcher.workers.cache_info().currsize:
        fetcher.workers().shutdown()
    for cached in CACHED:
        cached.cache_clear()


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    opened: list[downloads._Connection] = []

    class Kept(downloads._Connection):
        def connect(self) -> None:
            super().connect()
            opened.append(self)

    monkeypatch.setattr(downloads, "_Connection", Kept)
    yield
    for connection in opened:
        connection.close()


@pytest.fixture
def world(
    uncached: None,
    connections: None,
    start_telesign: StartTelesign,
    ledger: Ledger,
    make_queue: Callable[[str], Queue],
    function_environments: dict[str, dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> World:
    """What an entry finds deployed: the fetcher's environment from the template, the rest in memory; two days to list."""
    del uncached, connections
    provider = start_telesign()
    fetch_queue, windows_queue = make_queue("fetch"), make_queue("windows")
    location: Any = {"LocationConstraint": "eu-central-1"}
    boto3.client("s3").create_bucket(Bucket="bucket", CreateBucketConfiguration=location)
    secret = {"customer_id": provider.options.customer_id, "api_key": provider.options.api_key}
    boto3.client("secretsmanager").create_secret(Name="secret", SecretString=json.dumps(secret))
    for name, text in {
        **function_environments["fetcher"],
        "TABLE_NAME": ledger.table,
        "BUCKET_NAME": "bucket",
        "FETCH_QUEUE_URL": fetch_queue.url,
        "WINDOWS_QUEUE_URL": windows_queue.url,
        "SECRET_ID": "secret",
        "PROVIDER_URL": provider.api_url,
        "REQUESTS_PER_SECOND": "1000",
        "ARCHIVE_FROM": "2026-02-27T12:00:00",
    }.items():
        monkeypatch.setenv(name, text)
    monkeypatch.setattr(wiring, "now", provider.options.now)
    log = io.StringIO()
    logger = Logger(service=f"test-{id(log)}", location=None, stream=log, level="INFO")
    monkeypatch.setattr(telemetry, "logger", lambda: logger)
    return World(
        provider=provider, ledger=ledger, fetch_queue=fetch_queue, windows_queue=windows_queue, log=log
    )


def records(*bodies: str) -> dict[str, Any]:
    return {
        "Records": [
            {
                "messageId": f"m{number}",
                "receiptHandle": "r",
                "body": body,
                "attributes": {},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-central-1:1:fetch",
                "awsRegion": "eu-central-1",
            }
            for number, body in enumerate(bodies)
        ]
    }


def failed(answer: dict[str, Any]) -> list[str]:
    return [each["itemIdentifier"] for each in answer["batchItemFailures"]]


def visit_of(reference_id: str) -> str:
    return json.dumps({"reference_id": reference_id, "hop": 0})


def a_plain_call(world: World, call: MakeCall) -> str:
    """A call of available files that the ledger holds as open; no transcript, whose checksum moto leaves out."""
    now = world.provider.options.now()
    truth = next(
        each
        for each in world.provider.truth()
        if {(file.status_at(now), file.transcribe_at(now) is None) for file in each.files}
        == {("available", True)}
    )
    unnamed = RecordingFile(recorded_at=now, first_seen_at=now, reason="not visited yet")
    world.ledger.write(call(truth.reference_id, files={}, unnamed=unnamed))
    return truth.reference_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """As CloudWatch finds it in the log; https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html"""

    namespace: str
    service: str
    name: str
    unit: str = "Count"


def written(text: str) -> dict[Metric, list[float]]:
    """The values of each metric, over all lines; it has the one dimension that alarms look for."""
    values: dict[Metric, list[float]] = {}
    for line in text.splitlines():
        if line.startswith("{") and "_aws" in (document := json.loads(line)):
            (directive,) = document["_aws"]["CloudWatchMetrics"]
            assert directive["Dimensions"] == [["service"]]
            for each in directive["Metrics"]:
                metric = Metric(
                    namespace=directive["Namespace"],
                    service=document["service"],
                    name=each["Name"],
                    unit=each["Unit"],
                )
                values.setdefault(metric, []).extend(document[metric.name])
    return values


def metrics(text: str) -> dict[str, list[float]]:
    """By name alone."""
    return {metric.name: values for metric, values in written(text).items()}


MALFORMED = [
    "",
    "no json",
    "[]",
    "{}",
    '{"reference_id": ""}',
    '{"reference_id": 7}',
    '{"reference_id": "A", "hop": -1}',
    '{"reference_id": "A", "hop": "x"}',
    '{"start": "2026", "end": "2026"}',
    '{"start": "2026-03-02T00:00:00", "end": "2026-03-01T00:00:00"}',
]


# --- The fetcher


def test_a_visit_archives_its_call(world: World, make_call: MakeCall) -> None:
    reference_id = a_plain_call(world, make_call)
    assert failed(fetcher.handler(records(visit_of(reference_id)), CONTEXT)) == []
    call = world.ledger.read(reference_id)
    assert call
    assert {file.status for file in call.files.values()} == {FileStatus.ARCHIVED}
    truth = next(each for each in world.provider.truth() if each.reference_id == reference_id)
    assert {file.recording.sha256 for file in call.files.values() if file.recording} == {
        file.sha256 for file in truth.files
    }


@pytest.mark.parametrize("body", MALFORMED)
def test_a_malformed_visit_fails_alone(world: World, make_call: MakeCall, body: str) -> None:
    reference_id = a_plain_call(world, make_call)
    answer = fetcher.handler(records(visit_of(reference_id), body, visit_of("NOBODY")), CONTEXT)
    assert failed(answer) == ["m1"]
    (told,) = world.told("message_failed")
    assert (told["message_id"], told["error"]) == ("m1", "MalformedMessageError")
    call = world.ledger.read(reference_id)
    assert call
    assert call.visits == 1


def test_a_batch_of_nothing_but_malformed_visits_fails_whole_and_raises_nothing(world: World) -> None:
    assert failed(fetcher.handler(records("", "[]"), CONTEXT)) == ["m0", "m1"]
    assert len(world.told("message_failed")) == 2


def test_a_provider_in_error_fails_no_message(world: World, make_call: MakeCall) -> None:
    reference_id = a_plain_call(world, make_call)
    world.provider.faults.add(Fault(where="call", kind="503"))
    assert failed(fetcher.handler(records(visit_of(reference_id)), CONTEXT)) == []
    call = world.ledger.read(reference_id)
    assert call
    assert (call.settled, call.last_error) == (False, "the provider answered 503")
    queue = world.fetch_queue
    answer = queue.client.get_queue_attributes(
        QueueUrl=queue.url, AttributeNames=["ApproximateNumberOfMessagesDelayed"]
    )
    assert list(answer["Attributes"].values()) == ["1"]


def test_error_of_aws_fails_the_message_and_is_reported_by_its_kind(world: World) -> None:
    world.ledger.client.delete_table(TableName="ledger")
    assert failed(fetcher.handler(records(visit_of("CALL")), CONTEXT)) == ["m0"]
    (told,) = world.told("message_failed")
    assert told["reason"] == "AWS refused GetItem (ResourceNotFoundException)"


def test_what_nobody_expected_fails_the_message_and_is_reported_by_its_place(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_message: object, **_options: object) -> None:
        raise ZeroDivisionError("https://a.tlsn.io/?Signature=s3cret")

    monkeypatch.setattr(fetcher, "visit", broken)
    assert failed(fetcher.handler(records(visit_of("CALL")), CONTEXT)) == ["m0"]
    (told,) = world.told("message_failed")
    assert re.fullmatch(r"unexpected, at broken:\d+", told["reason"])


def test_an_upload_is_sent_once_and_reports_why_s3_refused_it(world: World, make_call: MakeCall) -> None:
    """Its body is a stream that was read: the next visit sends it again, S3's client must not."""
    reference_id = a_plain_call(world, make_call)
    archive: Any = fetcher.visit_deps().bucket
    sent = []

    def unavailable(request: Any, **_options: object) -> AWSResponse:
        sent.append(request.url)
        return AWSResponse(request.url, 503, HTTPHeaders(), RawResponse())

    archive.client.meta.events.register_first("before-send.s3.PutObject", unavailable)
    fetcher.handler(records(visit_of(reference_id)), CONTEXT)
    call = world.ledger.read(reference_id)
    assert call
    assert len(sent) == len(call.files)
    assert call.last_error == "S3 did not take or show the object (503)"


def test_an_aws_that_cannot_be_reached_is_reported_by_its_kind(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_arguments: object) -> None:
        raise EndpointConnectionError(endpoint_url="https://aws.test")

    monkeypatch.setattr(type(world.ledger), "read", fails)
    assert failed(fetcher.handler(records(visit_of("CALL")), CONTEXT)) == ["m0"]
    (told,) = world.told("message_failed")
    assert told["reason"] == "AWS gave no answer that can be read (EndpointConnectionError)"


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize(("status", "error"), [(200, RetryableError), (403, ClientError)])
def test_a_page_in_place_of_awss_answer_is_no_write(status: int, error: type[Exception]) -> None:
    """As a network that wants its users to sign in would answer, mostly with status 200."""
    page = AWSResponse("https://aws.test", status, HTTPHeaders(), MockRawResponse(b"<html>Sign in</html>"))
    client = aws_client("dynamodb")
    client.meta.events.register_first("before-send", lambda **_event: page)
    with pytest.raises(error, match=r"not AWS|403"):
        client.put_item(TableName="ledger", Item={"pk": {"S": "call#A"}})


def test_the_first_batch_shares_one_set_of_adapters(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """With more than one there are as many budgets, and boto3's default session is not made for threads."""
    del world
    built = []

    def slowly(**options: Any) -> downloads.Downloads:
        built.append(threading.get_ident())
        time.sleep(0.2)
        return downloads.Downloads(**options)

    monkeypatch.setattr(fetcher, "Downloads", slowly)
    fetcher.handler(records(*(visit_of(f"C{number}") for number in range(10))), CONTEXT)
    assert len(built) == 1


def made_newer(world: World, pk: str) -> dict[str, Any]:
    """Gives an item the schema of a version that is yet to come; the item."""
    table = world.ledger.table
    item = world.ledger.client.get_item(TableName=table, Key={"pk": {"S": pk}})["Item"]
    newer = {**item, "schema": {"N": str(SCHEMA + 1)}}
    world.ledger.client.put_item(TableName=table, Item=newer)
    return newer


def item_of(world: World, pk: str) -> Any:
    return world.ledger.client.get_item(TableName=world.ledger.table, Key={"pk": {"S": pk}})["Item"]


def test_a_visit_of_a_call_that_cannot_be_read_fails_alone(world: World, make_call: MakeCall) -> None:
    reference_id = a_plain_call(world, make_call)
    world.ledger.write(make_call("NEWER"))
    newer = made_newer(world, "call#NEWER")
    answer = fetcher.handler(records(visit_of("NEWER"), visit_of(reference_id)), CONTEXT)
    assert failed(answer) == ["m0"]
    (told,) = world.told("message_failed")
    assert (told["error"], "deploy a version that reads schema 2" in told["reason"]) == ("SchemaError", True)
    assert item_of(world, "call#NEWER") == newer
    call = world.ledger.read(reference_id)
    assert call
    assert call.visits == 1


def test_a_visit_whose_call_is_upgraded_meanwhile_leaves_it_as_it_is(
    world: World, make_call: MakeCall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As while a new version is being deployed: both are at work."""
    reference_id = a_plain_call(world, make_call)
    from_provider, newer = Telesign.call, []

    def upgraded(provider: Telesign, name: str) -> Any:
        newer.append(made_newer(world, f"call#{name}"))
        return from_provider(provider, name)

    monkeypatch.setattr(Telesign, "call", upgraded)
    assert failed(fetcher.handler(records(visit_of(reference_id)), CONTEXT)) == ["m0"]
    assert [item_of(world, f"call#{reference_id}")] == newer


# --- The lister


@pytest.mark.parametrize("event", [{}, {"kind": "else"}, {"kind": None}, {"detail-type": "Scheduled Event"}])
def test_an_event_that_is_none_of_ours_is_an_error(world: World, event: dict[str, Any]) -> None:
    del world
    with pytest.raises(ConfigError, match="tick"):
        lister.handler(event, CONTEXT)


@pytest.mark.parametrize("body", MALFORMED)
def test_a_malformed_window_fails_alone(world: World, body: str) -> None:
    now = world.provider.options.now()
    start = now.replace(hour=0)
    pending = PendingWindow(window=Window(start=start, end=now), due_at=start, next_visit_at=now)
    world.ledger.put_windows([pending])
    good = json.dumps({"start": "2026-03-01T00:00:00", "end": "2026-03-01T12:00:00", "hop": 0})
    assert failed(lister.handler(records(body, good), CONTEXT)) == ["m0"]
    assert world.ledger.open_windows() == []
    assert len(list(world.ledger.open_calls())) == len(world.provider.truth())


def test_a_tick_cuts_windows_and_queues_them(world: World) -> None:
    assert lister.handler({"kind": "tick"}, CONTEXT) == {}
    assert (len(world.ledger.open_windows()), world.windows_queue.length()) == (49, 49)
    assert world.ledger.listed_until() == world.provider.options.now()


def test_a_recheck_lists_the_last_days_again(world: World) -> None:
    assert lister.handler({"kind": "recheck"}, CONTEXT) == {}
    windows = world.ledger.open_windows()
    assert {pending.window.recheck for pending in windows} == {True}
    assert (len(windows), world.windows_queue.length()) == (49, 49)


def owe_all(world: World) -> tuple[PendingWindow, str]:
    """A window of all that there is, and the message that brings it."""
    now = world.provider.options.now()
    start = now.replace(hour=0)
    pending = PendingWindow(window=Window(start=start, end=now), due_at=start, next_visit_at=now)
    world.ledger.put_windows([pending])
    return pending, json.dumps({"start": "2026-03-01T00:00:00", "end": "2026-03-01T12:00:00", "hop": 0})


def test_a_window_with_a_call_that_cannot_be_read_lists_the_others_and_stays_pending(
    world: World, make_call: MakeCall
) -> None:
    pending, message = owe_all(world)
    others = {each.reference_id for each in world.provider.truth()}
    reference_id = others.pop()
    world.ledger.write(make_call(reference_id))
    newer = made_newer(world, f"call#{reference_id}")
    assert failed(lister.handler(records(message), CONTEXT)) == []
    assert world.ledger.read_many(others).keys() == others
    assert {each["reference_id"] for each in world.told("call_listed")} == others
    (told,) = world.told("row_unreadable")
    assert (told["reference_id"], "deploy a version" in told["reason"]) == (reference_id, True)
    assert item_of(world, f"call#{reference_id}") == newer
    left = world.ledger.read_window(pending.window)
    assert left
    assert (left.attempts, left.refused, left.last_error) == (1, True, told["reason"])


def test_a_call_that_is_upgraded_while_its_page_is_noted_keeps_its_window_pending(
    world: World, make_call: MakeCall, monkeypatch: pytest.MonkeyPatch
) -> None:
    pending, message = owe_all(world)
    others = {each.reference_id for each in world.provider.truth()}
    reference_id = others.pop()
    read = Ledger.read_each

    def upgraded(ledger: Ledger, names: Iterable[str]) -> Any:
        found = read(ledger, names)
        if reference_id in names:
            world.ledger.write(make_call(reference_id))
            made_newer(world, f"call#{reference_id}")
        return found

    monkeypatch.setattr(Ledger, "read_each", upgraded)
    assert failed(lister.handler(records(message), CONTEXT)) == []
    assert world.ledger.read_many(others).keys() == others
    assert [each["reference_id"] for each in world.told("row_unreadable")] == [reference_id]
    assert world.ledger.read_window(pending.window)


def test_a_window_that_cannot_be_read_fails_its_message_alone(world: World) -> None:
    pending, message = owe_all(world)
    other = replace(pending, window=replace(pending.window, start=pending.window.end))
    world.ledger.put_windows([other])
    pk = "window#2026-03-01T00:00:00Z#2026-03-01T12:00:00Z"
    newer = made_newer(world, pk)
    of_the_other = json.dumps({"start": "2026-03-01T12:00:00", "end": "2026-03-01T12:00:00", "hop": 0})
    assert failed(lister.handler(records(message, of_the_other), CONTEXT)) == ["m0"]
    assert [told["error"] for told in world.told("message_failed")] == ["SchemaError"]
    assert item_of(world, pk) == newer
    assert world.ledger.read_window(other.window) is None


@pytest.mark.parametrize("pk", ["cursor", "call#NEWER", "window#2026-03-01T10:00:00Z#2026-03-01T10:59:59Z"])
def test_a_tick_that_meets_what_it_cannot_read_does_the_rest_and_fails(
    world: World, make_call: MakeCall, bodies: Callable[[Queue], list[dict[str, Any]]], pk: str
) -> None:
    now = world.provider.options.now()
    hours = [now.replace(hour=hour) for hour in (9, 10, 11)]
    for name in ("DUE", "NEWER"):
        world.ledger.write(make_call(name, next_visit_at=hours[0]))
    first, second = (Window(start=start, end=end - SECOND) for start, end in pairwise(hours))
    world.ledger.put_windows(
        [PendingWindow(window=each, due_at=hours[0], next_visit_at=hours[0]) for each in (first, second)]
    )
    world.ledger.move_cursor(now)
    newer = made_newer(world, pk)
    with pytest.raises(SchemaError, match=f"item {pk} has schema 2"):
        lister.handler({"kind": "tick"}, CONTEXT)
    assert item_of(world, pk) == newer
    assert "DUE" in {body["reference_id"] for body in bodies(world.fetch_queue)}
    assert "2026-03-01T09:00:00" in {body["start"] for body in bodies(world.windows_queue)}


def test_the_cursor_does_not_move_over_a_window_that_could_not_be_noted(world: World) -> None:
    lister.handler({"kind": "tick"}, CONTEXT)
    pending = world.ledger.open_windows()[0]
    pk = f"window#{pending.window.start:%Y-%m-%dT%H:%M:%SZ}#{pending.window.end:%Y-%m-%dT%H:%M:%SZ}"
    newer = made_newer(world, pk)
    world.ledger.client.delete_item(TableName=world.ledger.table, Key={"pk": {"S": "cursor"}})
    with pytest.raises(SchemaError, match=pk):
        lister.handler({"kind": "tick"}, CONTEXT)
    assert (world.ledger.listed_until(), item_of(world, pk)) == (None, newer)


# --- What is told


def test_no_line_of_the_log_holds_a_credential_or_a_link_even_at_debug(
    world: World, make_call: MakeCall, capsys: pytest.CaptureFixture[str]
) -> None:
    reference_id = a_plain_call(world, make_call)
    with logged_at_debug(world.log):
        fetcher.handler(records(visit_of(reference_id), "no json", visit_of("NOBODY")), CONTEXT)
    fetcher.visit_deps.cache_clear()
    secrets = boto3.client("secretsmanager")
    secrets.put_secret_value(
        SecretId="secret", SecretString='{"customer_id": "wr0ng", "api_key": "wr0ng-k3y"}'
    )
    wiring.telesign.cache_clear()
    with logged_at_debug(world.log):
        fetcher.handler(records(visit_of("ANOTHER")), CONTEXT)
    told = world.log.getvalue() + "".join(capsys.readouterr())
    assert "recording_archived" in told
    options = world.provider.options
    for secret in (
        options.customer_id,
        options.api_key,
        "wr0ng",
        "Signature",
        "Key-Pair",
        "Authorization",
        "Basic",
    ):
        assert secret not in told


def test_every_line_of_the_log_has_lambdas_request_id(world: World) -> None:
    fetcher.handler(records("no json", visit_of("NOBODY")), CONTEXT)
    lines = [json.loads(line) for line in world.log.getvalue().splitlines()]
    assert {line["correlation_id"] for line in lines} == {"request-1"}


def test_a_line_of_the_log_is_the_event_and_its_fields(
    uncached: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    del uncached
    # A logger keeps the stream that it was made with: one of this name may be an earlier test's.
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", str(uuid.uuid4()))
    telemetry.emit("call_listed", reference_id="CALL")
    line = json.loads(capsys.readouterr().out)
    assert (line["message"], line["reference_id"], line.get("location")) == ("call_listed", "CALL", None)


def test_metrics_are_written_out_though_the_handler_fails(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    del world

    @telemetry.instrumented
    def handler(_event: dict[str, Any], _context: object) -> dict[str, Any]:
        telemetry.gauge("OpenCalls", 7)
        raise RetryableError("no")

    with pytest.raises(RetryableError):
        handler({}, CONTEXT)
    assert metrics(capsys.readouterr().out) == {"OpenCalls": [7.0]}


# --- What is counted


def open_call(
    world: World, status: str, transcript: str | None = None, *, hours: int = 2, **file: Any
) -> str:
    """A call that the provider gives these statuses, open for so long, as the ledger holds it before its first visit."""
    now = world.provider.options.now()

    def statuses(truth: TrueCall) -> set[tuple[str, str | None]]:
        entries = [(each.transcribe_at(now) or {}).get("transcription") for each in truth.files]
        transcripts = [each[0]["status"] if each else None for each in entries]
        return set(zip([each.status_at(now) for each in truth.files], transcripts, strict=True))

    truth = next(each for each in world.provider.truth() if statuses(each) == {(status, transcript)})
    unvisited = RecordingFile(**{"recorded_at": now, "first_seen_at": now, **file})
    files = {each.file_name: unvisited for each in truth.files}
    moments: dict[str, Any] = {
        "opened_at": now - timedelta(hours=hours),
        "due_at": now,
        "next_visit_at": now,
    }
    world.ledger.write(Call(reference_id=truth.reference_id, recorded_at=now, files=files, **moments))
    return truth.reference_id


def visit_one(reference_id: str) -> None:
    """With a checksum in S3's answer for a transcript, which moto leaves out."""
    s3: Any = fetcher.visit_deps().bucket
    checksum = base64.b64encode(bytes(32)).decode()
    s3.client.meta.events.register(
        "after-call.s3.PutObject", lambda parsed, **_: parsed.setdefault("ChecksumSHA256", checksum)
    )
    assert failed(fetcher.handler(records(visit_of(reference_id)), CONTEXT)) == []


def archive_a_recording(world: World, _monkeypatch: pytest.MonkeyPatch) -> None:
    visit_one(open_call(world, "available"))


def archive_a_transcript(world: World, _monkeypatch: pytest.MonkeyPatch) -> None:
    visit_one(open_call(world, "available", "completed"))


def give_up_a_recording(world: World, _monkeypatch: pytest.MonkeyPatch) -> None:
    world.provider.faults.add(Fault(where="download", kind="404"))
    visit_one(open_call(world, "available", first_seen_at=NOW - timedelta(days=60)))


def give_up_a_transcript(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSCRIPT_FAILURES", "in_progress")
    visit_one(open_call(world, "available", "in_progress"))


def find_a_deleted_recording(world: World, _monkeypatch: pytest.MonkeyPatch) -> None:
    visit_one(open_call(world, "deleted", "completed"))


def fail_visits(_world: World, _monkeypatch: pytest.MonkeyPatch) -> None:
    fetcher.handler(records("", "[]"), CONTEXT)


def fail_a_window(_world: World, _monkeypatch: pytest.MonkeyPatch) -> None:
    lister.handler(records(""), CONTEXT)


def list_a_window(world: World, _monkeypatch: pytest.MonkeyPatch) -> None:
    now = world.provider.options.now()
    window = Window(start=now.replace(hour=0), end=now)
    world.ledger.put_windows([PendingWindow(window=window, due_at=now, next_visit_at=now)])
    lister.handler(records(WindowMessage(window=window).to_json()), CONTEXT)


def list_what_names_no_call(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer() as server:
        server.answers(
            b'{"call_recordings": [{"reference_id": 7}]}', headers={"Connection": "close"}, then="close"
        )
        monkeypatch.setenv("PROVIDER_URL", server.url)
        list_a_window(world, monkeypatch)


OCCASIONS = {
    ("call_listed", "lister"): (list_a_window, "CallsListed"),
    ("row_unreadable", "lister"): (list_what_names_no_call, "RowsUnreadable"),
    ("message_failed", "lister"): (fail_a_window, "MessagesFailed"),
    ("message_failed", "fetcher"): (fail_visits, "MessagesFailed"),
    ("recording_archived", "fetcher"): (archive_a_recording, "RecordingsArchived"),
    ("transcript_archived", "fetcher"): (archive_a_transcript, "TranscriptsArchived"),
    ("recording_failed", "fetcher"): (give_up_a_recording, "FailedFiles"),
    ("transcript_failed", "fetcher"): (give_up_a_transcript, "FailedFiles"),
    ("recording_deleted_at_source", "fetcher"): (find_a_deleted_recording, "DeletedFiles"),
}
"""How each event that counts comes about in each service that tells it, and the metric that counts it."""

LOSSES = ("recording_failed", "transcript_failed", "recording_deleted_at_source")
GAUGES = ("OpenCalls", "OldestOpenCallAge", "ListingLag")


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """As one of the two services of a stack with a name of its own."""

    def serve(service: str) -> None:
        monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", service)
        monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "OtherArchive")

    return serve


@pytest.mark.parametrize(("event", "service"), OCCASIONS)
def test_each_event_that_counts_is_written_where_cloudwatch_reads_it(
    event: str,
    service: str,
    world: World,
    serving: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    serving(service)
    occasion, name = OCCASIONS[event, service]
    occasion(world, monkeypatch)
    told = world.told(event)
    assert told
    counted = written(capsys.readouterr().out)
    assert counted[Metric(namespace="OtherArchive", service=service, name=name)] == [1.0] * len(told)
    sizes = [line["size"] for line in world.told("recording_archived")]
    size = Metric(namespace="OtherArchive", service=service, name="BytesArchived", unit="Bytes")
    assert counted.get(size, []) == sizes
    # Nothing else is counted than what is said.
    events = {line["message"] for line in map(json.loads, world.log.getvalue().splitlines())}
    names = {metric for (each, _), (_, metric) in OCCASIONS.items() if each in events}
    assert {metric.name for metric in counted} == names | ({"BytesArchived"} if sizes else set())


@pytest.mark.parametrize("event", LOSSES)
def test_a_loss_is_written_out_at_once(
    event: str, world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A function that is killed writes nothing at its end: nor does this one."""
    monkeypatch.setattr(fetcher, "handler", inspect.unwrap(fetcher.handler))
    occasion, name = OCCASIONS[event, "fetcher"]
    occasion(world, monkeypatch)
    assert metrics(capsys.readouterr().out)[name] == [1.0]


def test_a_ticks_gauges_are_written_where_cloudwatch_reads_them(
    world: World, serving: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    serving("lister")
    open_call(world, "available", hours=2)
    open_call(world, "available", "completed", hours=3)
    lister.handler({"kind": "tick"}, CONTEXT)
    hour, day = 3600, 86_400
    assert written(capsys.readouterr().out) == {
        Metric(namespace="OtherArchive", service="lister", name=name): [value]
        for name, value in zip(GAUGES, (2, 3 * hour, 2 * day), strict=True)
    }


def test_every_event_that_counts_has_its_occasion() -> None:
    assert {event: name for (event, _), (_, name) in OCCASIONS.items()} == telemetry.METRICS_BY_EVENT


def test_each_alarm_watches_a_metric_that_its_service_writes(template: dict[str, Any]) -> None:
    emitted = {(service, name) for (_, service), (_, name) in OCCASIONS.items()}
    emitted |= {("lister", name) for name in GAUGES}
    alarms = properties_of(template, "AWS::CloudWatch::Alarm")
    own = [alarm for alarm in alarms if not alarm["Namespace"].startswith("AWS/")]
    assert own
    for alarm in own:
        ((name, service),) = [(each["Name"], each["Value"]) for each in alarm["Dimensions"]]
        assert (alarm["Namespace"], name) == ("CallArchive", "service")
        assert (service, alarm["MetricName"]) in emitted


@pytest.mark.usefixtures("uncached")
def test_however_much_is_counted_each_line_is_written_in_one_piece(
    serving: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """CloudWatch takes 100 values of a metric in a line. Powertools writes such a line itself, in two pieces."""
    serving("fetcher")
    lines: list[str] = []
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(write=lines.append))
    for _ in range(250):
        telemetry.gauge("RecordingsArchived", 1)
    telemetry.flush()
    assert all(line.endswith("}\n") for line in lines)
    assert max(len(each) for line in lines for each in metrics(line).values()) <= 100
    assert metrics("".join(lines)) == {"RecordingsArchived": [1.0] * 250}


# --- What is found


@pytest.mark.usefixtures("world")
def test_a_wrong_environment_fails_the_invocation_and_names_every_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("TABLE_NAME")
    monkeypatch.setenv("OVERLAP_SECONDS", "-1")
    with pytest.raises(ConfigError, match="TABLE_NAME is missing; OVERLAP_SECONDS is wrong"):
        fetcher.handler(records(visit_of("CALL")), CONTEXT)


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "no json",
        "[]",
        "{}",
        '{"customer_id": "", "api_key": "k3y"}',
        '{"customer_id": 7, "api_key": "k3y"}',
    ],
)
def test_a_secret_that_holds_no_credentials_is_said_to_without_a_word_of_it(
    world: World, make_call: MakeCall, secret: str
) -> None:
    reference_id = a_plain_call(world, make_call)
    boto3.client("secretsmanager").put_secret_value(SecretId="secret", SecretString=secret or " ")
    assert failed(fetcher.handler(records(visit_of(reference_id)), CONTEXT)) == []
    call = world.ledger.read(reference_id)
    assert call
    assert call.last_error is not None
    assert "the secret does not hold" in call.last_error
    assert "k3y" not in call.last_error + world.log.getvalue()


def test_a_rotated_key_is_picked_up_at_once(world: World, make_call: MakeCall) -> None:
    reference_id = a_plain_call(world, make_call)
    options = world.provider.options
    secrets = boto3.client("secretsmanager")
    good = json.dumps({"customer_id": options.customer_id, "api_key": options.api_key})
    secrets.put_secret_value(SecretId="secret", SecretString='{"customer_id": "old", "api_key": "old"}')
    fetcher.handler(records(visit_of("NOBODY")), CONTEXT)
    secrets.put_secret_value(SecretId="secret", SecretString=good)
    fetcher.handler(records(visit_of(reference_id)), CONTEXT)
    call = world.ledger.read(reference_id)
    assert call
    assert {file.status for file in call.files.values()} == {FileStatus.ARCHIVED}


def test_a_secret_that_cannot_be_read_plans_the_visit_anew(world: World, make_call: MakeCall) -> None:
    reference_id = a_plain_call(world, make_call)
    boto3.client("secretsmanager").delete_secret(SecretId="secret", ForceDeleteWithoutRecovery=True)
    assert failed(fetcher.handler(records(visit_of(reference_id)), CONTEXT)) == []
    call = world.ledger.read(reference_id)
    assert call
    assert call.last_error == "the secret with the provider's credentials cannot be read"


def test_the_clock_is_utc() -> None:
    assert wiring.now().tzinfo is UTC


@pytest.mark.parametrize("entry", ["lister", "fetcher"])
def test_importing_an_entry_makes_no_client_and_reads_no_setting(entry: str) -> None:
    program = f"""
import boto3, functools, sys
def forbidden(*_args, **_options):
    raise SystemExit("a client at import")
boto3.client = boto3.resource = boto3.Session = forbidden
import call_archive.{entry} as entry
from call_archive import telemetry, wiring
for module in (entry, telemetry, wiring):
    for name, each in vars(module).items():
        if hasattr(each, "cache_info") and each.cache_info().currsize:
            raise SystemExit(name)
if boto3.DEFAULT_SESSION is not None:
    raise SystemExit("a session at import")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], env={}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
