"""The two functions as deployed, on an AWS in memory, for all tests of a module: building it takes seconds."""

from __future__ import annotations

import io
import json
import os
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from aws_lambda_powertools import Logger
from moto import mock_aws

from call_archive import fetcher, lister, telemetry, wiring
from call_archive.provider import download as downloads
from call_archive.storage.ledger import Ledger
from infra.simulator import Options, SimulatedTelesign
from tests.unit.conftest import NOW, REGION

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTEXT = SimpleNamespace(aws_request_id="request-1", get_remaining_time_in_millis=lambda: 600_000)
CACHED: Any = (
    *(wiring.settings, wiring.ledger, wiring.fetch_queue, wiring.windows_queue, wiring.telesign, wiring._sqs),
    *(telemetry.metrics, lister.list_deps, lister.tick_deps, fetcher.visit_deps, fetcher.workers),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    provider: SimulatedTelesign
    ledger: Ledger
    log: io.StringIO

    def told(self, message_id: str) -> dict[str, Any]:
        """Why a message failed: the one line that tells it."""
        lines = [json.loads(line) for line in self.log.getvalue().splitlines()]
        (line,) = [each for each in lines if each.get("message_id") == message_id]
        assert line["message"] == "message_failed"
        return dict(line)


@contextmanager
def deployed(
    table_properties: dict[str, Any], environments: dict[str, dict[str, str]], session: boto3.Session
) -> Iterator[Deployed]:
    """Both functions with the template's table and environment, and a simulated provider."""
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        stack.enter_context(mock_aws())  # which takes the default session away
        patch.setattr(boto3, "DEFAULT_SESSION", session)
        provider = stack.enter_context(SimulatedTelesign(Options(history_end=NOW, now=lambda: NOW)))
        patch.setattr(wiring, "now", lambda: NOW)
        log = io.StringIO()
        logger = Logger(service=f"bad-{id(log)}", location=None, stream=log, level="INFO")
        patch.setattr(telemetry, "logger", lambda: logger)
        for name, text in {**environments["fetcher"], **_resources(table_properties, provider)}.items():
            patch.setenv(name, text)
        _uncache()
        stack.callback(_uncache)
        stack.callback(_close, patch)
        yield Deployed(provider=provider, ledger=Ledger(boto3.client("dynamodb"), "ledger"), log=log)


def _resources(table_properties: dict[str, Any], provider: SimulatedTelesign) -> dict[str, str]:
    boto3.client("dynamodb").create_table(TableName="ledger", **table_properties)
    location: Any = {"LocationConstraint": REGION}
    boto3.client("s3").create_bucket(Bucket="bucket", CreateBucketConfiguration=location)
    secret = {"customer_id": provider.options.customer_id, "api_key": provider.options.api_key}
    boto3.client("secretsmanager").create_secret(Name="secret", SecretString=json.dumps(secret))
    sqs = boto3.client("sqs")
    return {
        "TABLE_NAME": "ledger",
        "BUCKET_NAME": "bucket",
        "FETCH_QUEUE_URL": sqs.create_queue(QueueName="fetch")["QueueUrl"],
        "WINDOWS_QUEUE_URL": sqs.create_queue(QueueName="windows")["QueueUrl"],
        "SECRET_ID": "secret",
        "PROVIDER_URL": provider.api_url,
        "REQUESTS_PER_SECOND": "1000",
        "ARCHIVE_FROM": "2026-02-27T12:00:00",
    }


def _uncache() -> None:
    for cached in CACHED:
        cached.cache_clear()


def _close(patch: pytest.MonkeyPatch) -> None:
    """Ends the threads, and with each its connections."""
    if fetcher.workers.cache_info().currsize:
        fetcher.workers().shutdown()
    patch.undo()


def connections_closed(patch: pytest.MonkeyPatch) -> list[downloads._Connection]:
    """Remembers the connections that downloads keep, which only their threads know."""
    opened: list[downloads._Connection] = []

    class Kept(downloads._Connection):
        def connect(self) -> None:
            super().connect()
            opened.append(self)

    patch.setattr(downloads, "_Connection", Kept)
    return opened


def record(number: int, body: object, **changes: Any) -> dict[str, Any]:
    """As SQS gives it; a change of `...` leaves a field out."""
    made = {
        "messageId": f"m{number}",
        "receiptHandle": "r",
        "body": body,
        "attributes": {},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-central-1:1:fetch",
        "awsRegion": REGION,
    } | changes
    return {name: value for name, value in made.items() if value is not ...}
