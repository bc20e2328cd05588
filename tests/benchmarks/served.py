"""What lies in the bucket against what was served: a digest for each key, made alike by provider and sink."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DIGESTS_PATH = "/digests"
"""Where the sink shows its own."""
COMPARED = ("reference_id", "file_name", "transcribe")
"""Of a transcript's document: what the provider said. The rest is the archive's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    missing: tuple[str, ...]
    altered: tuple[str, ...]
    extra: tuple[str, ...]


def difference(served: Mapping[str, str], stored: Mapping[str, str]) -> Difference:
    """Keys, by what is wrong with them."""
    return Difference(
        missing=tuple(sorted(served.keys() - stored.keys())),
        altered=tuple(sorted(key for key in served.keys() & stored.keys() if served[key] != stored[key])),
        extra=tuple(sorted(stored.keys() - served.keys())),
    )


def transcript_digest(document: Mapping[str, Any]) -> str:
    compared = {name: document.get(name) for name in COMPARED}
    return hashlib.sha256(json.dumps(compared, sort_keys=True).encode()).hexdigest()
