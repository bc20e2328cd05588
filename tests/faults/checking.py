"""What a world looks like from outside, past the proxies: what is owed, what was told, which promise is broken."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from call_archive.calls import Call, FileStatus, TranscriptStatus
from call_archive.ledger import Ledger
from infra.local.comparison import expected_objects
from infra.local.simulator import TrueCall
from tests.faults.stage import SECRETS
from tests.faults.world import World
from tests.observing import spoken

LISTING_LAG_ALARM_SECONDS = 1800
METRICS = {"FailedFiles": 0, "ListingLag": LISTING_LAG_ALARM_SECONDS, "OldestOpenCallAge": 0}
"""Above which a metric counts as loud; an open call's age has a day until its alarm."""
BROKEN = re.compile(
    r" \((Connection\w*|ReadTimeout\w*|SSL\w*|Timeout\w*|Protocol\w*|Incomplete\w*|gai\w*|BadStatus\w*)\)"
)
ALARMS = {"OldestOpenCallAge": "OldestOpenCall"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    reasons: frozenset[str]
    alarms: frozenset[str]


def truth(world: World) -> list[TrueCall]:
    return world.stage.fronts.simulator.truth()


def calls(world: World) -> dict[str, Call | None]:
    known = Ledger(world.stage.clients["dynamodb"], world.names.table).read_many(
        call.reference_id for call in truth(world)
    )
    return {call.reference_id: known.get(call.reference_id) for call in truth(world)}


def unsettled(world: World) -> list[str]:
    return [name for name, call in calls(world).items() if call is None or not call.settled]


def failed(world: World) -> dict[str, Call]:
    return {name: call for name, call in calls(world).items() if call is not None and call.failed}


def reasons_of(call: Call) -> Iterator[str]:
    for file in call.files.values():
        if file.status is FileStatus.FAILED:
            yield plain(file.reason or "")
        if file.transcript is not None and file.transcript.status is TranscriptStatus.FAILED:
            yield plain(file.transcript.reason or "")


def told(world: World) -> Told:
    """Why work was put off, and which alarms would be raised."""
    reasons = set(world.raised)
    values: dict[str, float] = {}
    for line in lines(world):
        if "_aws" in line:
            (directive,) = line["_aws"]["CloudWatchMetrics"]
            for metric in directive["Metrics"]:
                values[metric["Name"]] = max(line[metric["Name"]])
        elif line["message"] == "window_postponed":
            reasons.add(line["reason"])
        elif line["message"] == "message_failed":
            unexpected = line["reason"].startswith("unexpected")
            reasons.add(f"an unexpected {line['error']}" if unexpected else line["reason"])
        elif line["message"] == "call_pending" and not line["reason"].startswith("not visited"):
            reasons.add(line["reason"])
    alarms = {ALARMS.get(name, name) for name, limit in METRICS.items() if values.get(name, 0) > limit}
    alarms |= {"ListerErrors"} if world.raised else set()
    alarms |= {name for name, url in _dlqs(world).items() if messages_in(world, url)}
    return Told(reasons=frozenset(map(plain, reasons)), alarms=frozenset(alarms))


def plain(reason: str) -> str:
    """Without what differs from run to run: which of two calls, and how a broken connection showed."""
    return re.sub(r"(recordings|transcripts)/\S+?(\.wav(\.json)?)", "its key", BROKEN.sub("", reason))


def lines(world: World) -> list[dict[str, Any]]:
    return [json.loads(line) for line in world.log.getvalue().splitlines() if line.startswith("{")]


def messages_in(world: World, url: str) -> int:
    answer = world.stage.clients["sqs"].get_queue_attributes(
        QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
    )
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])


def violations(world: World, *, done: bool, unlisted_allowed: bool = False) -> Iterator[str]:
    """Every promise that is broken. `done`: nothing may be missing any more."""
    if done:  # what was stored wrongly before is still there: an object is never changed
        yield from _of_the_bucket(world)
    yield from _of_the_ledger(world, _keys(world), unlisted_allowed=unlisted_allowed)
    uploads = world.stage.clients["s3"].list_multipart_uploads(Bucket=world.names.bucket)
    yield from (f"half an upload: {upload['Key']}" for upload in uploads.get("Uploads", []))
    secrets = {*SECRETS, *spoken(truth(world))}
    yield from (f"a secret in {where}" for where, text in _texts(world) for each in secrets if each in text)


def _of_the_bucket(world: World) -> Iterator[str]:
    s3, bucket = world.stage.clients["s3"], world.names.bucket
    files = [file for call in truth(world) for file in call.files]
    expected = expected_objects(files, world.stage.clock.now())
    stored = [each["Key"] for each in s3.list_object_versions(Bucket=bucket).get("Versions", [])]
    yield from (f"missing: {key}" for key in expected.keys() - set(stored))
    yield from (f"of two versions: {key}" for key in set(stored) if stored.count(key) > 1)
    for key in stored:
        with s3.get_object(Bucket=bucket, Key=key)["Body"] as body:
            if key not in expected or not expected[key]([body.read()]):
                yield f"altered, or not the provider's: {key}"


def _keys(world: World) -> set[str]:
    listed = world.stage.clients["s3"].list_objects_v2(Bucket=world.names.bucket)
    return {each["Key"] for each in listed.get("Contents", [])}


def _of_the_ledger(world: World, keys: set[str], *, unlisted_allowed: bool) -> Iterator[str]:
    for reference_id, call in calls(world).items():
        if call is None:
            if not unlisted_allowed and not _is_owed(world, reference_id):
                yield f"lost: {reference_id} is neither in the ledger nor in a window that is owed"
            continue
        for name, file in call.files.items():
            stored = file.recording.key if file.recording else None
            if (file.status is FileStatus.ARCHIVED) != (stored is not None) or stored not in {None, *keys}:
                yield f"archived without its object: {name}"
            transcript = file.transcript
            archived = transcript is not None and transcript.status is TranscriptStatus.ARCHIVED
            stored = transcript.stored.key if transcript and transcript.stored else None
            if archived and stored not in keys:
                yield f"transcript archived without its object: {name}"
        if call.failed and not all(reasons_of(call)):
            yield f"failed without a reason: {reference_id}"
        if call.settled and not call.files:
            yield f"settled without a file: {reference_id}"


def _is_owed(world: World, reference_id: str) -> bool:
    (created,) = (each.files[0].created_at for each in truth(world) if each.reference_id == reference_id)
    listed_until = world.ledger.listed_until()
    if listed_until is None or listed_until < created:
        return True
    return any(owed.window.overlaps(created, created) for owed in world.ledger.open_windows())


def _texts(world: World) -> Iterator[tuple[str, str]]:
    yield "the log", world.log.getvalue()
    yield "an error", "\n".join(world.texts)
    items = world.stage.clients["dynamodb"].scan(TableName=world.names.table)["Items"]
    yield "the ledger", json.dumps(items)
    sqs = world.stage.clients["sqs"]
    for url in [world.names.fetch_queue, world.names.windows_queue, *_dlqs(world).values()]:
        answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)
        yield "a message", json.dumps([message["Body"] for message in answer.get("Messages", [])])


def _dlqs(world: World) -> dict[str, str]:
    return {"FetchDlq": world.names.fetch_dlq, "WindowsDlq": world.names.windows_dlq}
