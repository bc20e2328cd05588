"""What a deployed archive holds, and what its simulated provider truly held, for the checker."""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from call_archive.calls import Call, FileStatus, TranscriptStatus
from call_archive.items import call_from_item
from infra.checking.differences import StoredVersion
from infra.checking.invariants import Observation, Served
from infra.cli.deployment import Deployment
from infra.local.simulator import TrueCall, TrueFile

READERS = 8
PLAIN_PIECE = re.compile(r"[ -!#-\[\]-~]{12,}")
"""Of a text: what JSON leaves as it is."""


def served(truth: Iterable[TrueCall], now: datetime) -> Iterator[Served]:
    for call in truth:
        for file in call.files:
            yield Served(
                reference_id=file.reference_id,
                file_name=file.file_name,
                recorded_at=file.created_at,
                sha256=file.sha256,
                transcribes=_transcribes(file, now),
                recording_ends=_recording_ends(file, now),
                transcript_ends=_transcript_ends(file, now),
            )


def spoken(truth: Iterable[TrueCall]) -> set[str]:
    """Of each transcript's text a piece that no escape hides: it belongs into transcripts' objects alone."""
    transcripts = [file.transcript for call in truth for file in call.files if file.transcript]
    texts = [entry.get("result", "") for transcript in transcripts for entry in transcript.entries]
    return {max(pieces, key=len) for text in texts if (pieces := PLAIN_PIECE.findall(text))}


def logs(deployment: Deployment) -> Iterator[str]:
    """Every line that the functions wrote, metrics among them."""
    client = deployment.connection.client("logs")
    for groups in client.get_paginator("describe_log_groups").paginate():
        for group in groups["logGroups"]:
            pages = client.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
            yield from (event["message"] for page in pages for event in page["events"])


def observed(deployment: Deployment, *, at_rest: bool, secrets: tuple[str, ...] = ()) -> Observation:
    """Everything of the table and the bucket, in memory."""
    s3 = deployment.connection.client("s3")
    items = list(_items(deployment))

    def read(version: StoredVersion) -> bytes:
        answer = s3.get_object(Bucket=deployment.bucket, Key=version.key, VersionId=version.version_id or "")
        with answer["Body"] as body:
            return body.read()

    return Observation(
        at_rest=at_rest,
        calls={call.reference_id: call for call in _calls(items)},
        versions=list(_versions(deployment)),
        read=read,
        windows=deployment.ledger.open_windows(),
        uploads=[
            upload["Key"] for upload in s3.list_multipart_uploads(Bucket=deployment.bucket).get("Uploads", [])
        ],
        dead_letters=list(_dead_letters(deployment)),
        secrets=secrets,
        texts=_texts(deployment, items) if secrets else (),
    )


def _texts(deployment: Deployment, items: Iterable[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    yield from (("the ledger", str(item)) for item in items)
    yield from (("the log", line) for line in logs(deployment))


def _transcribes(file: TrueFile, now: datetime) -> tuple[dict[str, Any], ...]:
    transcribe = file.transcribe_at(now)
    return () if transcribe is None else (transcribe,)


def _recording_ends(file: TrueFile, now: datetime) -> frozenset[FileStatus]:
    if file.size == 0:
        return frozenset({FileStatus.FAILED})
    if file.status_at(now) == "deleted":
        return frozenset({FileStatus.DELETED_AT_SOURCE})
    return frozenset({FileStatus.ARCHIVED})


def _transcript_ends(file: TrueFile, now: datetime) -> frozenset[TranscriptStatus]:
    made = bool((file.transcribe_at(now) or {}).get("transcription"))
    return frozenset({TranscriptStatus.ARCHIVED if made else TranscriptStatus.NONE})


def _items(deployment: Deployment) -> Iterator[dict[str, Any]]:
    pages = deployment.connection.client("dynamodb").get_paginator("scan")
    for page in pages.paginate(TableName=deployment.table, ConsistentRead=True):
        yield from page["Items"]


def _calls(items: Iterable[dict[str, Any]]) -> Iterator[Call]:
    return (call_from_item(item) for item in items if item["pk"]["S"].startswith("call#"))


def _versions(deployment: Deployment) -> Iterator[StoredVersion]:
    s3 = deployment.connection.client("s3")

    def whole(listed: StoredVersion) -> StoredVersion:
        head = s3.head_object(
            Bucket=deployment.bucket,
            Key=listed.key,
            VersionId=listed.version_id or "",
            ChecksumMode="ENABLED",
        )
        return StoredVersion(
            key=listed.key,
            version_id=listed.version_id,
            size=head["ContentLength"],
            sha256=_hex(head.get("ChecksumSHA256", "")),
        )

    for page in s3.get_paginator("list_object_versions").paginate(Bucket=deployment.bucket):
        for marker in page.get("DeleteMarkers", []):
            yield StoredVersion(
                key=marker["Key"], version_id=marker["VersionId"], size=0, sha256="", delete_marker=True
            )
        found = [
            StoredVersion(key=each["Key"], version_id=each["VersionId"], size=each["Size"], sha256="")
            for each in page.get("Versions", [])
        ]
        with ThreadPoolExecutor(READERS) as readers:
            yield from readers.map(whole, found)


def _dead_letters(deployment: Deployment) -> Iterator[str]:
    sqs = deployment.connection.client("sqs")
    for url in (deployment.fetch_dlq_url, deployment.windows_dlq_url, deployment.schedule_dlq_url):
        answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=1)
        yield from (message["Body"] for message in answer.get("Messages", []))


def _hex(checksum: str) -> str:
    try:
        return base64.b64decode(checksum, validate=True).hex()
    except binascii.Error:
        return ""
