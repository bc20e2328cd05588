"""The lister's entry: a scheduled tick or recheck, or windows from SQS."""

from __future__ import annotations

import random
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

from call_archive import wiring
from call_archive.errors import ConfigError
from call_archive.listing import Listing, list_window
from call_archive.messages import WindowMessage
from call_archive.telemetry import gauge, instrumented, tell
from call_archive.ticking import Ticking, recheck, tick

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord


@cache
def listing() -> Listing:
    return Listing(
        ledger=wiring.ledger(),
        provider=wiring.telesign(),
        fetch_queue=wiring.fetch_queue(),
        windows_queue=wiring.windows_queue(),
        now=wiring.now,
        random=random.random,
        tell=tell,
        lease=wiring.settings().policy.lease,
    )


@cache
def ticking() -> Ticking:
    settings = wiring.settings()
    return Ticking(
        ledger=wiring.ledger(),
        fetch_queue=wiring.fetch_queue(),
        windows_queue=wiring.windows_queue(),
        archive_from=settings.archive_from,
        overlap=settings.overlap,
        recheck=settings.recheck,
        fetch_queue_target=settings.fetch_queue_target,
        now=wiring.now,
        gauge=gauge,
        tell=tell,
        lease=wiring.settings().policy.lease,
    )


@instrumented
def handler(event: dict[str, Any], context: wiring.Context) -> dict[str, Any]:
    seconds_left = wiring.seconds_left(context)
    match event:
        case {"kind": "tick"}:
            tick(ticking(), seconds_left=seconds_left)
        case {"kind": "recheck"}:
            recheck(ticking())
        case {"Records": [_, *_]}:

            def list_record(record: SQSRecord) -> None:
                with wiring.failures_told(record.message_id):
                    list_window(WindowMessage.from_json(record.body), listing(), seconds_left=seconds_left)

            processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
            return dict(process_partial_response(event, list_record, processor))
        case _:
            raise ConfigError('the lister takes {"kind": "tick"}, {"kind": "recheck"} or messages from SQS')
    return {}
