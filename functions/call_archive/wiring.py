"""Builds what both functions work with, once an execution environment. Nothing happens at import."""

from __future__ import annotations

import os
import traceback
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

import boto3
from aws_lambda_powertools.utilities.parameters import SecretsProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError, TransformParameterError
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from call_archive.errors import ArchiveError, RefusedError, RetryableError
from call_archive.provider.client import Credentials, Telesign
from call_archive.settings import Settings
from call_archive.storage.ledger import Ledger
from call_archive.storage.queues import Queue
from call_archive.telemetry import emit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

SECRET_MAX_AGE_SECONDS = 300
"""A rotated key is picked up after so long, or at once when the provider refuses the old one."""

CONNECTIONS = 32
"""Kept by each client: at least one for each visit of a batch."""


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


def read_credentials(provider: SecretsProvider, secret_id: str, *, renew: bool) -> Credentials:
    """The provider's credentials; RefusedError, without a word of the secret, when it does not hold them."""
    try:
        secret: Any = provider.get(
            secret_id, max_age=SECRET_MAX_AGE_SECONDS, transform="json", force_fetch=renew
        )
    except TransformParameterError:
        secret = None
    except GetParameterError:
        raise RetryableError("the secret with the provider's credentials cannot be read") from None
    fields = secret if isinstance(secret, dict) else {}
    customer_id, api_key = fields.get("customer_id"), fields.get("api_key")
    if not (isinstance(customer_id, str) and customer_id and isinstance(api_key, str) and api_key):
        raise RefusedError(
            'the secret does not hold {"customer_id": "...", "api_key": "..."}: put them there'
        )
    return Credentials(customer_id=customer_id, api_key=api_key)


def aws_client(service: Any, **options: Any) -> Any:
    client: Any = boto3.client(service, config=aws_config(**options))
    client.meta.events.register("after-call", reject_non_aws_response)
    return client


def reject_non_aws_response(parsed: Mapping[str, Any], **_event: object) -> None:
    """Somebody else's page with status 200 reads like an empty answer: a write would count as done."""
    if "Error" not in parsed and "RequestId" not in parsed.get("ResponseMetadata", {}):
        raise RetryableError("what answered was not AWS: its answers have a request id")


def aws_config(**options: Any) -> Config:
    return Config(
        connect_timeout=5,
        read_timeout=60,
        max_pool_connections=CONNECTIONS,
        **{"retries": {"mode": "standard", "total_max_attempts": 4}, **options},
    )


def now() -> datetime:
    return datetime.now(UTC)


@cache
def _sqs() -> Any:
    return aws_client("sqs")


def seconds_left(context: Context) -> Callable[[], float]:
    return lambda: context.get_remaining_time_in_millis() / 1000


@contextmanager
def log_failures(message_id: str, *, emit: Callable[..., None] = emit) -> Iterator[None]:
    """Logs what fails a message, which Powertools does not; by kind alone where a text may quote requests."""
    try:
        yield
    except Exception as error:
        text = str(error) if isinstance(error, ArchiveError) else _where(error)
        emit("message_failed", message_id=message_id, error=type(error).__name__, reason=text)
        raise


def _where(error: Exception) -> str:
    if isinstance(error, ClientError):
        return f"AWS refused {error.operation_name} ({error.response['Error']['Code']})"
    if isinstance(error, BotoCoreError):
        return f"AWS gave no answer that can be read ({type(error).__name__})"
    frames = traceback.extract_tb(error.__traceback__)
    return f"unexpected, at {frames[-1].name}:{frames[-1].lineno}" if frames else "unexpected"
