"""Builds what both functions work with, once an execution environment. Nothing happens at import."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from aws_lambda_powertools.utilities.parameters import SecretsProvider

from call_archive.provider.client import Telesign
from call_archive.provider.credentials import read_credentials
from call_archive.settings import Settings
from call_archive.storage.aws_client import aws_client
from call_archive.storage.ledger import Ledger
from call_archive.storage.queues import Queue

if TYPE_CHECKING:
    from collections.abc import Callable


class Context(Protocol):
    """The part of Lambda's context that is used."""

    def get_remaining_time_in_millis(self) -> int: ...


@cache
def settings() -> Settings:
    return Settings.from_env(os.environ)


@cache
def ledger() -> Ledger:
    return Ledger(aws_client("dynamodb"), settings().table_name)


@cache
def fetch_queue() -> Queue:
    return Queue(_sqs(), settings().fetch_queue_url)


@cache
def windows_queue() -> Queue:
    return Queue(_sqs(), settings().windows_queue_url)


@cache
def telesign() -> Telesign:
    provider = SecretsProvider(boto3_client=aws_client("secretsmanager"))
    return Telesign(
        settings().provider_url,
        credentials=lambda renew: read_credentials(provider, settings().secret_id, renew=renew),
        requests_per_second=settings().requests_per_second,
    )


def now() -> datetime:
    return datetime.now(UTC)


@cache
def _sqs() -> Any:
    return aws_client("sqs")


def seconds_left(context: Context) -> Callable[[], float]:
    return lambda: context.get_remaining_time_in_millis() / 1000
