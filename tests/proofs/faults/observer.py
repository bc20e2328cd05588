"""A cell's world as it is found from outside, for the checker of the archive's invariants."""

import json
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, Final

from call_archive.model.call import FileStatus
from call_archive.model.window import Window
from call_archive.storage.ledger_items import call_from_item, deserialized, from_sortable, window_from_item
from infra.verification.bucket_versions import Bucket
from infra.verification.differences import StoredVersion
from infra.verification.invariants import violations
from infra.verification.observation import Observation, Served
from tests.proofs.faults.checking import dead_letter_queues, losses_reported, truth
from tests.proofs.faults.plan import FaultPlan
from tests.proofs.faults.stage import SECRETS
from tests.proofs.faults.world import ARCHIVE_FROM, World
from tests.proofs.observer import served, spoken

MAX_VISITS: Final = 6
"""Of one call in any cell."""


def found_wrong(world: World, *, at_rest: bool, may_be_unlisted: bool = False) -> list[str]:
    """Every promise that is broken. `at_rest`: nothing may be missing or owed any more."""
    seen = observed(world, at_rest=at_rest)
    files = list(served(truth(world), world.stage.clock.now()))
    broken = [str(violation) for violation in violations(files, seen)]
    world.versions = list(seen.versions)
    lost = [] if may_be_unlisted else list(_lost(files, seen))
    return [*broken, *lost, *_odd(seen)]


def observed(world: World, *, at_rest: bool) -> Observation:
    kinds = _items(world)
    cursor = [from_sortable(deserialized(item)["listed_until"]) for item in kinds["cursor"]]
    calls = [call_from_item(item) for item in kinds["call"]]
    dead = list(_dead_letters(world))
    return Observation(
        at_rest=at_rest,
        calls={call.reference_id: call for call in calls},
        versions=stored_versions(world),
        versions_before=world.versions,
        read=partial(_read, world),
        windows=[window_from_item(item) for item in kinds["window"]],
        listed_from=ARCHIVE_FROM,
        listed_until=cursor[0] if cursor else None,
        noted_windows=list(_noted(world)),
        uploads=list(_uploads(world)),
        messages=[*sent(world.stage.fronts.plan), *world.received],
        dead_letters=dead,
        most_visits=MAX_VISITS,
        losses_reported=losses_reported(world),
        secrets=[*SECRETS, *sorted(spoken(truth(world)))],
        texts=[
            ("the log", world.log.getvalue()),
            *(("an error", text) for text in world.texts),
            *(("the ledger", str(item)) for items in kinds.values() for item in items),
            *(("a message", request) for request in world.stage.fronts.plan.sent),
            *(("a message", body) for body in (*world.received, *dead)),
        ],
    )


def stored_versions(world: World) -> list[StoredVersion]:
    """With the SHA-256 of the very bytes: S3 keeps of them what it was told."""
    bucket = Bucket(client=world.stage.clients["s3"], name=world.names.bucket, reads=True)
    return [version for key in bucket.page("", None).versions for version in bucket.versions(key, None)]


def sent(plan: FaultPlan) -> list[str]:
    """Bodies of all messages that the functions sent, or tried to."""
    requests = map(json.loads, plan.sent)
    return [entry["MessageBody"] for request in requests for entry in request.get("Entries", [request])]


def _lost(files: Iterable[Served], seen: Observation) -> Iterator[str]:
    """What I1 says of a world at rest, said of one where a fault stays: what is not known yet is owed."""
    for each in files:
        if each.reference_id not in seen.calls and not _is_pending(each, seen):
            yield f"lost: {each.reference_id} is neither in the ledger nor in a window that is owed"


def _is_pending(file: Served, seen: Observation) -> bool:
    if seen.listed_until is None or seen.listed_until < file.recorded_at:
        return True
    return any(pending.window.overlaps(file.recorded_at, file.recorded_at) for pending in seen.windows)


def _odd(seen: Observation) -> Iterator[str]:
    """What no call of a whole ledger looks like."""
    for call in seen.calls.values():
        if call.settled and not call.files:
            yield f"settled without a file: {call.reference_id}"
        for name, file in call.files.items():
            if file.recording is not None and file.status is not FileStatus.ARCHIVED:
                yield f"stored, and {file.status.value} all the same: {name}"


def _items(world: World) -> dict[str, list[Any]]:
    kinds: dict[str, list[Any]] = {"call": [], "window": [], "cursor": []}
    dynamodb = world.stage.clients["dynamodb"]
    for item in dynamodb.scan(TableName=world.names.table, ConsistentRead=True)["Items"]:
        kinds[item["pk"]["S"].partition("#")[0]].append(item)
    return kinds


def _read(world: World, version: StoredVersion) -> bytes:
    answer = world.stage.clients["s3"].get_object(
        Bucket=world.names.bucket, Key=version.key, VersionId=version.version_id
    )
    with answer["Body"] as body:
        content: bytes = body.read()
        return content


def _uploads(world: World) -> Iterator[str]:
    answer = world.stage.clients["s3"].list_multipart_uploads(Bucket=world.names.bucket)
    yield from (upload["Key"] for upload in answer.get("Uploads", []))


def _noted(world: World) -> Iterator[Window]:
    """Every window that DynamoDB took of the functions; the operator's move no cursor."""
    for request in world.stage.fronts.plan.written:
        for put in json.loads(request)["RequestItems"][world.names.table]:
            yield window_from_item(put["PutRequest"]["Item"]).window


def _dead_letters(world: World) -> Iterator[str]:
    for url in dead_letter_queues(world).values():
        answer = world.stage.clients["sqs"].receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0
        )
        yield from (message["Body"] for message in answer.get("Messages", []))
