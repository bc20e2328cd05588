"""A visit: ask the provider for one call, archive what is owed, note the outcome, plan the next visit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

from call_archive.calls import FileStatus, TranscriptStatus, unlisted_call
from call_archive.errors import ArchiveError, RetryableError
from call_archive.keys import Origin
from call_archive.messages import VisitMessage
from call_archive.outcomes import after_visit
from call_archive.rows import named_apart
from call_archive.transcripts import transcript_document
from call_archive.visits import (
    Outcome,
    Policy,
    Seen,
    named_rows,
    next_visit,
    recordings_owed,
    transcripts_owed,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    from call_archive.calls import Call, RecordingFile, Row, StoredObject
    from call_archive.downloads import Download

SHORTEST_SECONDS = 60
"""With less time left than this no download is begun: what is not begun is visited again, nothing is cut off."""
MARGIN_SECONDS = 20
"""Kept for the ledger and the queue after the last download."""
MOST_CONFLICTS = 5


class Ledger(Protocol):
    def read(self, reference_id: str) -> Call | None: ...
    def write(self, call: Call) -> bool: ...


class Provider(Protocol):
    def call(self, reference_id: str) -> tuple[Row, ...]: ...


class Downloads(Protocol):
    def open(self, url: str, *, seconds: float) -> AbstractContextManager[Download]: ...


class Archive(Protocol):
    def put_recording(self, origin: Origin, download: Download) -> StoredObject | None: ...
    def put_transcript(self, origin: Origin, document: bytes) -> StoredObject: ...
    def same(self, key: str, *, size: int, sha256: str) -> StoredObject: ...


class Queue(Protocol):
    def send(self, messages: Sequence[VisitMessage], *, delay_seconds: int = 0) -> None: ...


class Tell(Protocol):
    def __call__(self, event: str, **fields: object) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Visiting:
    """What a visit works with; `seconds_left` is the function's remaining time, `random` is in [0, 1)."""

    ledger: Ledger
    provider: Provider
    downloads: Downloads
    archive: Archive
    queue: Queue
    policy: Policy
    now: Callable[[], datetime]
    random: Callable[[], float]
    tell: Tell


def visit(message: VisitMessage, at: Visiting, *, seconds_left: Callable[[], float]) -> None:
    """Visits one call. What is not ready, or fails for now, is planned again and is no exception."""
    call = at.ledger.read(message.reference_id) or unlisted_call(message.reference_id, now=at.now())
    if call.settled or call.due_at > at.now():
        return  # a duplicate: another message has done this, or will when it is due
    seen = _look(call, at, seconds_left)
    _note(call, seen, at, hop=message.hop)


def _look(call: Call, at: Visiting, seconds_left: Callable[[], float]) -> Seen:
    try:
        told = at.provider.call(call.reference_id)
    except ArchiveError as error:
        return Seen(now=at.now(), trouble=error)
    rows = named_apart(told, {name: file.recorded_at for name, file in call.files.items()})
    recordings = {
        origin.file_name: _outcome(partial(_archive_recording, origin, row, at, seconds_left))
        for origin, row in _origins(call, recordings_owed(call, rows))
    }
    transcripts = {
        origin.file_name: _outcome(partial(_archive_transcript, origin, row, at))
        for origin, row in _origins(call, transcripts_owed(call, rows, recordings, at.policy))
    }
    return Seen(now=at.now(), rows=rows, recordings=recordings, transcripts=transcripts)


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
    origin: Origin, row: Row, at: Visiting, seconds_left: Callable[[], float]
) -> StoredObject:
    if seconds_left() < SHORTEST_SECONDS:
        raise RetryableError("not begun: the function's time was running out")
    url = row.url or ""
    with at.downloads.open(url, seconds=seconds_left() - MARGIN_SECONDS) as download:
        stored = at.archive.put_recording(origin, download)
    if stored is None:  # an earlier visit got that far, or somebody else put something there: compare
        with at.downloads.open(url, seconds=seconds_left() - MARGIN_SECONDS) as download:
            size = download.size
            stored = at.archive.same(origin.recording_key, size=size, sha256=download.sha256())
    return stored


def _archive_transcript(origin: Origin, row: Row, at: Visiting) -> StoredObject:
    return at.archive.put_transcript(origin, transcript_document(origin, row.transcribe or {}))


def _note(call: Call, seen: Seen, at: Visiting, *, hop: int) -> None:
    """One conditional write, then the message. Should another visit have written first, ours is put on top."""
    for _ in range(MOST_CONFLICTS):
        after = after_visit(call, seen, at.policy)
        revisit = None
        if not after.settled:
            revisit = next_visit(after, seen, at.policy, hop=hop, jitter=at.random())
            after = replace(after, due_at=revisit.due_at, next_visit_at=revisit.next_visit_at)
        # Before the write: after a crash in between, the next visit tells a loss again, better than never.
        _tell_losses(call, after, at.tell)
        if at.ledger.write(after):
            _tell_changes(call, after, at.tell)
            if revisit is not None and revisit.hop is not None:
                message = VisitMessage(reference_id=call.reference_id, hop=revisit.hop)
                at.queue.send([message], delay_seconds=revisit.delay_seconds)
            return
        call = at.ledger.read(call.reference_id) or call
    raise RetryableError(f"call {call.reference_id} was written by others {MOST_CONFLICTS} times in a row")


def _tell_losses(before: Call, after: Call, tell: Tell) -> None:
    for file, old, told in _changed(before, after):
        was = old.status if old is not None else None
        if file.status is FileStatus.FAILED and was is not FileStatus.FAILED:
            tell("recording_failed", **told, reason=file.reason)
        if file.status is FileStatus.DELETED_AT_SOURCE and was is not FileStatus.DELETED_AT_SOURCE:
            tell("recording_deleted_at_source", **told)
        transcript = file.transcript
        if _ended(file, old) is TranscriptStatus.FAILED and transcript is not None:
            tell("transcript_failed", **told, reason=transcript.reason)


def _tell_changes(before: Call, after: Call, tell: Tell) -> None:
    for file, old, told in _changed(before, after):
        recording = file.recording
        if recording is not None and (old is None or old.status is not FileStatus.ARCHIVED):
            tell("recording_archived", **told, key=recording.key, size=recording.size)
        stored = file.transcript.stored if file.transcript is not None else None
        if _ended(file, old) is TranscriptStatus.ARCHIVED and stored is not None:
            tell("transcript_archived", **told, key=stored.key)
    if not after.settled:
        tell(
            "call_pending",
            reference_id=after.reference_id,
            visit=after.visits,
            due_at=after.due_at.isoformat(),
            reason=next((reason for part in after.parts for reason in part.pending_reasons), None),
        )


def _changed(
    before: Call, after: Call
) -> Iterator[tuple[RecordingFile, RecordingFile | None, dict[str, object]]]:
    """Each file, what it was before, and what is told of it; without a name what has none yet."""
    for name, file in after.files.items():
        told: dict[str, object] = {"reference_id": after.reference_id, "file_name": name}
        yield file, before.files.get(name), {**told, "visit": after.visits}
    if after.unnamed is not None:
        told = {"reference_id": after.reference_id, "file_name": None, "visit": after.visits}
        yield after.unnamed, before.unnamed, told


def _ended(file: RecordingFile, old: RecordingFile | None) -> TranscriptStatus | None:
    """What its transcript has become, if it was something else before."""
    status = file.transcript.status if file.transcript is not None else None
    was = old.transcript.status if old is not None and old.transcript is not None else None
    return None if status is was else status
