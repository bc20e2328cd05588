"""A visit: ask the provider for one call, archive what is pending, record the outcome, plan the next visit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

from call_archive.errors import ArchiveError, RetryableError
from call_archive.model.after_visit import after_visit
from call_archive.model.backoff import plan_next_visit
from call_archive.model.call import FileStatus, TranscriptStatus, unlisted_call
from call_archive.model.file_names import deduplicate_names
from call_archive.model.message import VisitMessage
from call_archive.model.object_key import Origin
from call_archive.model.pending import named_rows, pending_recordings, pending_transcripts
from call_archive.model.transcript import transcript_document
from call_archive.model.visit_result import Outcome, VisitResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    from call_archive.model.call import Call, RecordingFile, StoredObject
    from call_archive.model.policy import Policy
    from call_archive.model.row import Row
    from call_archive.provider.download import Download

MIN_SECONDS = 60
"""With less time left than this no download is begun: what is not begun is visited again, nothing is cut off."""
MARGIN_SECONDS = 20
"""Reserved for the ledger and the queue after the last download."""
MAX_CONFLICTS = 5


class Ledger(Protocol):
    def read(self, reference_id: str) -> Call | None: ...
    def write(self, call: Call) -> bool: ...


class Provider(Protocol):
    def call(self, reference_id: str) -> tuple[Row, ...]: ...


class Downloads(Protocol):
    def open(self, url: str, *, seconds: float) -> AbstractContextManager[Download]: ...


class Bucket(Protocol):
    def put_recording(self, origin: Origin, download: Download) -> StoredObject | None: ...
    def put_transcript(self, origin: Origin, document: bytes) -> StoredObject: ...
    def same(self, key: str, *, size: int, sha256: str) -> StoredObject: ...


class Queue(Protocol):
    def send(self, messages: Sequence[VisitMessage], *, delay_seconds: int = 0) -> None: ...


class EventSink(Protocol):
    def __call__(self, event: str, **fields: object) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitDeps:
    """What a visit works with; `seconds_left` is the function's remaining time, `random` is in [0, 1)."""

    ledger: Ledger
    provider: Provider
    downloads: Downloads
    bucket: Bucket
    queue: Queue
    policy: Policy
    now: Callable[[], datetime]
    random: Callable[[], float]
    emit: EventSink


def visit(message: VisitMessage, deps: VisitDeps, *, seconds_left: Callable[[], float]) -> None:
    """Visits one call. What is not ready, or fails for now, is planned again and is no exception."""
    call = deps.ledger.read(message.reference_id) or unlisted_call(message.reference_id, now=deps.now())
    if call.settled or call.due_at > deps.now():
        return  # a duplicate: another message has done this, or will when it is due
    result = _fetch(call, deps, seconds_left)
    _record(call, result, deps, hop=message.hop)


def _fetch(call: Call, deps: VisitDeps, seconds_left: Callable[[], float]) -> VisitResult:
    try:
        fields = deps.provider.call(call.reference_id)
    except ArchiveError as error:
        return VisitResult(now=deps.now(), error=error)
    rows = deduplicate_names(fields, {name: file.recorded_at for name, file in call.files.items()})
    recordings = {
        origin.file_name: _outcome(partial(_archive_recording, origin, row, deps, seconds_left))
        for origin, row in _origins(call, pending_recordings(call, rows))
    }
    transcripts = {
        origin.file_name: _outcome(partial(_archive_transcript, origin, row, deps))
        for origin, row in _origins(call, pending_transcripts(call, rows, recordings, deps.policy))
    }
    return VisitResult(now=deps.now(), rows=rows, recordings=recordings, transcripts=transcripts)


def _outcome(work: Callable[[], StoredObject]) -> Outcome:
    try:
        return work()
    except ArchiveError as error:
        return error


def _origins(call: Call, rows: list[Row]) -> Iterator[tuple[Origin, Row]]:
    """With the date as first noted: an object's key never changes, whatever the provider says of it later."""
    for name, row in named_rows(rows).items():
        known = call.files.get(name)
        recorded_at = known.recorded_at if known else row.recorded_at or call.recorded_at
        yield Origin(reference_id=call.reference_id, file_name=name, recorded_at=recorded_at), row


def _archive_recording(
    origin: Origin, row: Row, deps: VisitDeps, seconds_left: Callable[[], float]
) -> StoredObject:
    if seconds_left() < MIN_SECONDS:
        raise RetryableError("not begun: the function's time was running out")
    url = row.url or ""
    with deps.downloads.open(url, seconds=seconds_left() - MARGIN_SECONDS) as download:
        stored = deps.bucket.put_recording(origin, download)
    if stored is None:  # an earlier visit got that far, or somebody else put something there: compare
        with deps.downloads.open(url, seconds=seconds_left() - MARGIN_SECONDS) as download:
            size = download.size
            stored = deps.bucket.same(origin.recording_key, size=size, sha256=download.sha256())
    return stored


def _archive_transcript(origin: Origin, row: Row, deps: VisitDeps) -> StoredObject:
    return deps.bucket.put_transcript(origin, transcript_document(origin, row.transcribe or {}))


def _record(call: Call, result: VisitResult, deps: VisitDeps, *, hop: int) -> None:
    """One conditional write, then the message. Should another visit have written first, ours is put on top."""
    for _ in range(MAX_CONFLICTS):
        after = after_visit(call, result, deps.policy)
        plan = None
        if not after.settled:
            plan = plan_next_visit(after, result, deps.policy, hop=hop, jitter=deps.random())
            after = replace(after, due_at=plan.due_at, next_visit_at=plan.next_visit_at)
        # Before the write: after a crash in between, the next visit emits a loss again, which is better than never.
        _emit_losses(call, after, deps.emit)
        if deps.ledger.write(after):
            _emit_changes(call, after, deps.emit)
            if plan is not None and plan.hop is not None:
                message = VisitMessage(reference_id=call.reference_id, hop=plan.hop)
                deps.queue.send([message], delay_seconds=plan.delay_seconds)
            return
        call = deps.ledger.read(call.reference_id) or call
    raise RetryableError(f"call {call.reference_id} was written by others {MAX_CONFLICTS} times in a row")


def _emit_losses(before: Call, after: Call, emit: EventSink) -> None:
    for file, old, fields in _changed(before, after):
        was = old.status if old is not None else None
        if file.status is FileStatus.FAILED and was is not FileStatus.FAILED:
            emit("recording_failed", **fields, reason=file.reason)
        if file.status is FileStatus.DELETED_AT_SOURCE and was is not FileStatus.DELETED_AT_SOURCE:
            emit("recording_deleted_at_source", **fields)
        transcript = file.transcript
        if _ended(file, old) is TranscriptStatus.FAILED and transcript is not None:
            emit("transcript_failed", **fields, reason=transcript.reason)


def _emit_changes(before: Call, after: Call, emit: EventSink) -> None:
    for file, old, fields in _changed(before, after):
        recording = file.recording
        if recording is not None and (old is None or old.status is not FileStatus.ARCHIVED):
            emit("recording_archived", **fields, key=recording.key, size=recording.size)
        stored = file.transcript.stored if file.transcript is not None else None
        if _ended(file, old) is TranscriptStatus.ARCHIVED and stored is not None:
            emit("transcript_archived", **fields, key=stored.key)
    if not after.settled:
        emit(
            "call_pending",
            reference_id=after.reference_id,
            visit=after.visits,
            due_at=after.due_at.isoformat(),
            reason=next((reason for part in after.parts for reason in part.pending_reasons), None),
        )


def _changed(
    before: Call, after: Call
) -> Iterator[tuple[RecordingFile, RecordingFile | None, dict[str, object]]]:
    """Each file, what it was before, and the fields of its events; one without a name comes last."""
    for name, file in after.files.items():
        fields: dict[str, object] = {"reference_id": after.reference_id, "file_name": name}
        yield file, before.files.get(name), {**fields, "visit": after.visits}
    if after.unnamed is not None:
        fields = {"reference_id": after.reference_id, "file_name": None, "visit": after.visits}
        yield after.unnamed, before.unnamed, fields


def _ended(file: RecordingFile, old: RecordingFile | None) -> TranscriptStatus | None:
    """What its transcript has become, if it was something else before."""
    status = file.transcript.status if file.transcript is not None else None
    was = old.transcript.status if old is not None and old.transcript is not None else None
    return None if status is was else status
