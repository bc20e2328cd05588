"""The fetcher's entry: a batch of visits from SQS, side by side."""

from __future__ import annotations

import asyncio
import random
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.batch import (
    AsyncBatchProcessor,
    EventType,
    async_process_partial_response,
)

from call_archive import wiring
from call_archive.errors import ConfigError
from call_archive.model.message import VisitMessage
from call_archive.provider.download import Downloads
from call_archive.provider.link import is_loopback_url
from call_archive.storage.aws_client import CONNECTIONS, aws_client
from call_archive.storage.bucket import Bucket
from call_archive.telemetry import emit, instrumented, log_failures
from call_archive.visit_call import VisitDeps, visit

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord


@cache
def visit_deps() -> VisitDeps:
    settings = wiring.settings()
    # A body that streams can be sent only once, so S3's client does not retry: the next visit does.
    s3 = aws_client("s3", retries={"total_max_attempts": 1})
    return VisitDeps(
        ledger=wiring.ledger(),
        provider=wiring.telesign(),
        downloads=Downloads(hosts=settings.recording_hosts, loopback=is_loopback_url(settings.provider_url)),
        bucket=Bucket(s3, settings.bucket_name, wiring.now),
        queue=wiring.fetch_queue(),
        policy=settings.policy,
        now=wiring.now,
        random=random.random,
        emit=emit,
    )


@cache
def workers() -> ThreadPoolExecutor:
    """Reused between invocations, and with its threads their connections."""
    return ThreadPoolExecutor(CONNECTIONS)


@instrumented
def handler(event: dict[str, Any], context: wiring.Context) -> dict[str, Any]:
    match event:
        case {"Records": [_, *_]}:
            pass
        case _:
            raise ConfigError("the fetcher takes messages from SQS")
    seconds_left = wiring.seconds_left(context)
    deps = visit_deps()  # before there are threads: functools.cache would let each build its own

    async def visit_record(record: SQSRecord) -> None:
        work = partial(_visit_record, record, deps, seconds_left)
        await asyncio.get_running_loop().run_in_executor(workers(), work)

    processor = AsyncBatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    return dict(async_process_partial_response(event, visit_record, processor))


def _visit_record(record: SQSRecord, deps: VisitDeps, seconds_left: Callable[[], float]) -> None:
    with log_failures(record.message_id):
        visit(VisitMessage.from_json(record.body), deps, seconds_left=seconds_left)
