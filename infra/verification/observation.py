"""What the invariants are judged by: what the provider truly held, and what was found in the customer's account."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from call_archive.model.call import Call, FileStatus, TranscriptStatus
from call_archive.model.object_key import Origin
from call_archive.model.window import PendingWindow, Window
from infra.verification.differences import StoredVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A recording file as the provider truly held it, and the ends that it may honestly come to."""

    reference_id: str
    file_name: str
    """Empty for a file that the provider never gave a name."""
    recorded_at: datetime
    sha256: str | None
    """Of its bytes, in hex; None when no recording was ever served for it."""
    transcribes: tuple[Mapping[str, Any], ...] = ()
    """Each `transcribe` that was served of it as completed."""
    recording_ends: frozenset[FileStatus] = frozenset({FileStatus.ARCHIVED})
    transcript_ends: frozenset[TranscriptStatus] = frozenset(TranscriptStatus) - {TranscriptStatus.PENDING}

    may_be_missed: bool = False
    """It was gone again before anybody had to know of it."""
    ends_by: datetime | None = None
    """No later than this it must have come to one of its ends."""

    @property
    def origin(self) -> Origin:
        return Origin(reference_id=self.reference_id, file_name=self.file_name, recorded_at=self.recorded_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What was found. What a harness cannot see it leaves at its default, and is then not judged by it."""

    at_rest: bool
    """Every fault has ended and all deadlines have passed: nothing may be open any more."""
    calls: Mapping[str, Call]
    versions: Collection[StoredVersion]
    read: Callable[[StoredVersion], bytes]
    """The bytes of a transcript's object."""
    versions_before: Collection[StoredVersion] = ()
    """What an earlier look found in the same bucket."""
    windows: Collection[PendingWindow] = ()
    listed_from: datetime | None = None
    listed_until: datetime | None = None
    noted_windows: Collection[Window] = ()
    """Every window that was ever durably noted, listed by now or not."""
    uploads: Collection[str] = ()
    """Keys of multipart uploads that were begun and not ended."""
    messages: Collection[str] = ()
    """Bodies of messages that were ever sent."""
    dead_letters: Collection[str] = ()
    """Bodies of messages that lie in a dead-letter queue."""
    poison: Collection[str] = ()
    """Calls that cannot be handled, by their nature."""
    most_visits: int | None = None
    ended_at: Mapping[tuple[str, str], datetime] = field(default_factory=dict)
    """When the recording of each came to its end, by reference id and file name."""
    losses_reported: Collection[tuple[str, str]] | None = None
    """Reference id and file name of each loss that was reported to the alarms."""
    secrets: Collection[str] = ()
    texts: Iterable[tuple[str, str]] = field(default=())
    """Where it was found, and what it says: logs, items, messages, metadata, errors, screens."""
