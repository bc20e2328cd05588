"""Telemetry: one structured event a decision, in the logs and, where it is counted, as a metric."""

from __future__ import annotations

import json
import logging
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from typing import Any, TypeAlias

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from botocore.exceptions import BotoCoreError, ClientError

from call_archive.errors import ArchiveError

Handler: TypeAlias = Callable[[dict[str, Any], Any], dict[str, Any]]

METRICS_BY_EVENT = {
    "call_listed": "CallsListed",
    "recording_archived": "RecordingsArchived",
    "transcript_archived": "TranscriptsArchived",
    "recording_failed": "FailedFiles",
    "transcript_failed": "FailedFiles",
    "recording_deleted_at_source": "DeletedFiles",
    "row_unreadable": "RowsUnreadable",
    "message_failed": "MessagesFailed",
}
"""The events that are counted, by metric."""

FLUSHED_EVENTS = frozenset({"recording_failed", "transcript_failed", "recording_deleted_at_source"})
"""Losses: their count is written out at once, for a function that is killed writes nothing at its end."""

WARNINGS = FLUSHED_EVENTS | {"row_unreadable", "message_failed", "window_postponed"}

LIBRARY_LOG_LEVELS = {"boto3": logging.INFO, "botocore": logging.INFO, "urllib3": logging.CRITICAL}
"""Below these levels, libraries log requests and answers whole: the secret, credentials, and tokens in urls, which
urllib3 even warns with."""

MAX_VALUES = 99
"""Of one metric in a line. CloudWatch takes 100, but at 100 Powertools prints the line itself: see flush."""

_metrics_lock = threading.RLock()


@cache
def logger() -> Logger:
    return Logger(location=None)


@cache
def metrics() -> Metrics:
    return Metrics()


def emit(event: str, **fields: Any) -> None:
    """Logs one event, with the same keys everywhere, and counts it if it is one that counts."""
    (logger().warning if event in WARNINGS else logger().info)(event, **fields)
    if event in METRICS_BY_EVENT:
        gauge(METRICS_BY_EVENT[event], 1)
    if event == "recording_archived":
        gauge("BytesArchived", fields["size"], MetricUnit.Bytes)
    if event in FLUSHED_EVENTS:
        flush()


def gauge(name: str, value: float, unit: MetricUnit = MetricUnit.Count) -> None:
    with _metrics_lock:  # visits run side by side, Powertools' metrics are made for one thread
        metrics().add_metric(name=name, unit=unit, value=value)
        if len(metrics().metric_set[name]["Value"]) >= MAX_VALUES:
            flush()


def flush() -> None:
    with _metrics_lock:
        if metrics().metric_set:
            line = json.dumps(metrics().serialize_metric_set(), separators=(",", ":"))
            metrics().clear_metrics()
            # In one write. Powertools prints the line's end separately: another thread's log line may come
            # between, CloudWatch reads neither, and the alarm of a loss stays silent.
            sys.stdout.write(f"{line}\n")


@cache
def limit_library_logs() -> None:
    """Keeps secrets out of the log even if a level of DEBUG be set for all of it, as Lambda's own controls do."""
    for name, level in LIBRARY_LOG_LEVELS.items():
        logging.getLogger(name).setLevel(level)


def instrumented(handler: Handler) -> Handler:
    """Lambda's request id in every log line, and the metrics written out at the end, whatever happened."""

    @wraps(handler)
    def run(event: dict[str, Any], context: Any) -> dict[str, Any]:
        limit_library_logs()
        try:
            logger().set_correlation_id(context.aws_request_id)
            return handler(event, context)
        finally:
            flush()

    return run


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
