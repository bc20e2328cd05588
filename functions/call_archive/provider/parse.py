"""The provider's JSON, untrusted, as rows. What it may hold, and what is not known of it: docs/provider.md."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from call_archive.errors import RetryableError
from call_archive.model.row import EARLIEST, LATEST, MAX_ID_BYTES, Row

MAX_NAME = 1024
"""Of a file, in bytes of UTF-8: DynamoDB holds 400 KB of a call, which may have many files."""
MAX_STATUS = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    rows: tuple[Row, ...]
    token: str | None = field(repr=False)
    unreadable: int
    """Rows without a usable reference id: there is nothing to ask the provider for."""


def parse_page(body: object) -> Page:
    """`call_recordings` may be an array, one object, null or absent; a token that is no text ends the list."""
    if not isinstance(body, Mapping):
        raise RetryableError("the provider's answer is no page of recordings")
    entries = _entries(body.get("call_recordings") or [])
    rows = [_row(entry) for entry in entries]
    token = body.get("token")
    return Page(
        rows=tuple(row for row in rows if row is not None),
        token=token if isinstance(token, str) and token else None,
        unreadable=sum(row is None for row in rows),
    )


def parse_call(body: object, reference_id: str) -> tuple[Row, ...]:
    """The rows of one call. Those that name another call are left out."""
    if isinstance(body, Mapping) and "call_recordings" in body:
        body = body["call_recordings"] or []
    rows = [
        _row({**entry, "reference_id": entry.get("reference_id") or reference_id})
        for entry in _entries(body)
        if isinstance(entry, Mapping)
    ]
    asked = _bare(reference_id)
    return tuple(
        replace(row, reference_id=reference_id) for row in rows if row and _bare(row.reference_id) == asked
    )


def _entries(body: object) -> Sequence[object]:
    entries = [body] if isinstance(body, Mapping) else body
    if not isinstance(entries, list):
        raise RetryableError("the provider's answer holds no list of recordings")
    return entries


def _row(entry: object) -> Row | None:
    """A row, or None when it names no call."""
    fields = entry if isinstance(entry, Mapping) else {}
    reference_id = _text(fields.get("reference_id"))
    if reference_id is None or len(reference_id.encode()) > MAX_ID_BYTES:
        return None
    transcribe, url = fields.get("transcribe"), fields.get("url")
    if transcribe is not None and not isinstance(transcribe, Mapping):
        transcribe = {"transcription": str(type(transcribe))}  # no form that is known: pending, then failed
    return Row(
        reference_id=reference_id,
        file_name=_name(fields.get("file_name")),
        status=(_text(fields.get("status")) or "")[:MAX_STATUS],
        recorded_at=_moment(fields.get("date")),
        url=url if isinstance(url, str) and url else None,
        transcribe=transcribe,
    )


def _bare(reference_id: str) -> str:
    """The provider writes its ids as 32 hex digits, and once as a dashed UUID."""
    return reference_id.replace("-", "").lower()


def _text(value: object) -> str | None:
    """Text as DynamoDB can hold it: half surrogate pairs as escapes. None for what is no text."""
    if not isinstance(value, str) or not value:
        return None
    return value.encode("utf-8", "backslashreplace").decode()


def _name(value: object) -> str | None:
    """A file's name. One that is too long is cut and ends in a hash of the whole: it distinguishes files."""
    name = _text(value)
    whole = (name or "").encode()
    if len(whole) <= MAX_NAME:
        return name
    digest = hashlib.sha256(whole).hexdigest()[:32]
    return f"{whole[: MAX_NAME - len(digest) - 1].decode(errors='ignore')}~{digest}"


def _moment(value: object) -> datetime | None:
    """The provider's dates have no zone and are UTC; None for what is no date, or none of our time."""
    try:
        moment = datetime.fromisoformat(str(value).strip())
    except ValueError:
        return None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    try:
        moment = moment.astimezone(UTC).replace(microsecond=0)
    except OverflowError:
        return None
    return moment if EARLIEST <= moment < LATEST else None
