"""The ledger against the bucket."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVersion:
    """A version of an object as S3 tells of it; `size` in bytes, `sha256` in hex, empty if S3 keeps none."""

    key: str
    version_id: str | None
    size: int
    sha256: str
    delete_marker: bool = False
