from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from infra.simulator.audio import sha256_of
from infra.simulator.options import Audio
from infra.simulator.transcripts import Transcript


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueFile:
    """One recording file, over all of its life. Times are aware UTC."""

    reference_id: str
    file_name: str
    created_at: datetime
    available_at: datetime
    deleted_at: datetime | None = None
    transcript: Transcript | None
    recording: Audio = field(repr=False)

    @property
    def size(self) -> int:
        return self.recording.size

    @property
    def sha256(self) -> str:
        return sha256_of(self.recording)

    def audio(self) -> bytes:
        return b"".join(self.recording.chunks())

    def status_at(self, now: datetime) -> str:
        if self.deleted_at is not None and self.deleted_at <= now:
            return "deleted"
        return "available" if self.available_at <= now else "recording"

    def transcribe_at(self, now: datetime) -> dict[str, Any] | None:
        """Give what the provider answers as `transcribe` at that time; None when there is none (yet)."""
        if self.transcript is None:
            return None
        return self.transcript.at(now, deleted=self.status_at(now) == "deleted")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueCall:
    reference_id: str
    files: tuple[TrueFile, ...]
