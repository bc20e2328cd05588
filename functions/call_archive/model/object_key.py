"""Where an object lies in the bucket. Names from outside become harmless path segments, one to one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from datetime import datetime

MAX_SEGMENT = 200
"""S3 allows 1,024 bytes a key; two segments of this, the date and the folder stay well below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The recording file that an object came from; its date is the one first noted, so its keys never change."""

    reference_id: str
    file_name: str
    recorded_at: datetime

    @property
    def recording_key(self) -> str:
        return f"recordings/{self._folder}/{segment(self.file_name)}"

    @property
    def transcript_key(self) -> str:
        return f"transcripts/{self._folder}/{segment(self.file_name)}.json"

    @property
    def _folder(self) -> str:
        return f"{self.recorded_at:%Y/%m/%d}/{segment(self.reference_id)}"


def segment(name: str) -> str:
    """Percent-encodes all but letters, digits, `-`, `_` and `.`; a long one is cut and ends in `~` and a hash.

    No two names share a segment: `~` itself is encoded, so a cut name equals no other's.
    """
    encoded = quote(name, safe="").replace("~", "%7E")
    if not encoded.strip("."):
        encoded = encoded.replace(".", "%2E")
    if len(encoded) <= MAX_SEGMENT:
        return encoded
    digest = hashlib.sha256(name.encode()).hexdigest()[:32]
    return f"{encoded[: MAX_SEGMENT - len(digest) - 1]}~{digest}"
