"""The lister's entry: a scheduled tick or recheck, or windows from SQS."""

from __future__ import annotations

import random
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

from call_archive import wiring
from call_archive.errors import ConfigError
from call_archive.list_window import ListDeps, list_window
from call_archive.model.message import WindowMessage
from call_archive.telemetry import emit, gauge, instrumented, log_failures
from call_archive.tick import TickDeps, recheck, tick

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord


@cache
def list_deps() -> ListDeps:
    return ListDeps(
        ledger=wiring.ledger(),
        provider=wiring.telesign(),
        fetch_queue=wiring.fetch_queue(),
        windows_queue=wiring.windows_queue(),
        now=wiring.now,
        random=random.random,
        emit=emit,
        lease=wiring.settings().policy.lease,
    )


@cache
def tick_deps() -> TickDeps:
    settings = wiring.settings()
    return TickDeps(
        ledger=wiring.ledger(),
        fetch_queue=wiring.fetch_queue(),
        windows_queue=wiring.windows_queue(),
        archive_from=settings.archive_from,
        overlap=settings.overlap,
        recheck=settings.recheck,
        fetch_queue_target=settings.fetch_queue_target,
        now=wiring.now,
        gauge=gauge,
        emit=emit,
        lease=wiring.settings().policy.lease,
    )


@instrumented
def handler(event: dict[str, Any], context: wiring.Context) -> dict[str, Any]:
    seconds_left = wiring.seconds_left(context)
    match event:
        case {"kind": "tick"}:
            tick(tick_deps(), seconds_left=seconds_left)
        case {"kind": "recheck"}:
            recheck(tick_deps())
        case {"Records": [_, *_]}:

            def list_record(record: SQSRecord) -> None:
                with log_failures(record.message_id):
                    list_window(WindowMessage.from_json(record.body), list_deps(), seconds_left=seconds_left)

            processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
            return dict(process_partial_response(event, list_record, processor))
        case _:
            raise ConfigError('the lister takes {"kind": "tick"}, {"kind": "recheck"} or messages from SQS')
    return {}
