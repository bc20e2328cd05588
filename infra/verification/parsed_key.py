"""Where an object lies, read back out of its key: which call it would belong to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote_to_bytes

from call_archive.model.object_key import segment

CUT = "~"
"""Stands in a segment that was cut, and nowhere else."""

_FORM = re.compile(r"(recordings|transcripts)/(\d{4}/\d\d/\d\d)/([^/]+)/([^/]+)", re.ASCII)


class Kind(StrEnum):
    RECORDING = "recordings"
    TRANSCRIPT = "transcripts"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedKey:
    """The parts of a key, still encoded; `file` is the recording file's segment, without a transcript's `.json`."""

    kind: Kind
    day: str
    reference: str
    file: str

    @property
    def reference_id(self) -> str | None:
        """None for a segment that was cut: a hash leads nowhere back."""
        return None if CUT in self.reference else unquote_to_bytes(self.reference).decode()


def parse_key(key: str) -> ParsedKey | None:
    """None for a key that no call of ours could have."""
    found = _FORM.fullmatch(key)
    if found is None:
        return None
    kind, day, reference, file = found.groups()
    if kind == Kind.TRANSCRIPT:
        if not file.endswith(".json"):
            return None
        file = file.removesuffix(".json")
    if not (_is_ours(reference) and _is_ours(file)):
        return None
    return ParsedKey(kind=Kind(kind), day=day, reference=reference, file=file)


def _is_ours(encoded: str) -> bool:
    """`%41` and `A` are the same name, and only one of them is how a name is encoded."""
    try:
        return CUT in encoded or segment(unquote_to_bytes(encoded).decode()) == encoded
    except UnicodeDecodeError:
        return False
