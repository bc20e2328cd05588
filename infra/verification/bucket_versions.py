"""The bucket as it is: every version of every object, and what S3 says of an object's bytes."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.errors import CommandError
from infra.verification.differences import StoredVersion

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mypy_boto3_s3 import S3Client

PAGE_KEYS = 1000
"""The most that ListObjectVersions returns at once."""

CHUNK_BYTES = 1024 * 1024
SHA256_BYTES = 32


class UnreadableError(Exception):
    """One object, or one item of the ledger, could not be read; the text is the kind of the error alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionsPage:
    """All versions of some keys, newest first; the next page begins after the key `until`, if there is one."""

    versions: Mapping[str, Sequence[StoredVersion]]
    until: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    client: S3Client
    name: str
    reads: bool = False
    """Hashes the bytes themselves, where S3's own SHA-256 would do."""

    def page(self, prefix: str, after: str | None) -> VersionsPage:
        """Whole keys alone: what a page cut in two is left for the next, so that a key is all of a position."""
        marker: dict[str, Any] = {} if after is None else {"KeyMarker": after}
        answer = self.client.list_object_versions(
            Bucket=self.name, Prefix=prefix, MaxKeys=PAGE_KEYS, **marker
        )
        keys = _by_key(answer)
        keys = {key: found for key, found in keys.items() if after is None or _order(key) > _order(after)}
        if not answer["IsTruncated"]:
            return VersionsPage(versions=keys, until=None)
        if not keys:
            raise CommandError(f"S3 lists nothing after the key {after!r} and says that there is more.")
        if len(keys) > 1:
            del keys[max(keys, key=_order)]
        # A key that fills a page by itself is judged by its newest versions: it is different in any case.
        return VersionsPage(versions=keys, until=max(keys, key=_order))

    def current(self, key: str) -> StoredVersion | None:
        """What a GET of the key would return."""
        return self._ask(key)

    def versions(self, key: str, version_id: str | None) -> list[StoredVersion]:
        """Every version of a key; the one that is asked for, or else the newest object, with its SHA-256."""
        try:
            answer = self.client.list_object_versions(Bucket=self.name, Prefix=key, MaxKeys=PAGE_KEYS)
        except (ClientError, BotoCoreError) as error:
            raise UnreadableError(_kind(error)) from None
        found = _by_key(answer).get(key, [])
        objects = [version for version in found if not version.delete_marker]
        if not objects:
            return found
        asked = next((version for version in objects if version.version_id == version_id), objects[0])
        there = self._ask(key, VersionId=asked.version_id)
        return [
            replace(version, sha256=there.sha256 if there else None) if version is asked else version
            for version in found
        ]

    def _ask(self, key: str, **version: Any) -> StoredVersion | None:
        request: Any = {"Bucket": self.name, "Key": key, "ChecksumMode": "ENABLED", **version}
        try:
            if self.reads:
                got = self.client.get_object(**request)
                body = got["Body"]
                with body:
                    return _version(key, got, _hash_of(body.iter_chunks(CHUNK_BYTES)))
            head = self.client.head_object(**request)
            return _version(key, head, _whole_sha256(head.get("ChecksumSHA256", "")))
        except ClientError as error:
            if error.response["Error"]["Code"] in ("404", "NoSuchKey", "NoSuchVersion"):
                return None
            raise UnreadableError(_kind(error)) from None
        except BotoCoreError as error:
            raise UnreadableError(_kind(error)) from None


def _by_key(answer: Any) -> dict[str, list[StoredVersion]]:
    """S3 lists objects and delete markers separately, each newest first."""
    keys: dict[str, list[StoredVersion]] = {}
    for listed, is_marker in ((answer.get("Versions", []), False), (answer.get("DeleteMarkers", []), True)):
        for each in listed:
            version = StoredVersion(
                key=each["Key"],
                version_id=each.get("VersionId"),
                size=each.get("Size", 0),
                sha256=None,
                delete_marker=is_marker,
                modified_at=each["LastModified"],
            )
            keys.setdefault(version.key, []).append(version)
    return keys


def _version(key: str, answer: Any, sha256: str | None) -> StoredVersion:
    return StoredVersion(
        key=key,
        version_id=answer.get("VersionId"),
        size=answer["ContentLength"],
        sha256=sha256,
        modified_at=answer["LastModified"],
    )


def _order(key: str) -> bytes:
    """As S3 sorts keys: by their bytes."""
    return key.encode("utf-8", "surrogatepass")


def _hash_of(chunks: Any) -> str:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


def _whole_sha256(checksum: str) -> str | None:
    """None for a multipart upload's checksum of checksums, which ends in `-` and a number."""
    try:
        digest = base64.b64decode(checksum, validate=True)
    except binascii.Error:
        return None
    return digest.hex() if len(digest) == SHA256_BYTES else None


def _kind(error: ClientError | BotoCoreError) -> str:
    """By kind alone: the library's texts may quote requests."""
    if isinstance(error, ClientError):
        return f"S3: {error.response['Error'].get('Code', 'no code')}"
    return f"S3: {type(error).__name__}"
