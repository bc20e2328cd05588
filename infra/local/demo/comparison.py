"""Every object in the bucket against what the provider served: missing, altered, extra."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from call_archive.model.object_key import Origin
from infra.deployment import Deployment
from infra.simulator import TrueCall, TrueFile

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

READERS = 8
CHUNK_BYTES = 1024 * 1024
COMPLETED = "completed"

Holds = Callable[[Iterable[bytes]], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Keys, and how much was right; `size` in bytes of both kinds."""

    recordings: int
    transcripts: int
    size: int
    deleted_at_source: int
    missing: tuple[str, ...]
    altered: tuple[str, ...]
    extra: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return not (self.missing or self.altered or self.extra)


def compare(deployment: Deployment, truth: Iterable[TrueCall], now: datetime) -> Comparison:
    """Reads every byte of every version of every object."""
    files = [file for call in truth for file in call.files]
    expected = expected_objects(files, now)
    s3 = deployment.connection.client("s3")
    stored = list(_versions(s3, deployment.bucket))
    keys = [key for key, _, _ in stored]

    def is_right(version: tuple[str, str, int]) -> bool:
        key, version_id, _ = version
        body = s3.get_object(Bucket=deployment.bucket, Key=key, VersionId=version_id)["Body"]
        with body:
            return expected[key](body.iter_chunks(CHUNK_BYTES))

    known = [version for version in stored if version[0] in expected]
    with ThreadPoolExecutor(READERS) as readers:
        right = [version for version, good in zip(known, readers.map(is_right, known), strict=True) if good]
    good_keys = {key for key, _, _ in right}
    # A second version of a key is as unwelcome as an object that nobody served.
    repeated = {key for key in keys if keys.count(key) > 1} if len(set(keys)) < len(keys) else set()
    return Comparison(
        recordings=sum(key.startswith("recordings/") for key in good_keys),
        transcripts=sum(key.startswith("transcripts/") for key in good_keys),
        size=sum(size for _, _, size in right),
        deleted_at_source=sum(file.status_at(now) == "deleted" for file in files),
        missing=tuple(sorted(expected.keys() - set(keys))),
        altered=tuple(sorted({key for key, _, _ in known} - good_keys)),
        extra=tuple(sorted(set(keys) - expected.keys() | repeated)),
    )


def expected_objects(files: Iterable[TrueFile], now: datetime) -> Mapping[str, Holds]:
    """What must be in the bucket by then, and the check that an object's bytes are right."""
    expected: dict[str, Holds] = {}
    for file in files:
        if file.status_at(now) != "available":
            continue
        origin = Origin(reference_id=file.reference_id, file_name=file.file_name, recorded_at=file.created_at)
        expected[origin.recording_key] = _same_bytes(file)
        transcribe = file.transcribe_at(now)
        if transcribe is not None and _is_complete(transcribe):
            expected[origin.transcript_key] = _same_transcript(file, transcribe)
    return expected


def _same_bytes(file: TrueFile) -> Holds:
    def holds(chunks: Iterable[bytes]) -> bool:
        digest = hashlib.sha256()
        for chunk in chunks:
            digest.update(chunk)
        return digest.hexdigest() == file.sha256

    return holds


def _same_transcript(file: TrueFile, transcribe: Mapping[str, Any]) -> Holds:
    def holds(chunks: Iterable[bytes]) -> bool:
        try:
            document = json.loads(b"".join(chunks))
        except ValueError:
            return False
        wanted = {"reference_id": file.reference_id, "file_name": file.file_name, "transcribe": transcribe}
        return isinstance(document, dict) and all(
            document.get(name) == value for name, value in wanted.items()
        )

    return holds


def _is_complete(transcribe: Mapping[str, Any]) -> bool:
    entries = transcribe["transcription"]
    return bool(entries) and all(entry["status"] == COMPLETED for entry in entries)


def _versions(s3: "S3Client", bucket: str) -> Iterable[tuple[str, str, int]]:
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for version in page.get("Versions", []):
            yield version["Key"], version["VersionId"], version["Size"]
