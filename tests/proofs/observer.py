"""The one observer of archives on an AWS: what lies in bucket, ledger, queues and logs, as an Observation.

It asks neither the functions nor their code what they meant to do, and looks past every proxy.
"""

import base64
import io
import json
import re
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from call_archive.model.call import FileStatus, TranscriptStatus
from call_archive.model.object_key import Origin
from call_archive.model.window import from_text
from call_archive.storage.ledger_items import call_from_item, window_from_item
from infra.deployment import Deployment
from infra.simulator import Options, TrueCall, TrueFile
from infra.verification.bucket_versions import Bucket
from infra.verification.differences import StoredVersion
from infra.verification.observation import Observation, Served
from tests.proofs.aws import Account
from tests.proofs.recording import Record, recorded

LOSSES = {
    "recording_failed": "FailedFiles",
    "transcript_failed": "FailedFiles",
    "recording_deleted_at_source": "DeletedFiles",
}
"""Events, by the metric that an alarm counts them by."""
PLAIN_PIECE = re.compile(r"[ -!#-\[\]-~]{12,}")
"""Of a text: what JSON leaves as it is."""

Line = tuple[object, str]
"""Of a log, with the stream that it is of: of one process, in the order in which it wrote them."""


# --- What the provider truly held


def served(truth: Iterable[TrueCall], now: datetime) -> Iterator[Served]:
    """Each file, and how it must end if nothing happens at the provider after `now`."""
    for file in (file for call in truth for file in call.files):
        transcribe = file.transcribe_at(now)
        yield Served(
            reference_id=file.reference_id,
            file_name=file.file_name,
            recorded_at=file.created_at,
            sha256=file.sha256,
            transcribes=() if transcribe is None else (transcribe,),
            recording_ends=frozenset({_recording_end(file, now)}),
            transcript_ends=frozenset({_transcript_end(transcribe)}),
        )


def _recording_end(file: TrueFile, now: datetime) -> FileStatus:
    if file.size == 0:
        return FileStatus.FAILED
    return FileStatus.DELETED_AT_SOURCE if file.status_at(now) == "deleted" else FileStatus.ARCHIVED


def _transcript_end(transcribe: dict[str, Any] | None) -> TranscriptStatus:
    statuses = {entry["status"] for entry in (transcribe or {}).get("transcription") or []}
    if statuses == {"failed"}:
        return TranscriptStatus.FAILED
    return TranscriptStatus.ARCHIVED if statuses else TranscriptStatus.NONE


def spoken(truth: Iterable[TrueCall]) -> set[str]:
    """Of each transcript's text a piece that no escape hides: it belongs into transcripts' objects alone."""
    transcripts = [file.transcript for call in truth for file in call.files if file.transcript]
    texts = [entry.get("result", "") for transcript in transcripts for entry in transcript.entries]
    return {max(pieces, key=len) for text in texts if (pieces := PLAIN_PIECE.findall(text))}


def credentials(options: Options) -> tuple[str, ...]:
    """What of the simulated account must be nowhere: as it is, as a request carries it, and signed links."""
    basic = basic_credentials(options.customer_id, options.api_key)
    return (options.customer_id, options.api_key, basic, "Authorization: Basic", "Signature=", "Key-Pair-Id")


def basic_credentials(customer_id: str, api_key: str) -> str:
    return base64.b64encode(f"{customer_id}:{api_key}".encode()).decode()


# --- What the functions wrote


class Log(io.StringIO):
    """All that functions in this process print: their log, and their metrics."""

    def __init__(self) -> None:
        super().__init__()
        self.process = 0
        """Which of them writes: what one has not counted when it ends, no later one counts."""
        self._begun: dict[int, int] = {}

    def begin_process(self) -> None:
        self.process += 1
        self._begun[self.process] = self.tell()

    def lines(self) -> Iterator[Line]:
        text, ends = self.getvalue(), [*self._begun.values()][1:]
        for process, (start, end) in enumerate(zip(self._begun.values(), [*ends, None], strict=True)):
            yield from ((process, line) for line in text[start:end].splitlines())

    def documents(self) -> list[dict[str, Any]]:
        return [document for _, line in self.lines() if (document := _document(line))]


def logs(deployment: Deployment) -> Iterator[str]:
    """Every line that the deployed functions wrote, metrics among them."""
    yield from (line for _, line in log_lines(deployment))


def log_lines(deployment: Deployment) -> Iterator[Line]:
    client = deployment.connection.client("logs")
    for group in client.get_paginator("describe_log_groups").paginate().search("logGroups[].logGroupName"):
        streams = client.get_paginator("describe_log_streams").paginate(logGroupName=group)
        # One by one: of a whole group MiniStack answers the first 10,000 events, and no token for the rest.
        for stream in streams.search("logStreams[].logStreamName"):
            pages = client.get_paginator("filter_log_events").paginate(
                logGroupName=group, logStreamNames=[stream]
            )
            yield from ((stream, line) for line in pages.search("events[].message"))


def losses_reported(lines: Iterable[Line]) -> set[tuple[str, str]]:
    """Reference id and file name of each loss whose count was written out: alarms hear of counts alone."""
    told: set[tuple[str, str]] = set()
    uncounted: dict[tuple[object, str], deque[tuple[str, str]]] = defaultdict(deque)
    for stream, line in lines:
        document = _document(line)
        if metric := LOSSES.get(str(document.get("message"))):
            uncounted[stream, metric].append((document["reference_id"], document["file_name"]))
        for metric in set(LOSSES.values()):
            waiting = uncounted[stream, metric]
            for _ in range(min(_count(document.get(metric)), len(waiting))):
                told.add(waiting.popleft())
    return told


def _document(line: str) -> dict[str, Any]:
    try:
        document = json.loads(line) if line.startswith("{") else {}  # not Lambda's own lines
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _count(metric: Any) -> int:
    """A metric's value in the embedded format: one number, or one for each time that it was added."""
    return int(sum(metric if isinstance(metric, list) else [metric or 0]))


# --- What lies in the account


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where one archive is looked at."""

    account: Account
    record: Callable[[], Record]
    log: Callable[[], Iterable[Line]]
    listed_from: datetime


def observed(
    sources: Sources,
    *,
    at_rest: bool,
    most_visits: int | None,
    before: Collection[StoredVersion] = (),
    secrets: Collection[str] = (),
    texts: Iterable[tuple[str, str]] = (),
) -> Observation:
    """`before`: what an earlier look found. `texts`: where else secrets are looked for."""
    # The cursor before the record: a window is noted before the cursor moves over it.
    account = sources.account
    cursor = account.ledger.listed_until()
    requests = sources.record()
    kinds: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for item in account.items():
        kinds[item["pk"]["S"].partition("#")[0]].append(item)
    calls = [call_from_item(item) for item in kinds["call"]]
    dead = [body for bodies in account.dead_letters().values() for body in bodies]
    versions = stored_versions(account)
    lines = list(sources.log())  # after the ledger: a loss is told before it is noted
    return Observation(
        at_rest=at_rest,
        calls={call.reference_id: call for call in calls},
        versions=versions,
        versions_before=before,
        read=partial(_read, account),
        windows=[window_from_item(item) for item in kinds["window"]],
        listed_from=sources.listed_from,
        listed_until=cursor,
        noted_windows=requests.noted_windows,
        uploads=account.uploads(),
        messages=requests.messages,
        dead_letters=dead,
        most_visits=most_visits,
        losses_reported=losses_reported(lines),
        secrets=secrets,
        texts=[
            ("the log", "\n".join(line for _, line in lines)),
            *(("the ledger", str(item)) for items in kinds.values() for item in items),
            *(("a message", body) for body in (*requests.messages, *dead)),
            *texts,
        ],
    )


def sources_of(deployment: Deployment, folder: Path) -> Sources:
    """`folder`: the one of a MiniStack that recorded (`tests.proofs.recording`)."""
    return Sources(
        account=Account.of(deployment),
        record=partial(recorded, folder),
        log=partial(log_lines, deployment),
        listed_from=_listed_from(deployment),
    )


def stored_versions(account: Account, ids: Collection[str] | None = None) -> list[StoredVersion]:
    """What lies in the bucket, of these calls or of all, with the SHA-256 of the very bytes."""
    bucket = Bucket(client=account.s3, name=account.bucket, reads=True)
    keys: list[str] = []
    after, more = None, True
    while more:
        page = bucket.page("", after)
        keys += [key for key in page.versions if ids is None or key.split("/")[4] in ids]
        after, more = page.until, page.until is not None
    with ThreadPoolExecutor(account.readers) as readers:
        found = list(readers.map(lambda key: bucket.versions(key, None), keys))
    # Not when it was stored: a look that finds the same finds it equal.
    return [replace(version, modified_at=None) for versions in found for version in versions]


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
        texts=(),
    )


def _read(account: Account, version: StoredVersion) -> bytes:
    answer = account.s3.get_object(Bucket=account.bucket, Key=version.key, VersionId=version.version_id or "")
    with answer["Body"] as body:
        return body.read()


def _listed_from(deployment: Deployment) -> datetime:
    """As the template has told the lister."""
    client = deployment.connection.client("lambda")
    configuration = client.get_function_configuration(FunctionName=deployment.lister_function)
    return from_text(configuration["Environment"]["Variables"]["ARCHIVE_FROM"])


def _keys(file: TrueFile) -> tuple[str, str]:
    origin = Origin(reference_id=file.reference_id, file_name=file.file_name, recorded_at=file.created_at)
    return origin.recording_key, origin.transcript_key
