"""What a deployed archive holds, and what its simulated provider truly held, for the checker."""

import base64
import binascii
import json
import re
from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from call_archive.model.call import Call, FileStatus, TranscriptStatus
from call_archive.model.object_key import Origin
from call_archive.model.window import from_text
from call_archive.storage.ledger_items import call_from_item
from infra.cli.deployment import Deployment
from infra.simulator import Options, TrueCall, TrueFile
from infra.verification.differences import StoredVersion
from infra.verification.observation import Observation, Served
from tests.proofs.recording import Record, recorded

READERS = 8
HIDDEN_SECONDS = 60
LOSSES = {
    "recording_failed": "FailedFiles",
    "transcript_failed": "FailedFiles",
    "recording_deleted_at_source": "DeletedFiles",
}
"""Events, by the metric that an alarm counts them by."""
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


def credentials(options: Options) -> tuple[str, ...]:
    """What of the simulated account must be nowhere: as it is, as a request carries it, and signed links."""
    return (options.api_key, basic_credentials(options.customer_id, options.api_key), "Signature=")


def basic_credentials(customer_id: str, api_key: str) -> str:
    return base64.b64encode(f"{customer_id}:{api_key}".encode()).decode()


def logs(deployment: Deployment) -> Iterator[str]:
    """Every line that the functions wrote, metrics among them."""
    yield from (line for _, line in _log_lines(deployment))


def losses_reported(deployment: Deployment) -> set[tuple[str, str]]:
    """Reference id and file name of each loss whose count was written out: alarms hear of counts alone."""
    told: set[tuple[str, str]] = set()
    uncounted: dict[tuple[str, str], deque[tuple[str, str]]] = defaultdict(deque)
    for stream, line in _log_lines(deployment):
        document = _document(line)
        if metric := LOSSES.get(str(document.get("message"))):
            uncounted[stream, metric].append((document["reference_id"], document["file_name"]))
        for metric in set(LOSSES.values()):
            waiting = uncounted[stream, metric]
            for _ in range(min(_count(document.get(metric)), len(waiting))):
                told.add(waiting.popleft())
    return told


def observed(
    deployment: Deployment,
    *,
    at_rest: bool,
    secrets: tuple[str, ...] = (),
    folder: Path | None = None,
    before: Collection[StoredVersion] = (),
    most_visits: int | None = None,
) -> Observation:
    """Everything of the table and the bucket, in memory.

    `folder`: the one of a MiniStack that recorded (`tests.proofs.recording`): without, nobody knows which windows were
    noted. `before`: what an earlier look found.
    """
    s3 = deployment.connection.client("s3")
    # The cursor before the record: a window is noted before the cursor moves over it.
    listed_until = deployment.ledger.listed_until()
    record = recorded(folder) if folder else Record(messages=(), noted_windows=())
    items = list(_items(deployment))

    def read(version: StoredVersion) -> bytes:
        answer = s3.get_object(Bucket=deployment.bucket, Key=version.key, VersionId=version.version_id or "")
        with answer["Body"] as body:
            return body.read()

    return Observation(
        at_rest=at_rest,
        calls={call.reference_id: call for call in _calls(items)},
        versions=stored_versions(deployment),
        versions_before=before,
        read=read,
        windows=deployment.ledger.open_windows(),
        listed_from=_listed_from(deployment) if folder else None,
        listed_until=listed_until,
        noted_windows=record.noted_windows,
        uploads=[
            upload["Key"] for upload in s3.list_multipart_uploads(Bucket=deployment.bucket).get("Uploads", [])
        ],
        messages=record.messages,
        dead_letters=list(_dead_letters(deployment)),
        most_visits=most_visits,
        # After the ledger: a loss is told before it is noted.
        losses_reported=losses_reported(deployment),
        secrets=secrets,
        texts=_texts(deployment, items, record) if secrets else (),
    )


def looked_at(seen: Observation) -> dict[str, int]:
    """How much of what every run has: where one is zero, nothing was looked at, and nothing found says nothing."""
    return {
        "calls": len(seen.calls),
        "versions": len(seen.versions),
        "versions_before": len(seen.versions_before),
        "messages": len(seen.messages),
        "noted_windows": len(seen.noted_windows),
    }


def part_at_rest(seen: Observation, part: Collection[TrueCall], until: datetime) -> Observation:
    """Of a look the calls that have come to rest, while others go on arriving; `until`: when they began at latest."""
    ids = {call.reference_id for call in part}
    keys = {key for call in part for file in call.files for key in _keys(file)}
    return replace(
        seen,
        at_rest=True,
        calls={name: call for name, call in seen.calls.items() if name in ids},
        versions=[version for version in seen.versions if version.key in keys],
        versions_before=[version for version in seen.versions_before if version.key in keys],
        windows=[pending for pending in seen.windows if pending.window.start <= until],
        texts=(),  # of no part, and gone once they were read
    )


def stored_versions(deployment: Deployment, ids: Collection[str] | None = None) -> list[StoredVersion]:
    """What lies in the bucket, of these calls or of all."""
    return list(_versions(deployment, ids))


def _texts(
    deployment: Deployment, items: Iterable[dict[str, Any]], record: Record
) -> Iterator[tuple[str, str]]:
    yield from (("the ledger", str(item)) for item in items)
    yield from (("the log", line) for line in logs(deployment))
    yield from (("a message", body) for body in record.messages)


def _log_lines(deployment: Deployment) -> Iterator[tuple[str, str]]:
    """With the stream that each is of: of one process, in the order in which it wrote them."""
    client = deployment.connection.client("logs")
    for group in client.get_paginator("describe_log_groups").paginate().search("logGroups[].logGroupName"):
        streams = client.get_paginator("describe_log_streams").paginate(logGroupName=group)
        # One by one: of a whole group MiniStack answers the first 10,000 events, and no token for the rest.
        for stream in streams.search("logStreams[].logStreamName"):
            pages = client.get_paginator("filter_log_events").paginate(
                logGroupName=group, logStreamNames=[stream]
            )
            yield from ((stream, line) for line in pages.search("events[].message"))


def _document(line: str) -> dict[str, Any]:
    try:
        document = json.loads(line)
    except ValueError:  # Lambda's own lines
        return {}
    return document if isinstance(document, dict) else {}


def _count(metric: Any) -> int:
    """A metric's value in the embedded format: one number, or one for each time that it was added."""
    return int(sum(metric if isinstance(metric, list) else [metric or 0]))


def _listed_from(deployment: Deployment) -> datetime:
    """As the template has told the lister."""
    client = deployment.connection.client("lambda")
    configuration = client.get_function_configuration(FunctionName=deployment.lister_function)
    return from_text(configuration["Environment"]["Variables"]["ARCHIVE_FROM"])


def _keys(file: TrueFile) -> tuple[str, str]:
    origin = Origin(reference_id=file.reference_id, file_name=file.file_name, recorded_at=file.created_at)
    return origin.recording_key, origin.transcript_key


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


def _versions(deployment: Deployment, ids: Collection[str] | None) -> Iterator[StoredVersion]:
    s3 = deployment.connection.client("s3")

    def is_wanted(key: str) -> bool:
        return ids is None or key.split("/")[4] in ids

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
            if is_wanted(marker["Key"]):
                yield StoredVersion(
                    key=marker["Key"], version_id=marker["VersionId"], size=0, sha256="", delete_marker=True
                )
        found = [
            StoredVersion(key=each["Key"], version_id=each["VersionId"], size=each["Size"], sha256="")
            for each in page.get("Versions", [])
            if is_wanted(each["Key"])
        ]
        with ThreadPoolExecutor(READERS) as readers:
            yield from readers.map(whole, found)


def _dead_letters(deployment: Deployment) -> Iterator[str]:
    sqs = deployment.connection.client("sqs")
    for url in (deployment.fetch_dlq_url, deployment.windows_dlq_url, deployment.schedule_dlq_url):
        taken = []
        while messages := sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=HIDDEN_SECONDS
        ).get("Messages", []):
            taken += messages
            yield from (message["Body"] for message in messages)
        for message in taken:  # the next look finds them too
            sqs.change_message_visibility(
                QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
            )


def _hex(checksum: str) -> str:
    try:
        return base64.b64decode(checksum, validate=True).hex()
    except binascii.Error:
        return ""
