"""Calls and windows as DynamoDB items, and back. Moments are UTC text, so that they sort."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from call_archive.errors import SchemaError
from call_archive.model.call import (
    Call,
    FileStatus,
    RecordingFile,
    StoredObject,
    Transcript,
    TranscriptStatus,
)
from call_archive.model.window import PendingWindow, Window, from_text, to_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

SCHEMA = 1
"""Of every item that is written. Each version reads all schemas from 1 to its own, and changes no newer item: what
its attributes mean there, it cannot know. `infra.constructs.storage.LEDGER_SCHEMA` is the same number."""

SHARDS = 8
"""The open and the failed index are spread over so many partitions: DynamoDB limits each to 1,000 writes a second."""

OPEN_SHARDS = [f"open#{shard}" for shard in range(SHARDS)]
FAILED_SHARDS = [f"failed#{shard}" for shard in range(SHARDS)]
WINDOWS_SHARD = "windows"

_serializer = TypeSerializer()
_deserializer = TypeDeserializer()


def call_key(reference_id: str) -> dict[str, Any]:
    return serialized({"pk": f"call#{reference_id}"})


def window_key(window: Window) -> dict[str, Any]:
    recheck = "#recheck" if window.recheck else ""
    return serialized({"pk": f"window#{to_sortable(window.start)}#{to_sortable(window.end)}{recheck}"})


def to_sortable(moment: datetime) -> str:
    """To the second, cut and not rounded: nothing becomes due later than it was planned."""
    return f"{to_text(moment)}Z"


def from_sortable(text: str) -> datetime:
    """The opposite of `to_sortable`; ValueError when it is not of that form."""
    if not text.endswith("Z"):
        raise ValueError(f"{text!r} does not say that it is UTC")
    return from_text(text.removesuffix("Z"))


def call_to_item(call: Call) -> dict[str, Any]:
    shard = hashlib.sha256(call.reference_id.encode()).digest()[0] % SHARDS
    return serialized(
        {
            "pk": f"call#{call.reference_id}",
            "schema": SCHEMA,
            "state": "settled" if call.settled else "open",
            "version": call.version,
            "recorded_at": to_sortable(call.recorded_at),
            "opened_at": to_sortable(call.opened_at),
            "visits": call.visits,
            "unchanged_visits": call.unchanged_visits,
            "due_at": to_sortable(call.due_at),
            # The two sparse indexes: `open` while something is pending, `failed` while something was lost.
            "next_visit_at": None if call.settled else to_sortable(call.next_visit_at),
            "open_shard": None if call.settled else OPEN_SHARDS[shard],
            "failed_shard": FAILED_SHARDS[shard] if call.failed else None,
            "day": to_sortable(call.recorded_at)[:10],
            "day_order": f"{to_sortable(call.recorded_at)}#{call.reference_id}",
            "missing_since": _moment(call.missing_since),
            "last_error": call.last_error,
            "files": {name: _file_to_map(file) for name, file in call.files.items()},
            "unnamed": _file_to_map(call.unnamed) if call.unnamed else None,
        }
    )


def call_from_item(item: Mapping[str, Any]) -> Call:
    """The call; SchemaError when this version does not read such an item."""
    plain = deserialized(item)
    check_schema(plain)
    due_at = from_sortable(plain["due_at"])
    return Call(
        reference_id=plain["pk"].removeprefix("call#"),
        recorded_at=from_sortable(plain["recorded_at"]),
        opened_at=from_sortable(plain["opened_at"]),
        due_at=due_at,
        next_visit_at=from_sortable(plain["next_visit_at"]) if "next_visit_at" in plain else due_at,
        version=int(plain["version"]),
        visits=int(plain["visits"]),
        unchanged_visits=int(plain["unchanged_visits"]),
        missing_since=_from_moment(plain.get("missing_since")),
        last_error=plain.get("last_error"),
        files={name: _file_from_map(file) for name, file in plain["files"].items()},
        unnamed=_file_from_map(plain["unnamed"]) if "unnamed" in plain else None,
    )


def window_to_item(pending: PendingWindow) -> dict[str, Any]:
    return {
        **window_key(pending.window),
        **serialized(
            {
                "schema": SCHEMA,
                "open_shard": WINDOWS_SHARD,
                "next_visit_at": to_sortable(pending.next_visit_at),
                "due_at": to_sortable(pending.due_at),
                "attempts": pending.attempts,
                "last_error": pending.last_error,
                "refused": pending.refused,
            }
        ),
    }


def window_from_item(item: Mapping[str, Any]) -> PendingWindow:
    """The window; SchemaError when this version does not read such an item."""
    plain = deserialized(item)
    check_schema(plain)
    _, start, end, *recheck = plain["pk"].split("#")
    return PendingWindow(
        window=Window(start=from_sortable(start), end=from_sortable(end), recheck=bool(recheck)),
        due_at=from_sortable(plain["due_at"]),
        next_visit_at=from_sortable(plain["next_visit_at"]),
        attempts=int(plain["attempts"]),
        last_error=plain.get("last_error"),
        refused=plain["refused"],
    )


def cursor_from_item(item: Mapping[str, Any]) -> datetime:
    """The last second that was cut into windows; SchemaError when this version does not read such an item."""
    plain = deserialized(item)
    check_schema(plain)
    return from_sortable(plain["listed_until"])


def check_schema(plain: Mapping[str, Any]) -> None:
    """SchemaError when this version does not read an item, or a row of an index, with these attributes."""
    schema = plain.get("schema")
    if not isinstance(schema, Decimal) or schema < 1 or schema % 1:
        raise SchemaError(
            f"the ledger's item {plain['pk']} has no schema, a whole number from 1: this program writes none without,"
            " so restore it from a backup of the table"
        )
    if schema > SCHEMA:
        raise SchemaError(
            f"the ledger's item {plain['pk']} has schema {schema} and this version reads up to {SCHEMA}: deploy a"
            f" version that reads schema {schema}; until then the item stays as it is"
        )


def serialized(plain: Mapping[str, Any]) -> dict[str, Any]:
    """DynamoDB's wire form, without the attributes that are None: an index is sparse by their absence."""
    return {name: _serializer.serialize(value) for name, value in plain.items() if value is not None}


def deserialized(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _deserializer.deserialize(value) for name, value in item.items()}


def _file_to_map(file: RecordingFile) -> dict[str, Any]:
    return _compact(
        {
            "status": file.status.value,
            "reason": file.reason,
            "recorded_at": to_sortable(file.recorded_at),
            "first_seen_at": to_sortable(file.first_seen_at),
            "available_at": _moment(file.available_at),
            "invalid_bodies": file.invalid_bodies or None,
            "recording": _stored_to_map(file.recording),
            "transcript": _transcript_to_map(file.transcript),
        }
    )


def _file_from_map(plain: Mapping[str, Any]) -> RecordingFile:
    return RecordingFile(
        status=FileStatus(plain["status"]),
        reason=plain.get("reason"),
        recorded_at=from_sortable(plain["recorded_at"]),
        first_seen_at=from_sortable(plain["first_seen_at"]),
        available_at=_from_moment(plain.get("available_at")),
        invalid_bodies=int(plain.get("invalid_bodies", 0)),
        recording=_stored_from_map(plain.get("recording")),
        transcript=_transcript_from_map(plain.get("transcript")),
    )


def _transcript_to_map(transcript: Transcript | None) -> dict[str, Any] | None:
    if transcript is None:
        return None
    stored = _stored_to_map(transcript.stored) or {}
    return _compact({"status": transcript.status.value, "reason": transcript.reason, **stored})


def _transcript_from_map(plain: Mapping[str, Any] | None) -> Transcript | None:
    if plain is None:
        return None
    stored = _stored_from_map(plain) if "key" in plain else None
    return Transcript(status=TranscriptStatus(plain["status"]), reason=plain.get("reason"), stored=stored)


def _stored_to_map(stored: StoredObject | None) -> dict[str, Any] | None:
    if stored is None:
        return None
    return _compact(
        {
            "key": stored.key,
            "size": stored.size,
            "sha256": stored.sha256,
            "version_id": stored.version_id,
            "archived_at": to_sortable(stored.archived_at),
        }
    )


def _stored_from_map(plain: Mapping[str, Any] | None) -> StoredObject | None:
    if plain is None:
        return None
    return StoredObject(
        key=plain["key"],
        size=int(plain["size"]),
        sha256=plain["sha256"],
        version_id=plain.get("version_id"),
        archived_at=from_sortable(plain["archived_at"]),
    )


def _compact(plain: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in plain.items() if value is not None}


def _moment(moment: datetime | None) -> str | None:
    return to_sortable(moment) if moment else None


def _from_moment(text: str | None) -> datetime | None:
    return from_sortable(text) if text else None
