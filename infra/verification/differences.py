"""Whether the bucket holds of a key what the ledger says. Pure: every harness that compares the two asks here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from call_archive.model.call import FileStatus, StoredObject, TranscriptStatus
from call_archive.model.object_key import Origin, segment
from infra.verification.parsed_key import Kind, parse_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from call_archive.model.call import Call, RecordingFile
    from infra.verification.parsed_key import ParsedKey

NO_VERSION = (None, "null")
"""How an object without a version is named: S3 says `null`, the ledger nothing."""


class Mark(StrEnum):
    EQUAL = "="
    MISSING = "-"
    """In the ledger, not in the bucket."""
    EXTRA = "+"
    """In the bucket, not in the ledger."""
    DIFFERENT = "*"
    UNREADABLE = "!"
    IN_WORK = "~"
    """Stored, and not noted in the ledger yet by a visit that is still pending."""

    @property
    def word(self) -> str:
        """`equal`, `in_work`: what its count is called."""
        return self.name.lower()

    @property
    def is_difference(self) -> bool:
        return self not in (Mark.EQUAL, Mark.IN_WORK)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVersion:
    """One version that the bucket holds of a key, or a delete marker of it."""

    key: str
    version_id: str | None
    size: int
    sha256: str | None
    """In hex; None where S3 keeps none of the whole object, or was not asked."""
    delete_marker: bool = False
    modified_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """An object that the ledger calls archived, and the recording file that it is of."""

    file_name: str
    recorded_at: datetime
    stored: StoredObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    mark: Mark
    key: str
    reason: str | None = None


def expected_objects(call: Call | None) -> dict[str, Expected]:
    """Every object of a call that the ledger calls archived, by key."""
    if call is None:
        return {}
    return {
        stored.key: Expected(file_name=name, recorded_at=file.recorded_at, stored=stored)
        for name, file in call.files.items()
        for stored in _stored(call.reference_id, name, file)
    }


def judge(key: str, call: Call | None, versions: Sequence[StoredVersion]) -> Finding | None:
    """What is to be said of a key; None when neither side has it.

    `call` is the one that the key names, or that claims the key; `versions` are all that the bucket holds
    of the key, newest first, with the SHA-256 of at least the one that the ledger names.
    """
    expected = expected_objects(call).get(key)
    if call is not None and expected is not None:
        if not _names(key, call.reference_id, expected.file_name):
            owner = f"{segment(call.reference_id)}/{segment(expected.file_name)}"
            reason = f"the ledger has it for {owner}, whose key it is not"
            return Finding(mark=Mark.DIFFERENT, key=key, reason=reason)
        return compare(expected.stored, versions)
    if not versions:
        return None
    if call is not None and _is_in_work(key, call, versions):
        return Finding(mark=Mark.IN_WORK, key=key, reason="stored, and not yet noted in the ledger")
    return Finding(mark=Mark.EXTRA, key=key, reason=_why_extra(key, call, versions))


def compare(expected: StoredObject, versions: Sequence[StoredVersion]) -> Finding:
    """An archived object against everything that the bucket holds of its key, newest first."""
    objects = [version for version in versions if not version.delete_marker]
    markers = len(versions) - len(objects)
    if not objects:
        reason = "deleted: delete markers are all that is left" if markers else None
        return Finding(mark=Mark.MISSING, key=expected.key, reason=reason)
    # Of several, the ledger's own: what was put over it does not make it another.
    named = [version for version in objects if _same_version(expected.version_id, version.version_id)]
    reasons = _differences(expected, (named or objects)[0], objects=len(objects), markers=markers)
    if not reasons:
        return Finding(mark=Mark.EQUAL, key=expected.key)
    return Finding(mark=Mark.DIFFERENT, key=expected.key, reason="; ".join(reasons))


def _differences(expected: StoredObject, there: StoredVersion, *, objects: int, markers: int) -> list[str]:
    reasons = []
    if not _same_version(expected.version_id, there.version_id):
        reasons.append(f"version {there.version_id}, not {expected.version_id}")
    if objects > 1:
        reasons.append(f"{objects} versions, not 1")
    if markers:
        reasons.append(f"{markers} delete marker{'s' if markers > 1 else ''}")
    if there.size != expected.size:
        reasons.append(f"{there.size} bytes, not {expected.size}")
    if there.sha256 is None:
        reasons.append("S3 keeps no SHA-256 of all its bytes")
    elif there.sha256 != expected.sha256:
        reasons.append(f"SHA-256 {there.sha256}, not {expected.sha256 or 'known'}")
    return reasons


def _same_version(expected: str | None, there: str | None) -> bool:
    return expected == there or (expected in NO_VERSION and there in NO_VERSION)


def _stored(reference_id: str, name: str, file: RecordingFile) -> Iterator[StoredObject]:
    """What is called archived without saying of what size is expected where it should be, and equals nothing."""
    origin = Origin(reference_id=reference_id, file_name=name, recorded_at=file.recorded_at)
    if file.status is FileStatus.ARCHIVED:
        yield file.recording or _nothing(origin.recording_key, file)
    if file.transcript is not None and file.transcript.status is TranscriptStatus.ARCHIVED:
        yield file.transcript.stored or _nothing(origin.transcript_key, file)


def _nothing(key: str, file: RecordingFile) -> StoredObject:
    return StoredObject(key=key, size=0, sha256="", version_id=None, archived_at=file.recorded_at)


def _names(key: str, reference_id: str, file_name: str) -> bool:
    parsed = parse_key(key)
    return parsed is not None and (parsed.reference, parsed.file) == (
        segment(reference_id),
        segment(file_name),
    )


def _is_in_work(key: str, call: Call, versions: Sequence[StoredVersion]) -> bool:
    """A visit stores first and notes afterwards, so this is how an object looks in between."""
    parsed = parse_key(key)
    if parsed is None or parsed.reference != segment(call.reference_id) or call.settled:
        return False
    if len(versions) > 1 or versions[0].delete_marker:
        return False
    file = _file_of(parsed, call)
    return file is None or _is_pending(parsed.kind, file)


def _is_pending(kind: Kind, file: RecordingFile) -> bool:
    if kind is Kind.RECORDING:
        return file.status is FileStatus.RECORDING
    if file.transcript is None:
        return file.status is FileStatus.RECORDING
    return file.transcript.status is TranscriptStatus.PENDING


def _file_of(parsed: ParsedKey, call: Call) -> RecordingFile | None:
    return next((file for name, file in call.files.items() if segment(name) == parsed.file), None)


def _why_extra(key: str, call: Call | None, versions: Sequence[StoredVersion]) -> str:
    parsed = parse_key(key)
    if parsed is None:
        return "no key of this archive"
    if call is None:
        return "the ledger knows no such call"
    file = _file_of(parsed, call)
    if file is None:
        return "the ledger knows no such file of this call"
    if all(version.delete_marker for version in versions):
        return "a delete marker of what the ledger does not call archived"
    if parsed.kind is Kind.TRANSCRIPT:
        status = file.transcript.status.value if file.transcript else "none"
        return f"the ledger says of this transcript: {status}"
    return f"the ledger says of this file: {file.status.value}"
