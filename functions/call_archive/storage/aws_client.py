"""boto3 clients as the functions use them: bounded waits, few retries, and no answer accepted but AWS's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from call_archive.errors import RetryableError

if TYPE_CHECKING:
    from collections.abc import Mapping

CONNECTIONS = 32
"""Connections in each client's pool: at least one for each visit of a batch."""


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
