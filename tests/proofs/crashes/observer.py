"""The world as it is found from outside, for the checker of the archive's invariants."""

import base64
from collections.abc import Collection, Iterator
from functools import partial
from typing import Any, Final

from call_archive.model.window import Window
from call_archive.storage.ledger_items import call_from_item, deserialized, from_sortable, window_from_item
from infra.verification.differences import StoredVersion
from infra.verification.invariants import violations
from infra.verification.observation import Observation
from tests.proofs.crashes.aws import BUCKET, TABLE, Aws
from tests.proofs.crashes.world import World
from tests.proofs.observer import spoken

MAX_VISITS: Final = 12
"""Of one call in any of these stories, two crashes included."""


def found_wrong(world: World, seen: Observation) -> list[str]:
    """Broken invariants, and errors: a crash leaves nothing that may make a later invocation fail."""
    failed = [line for line in world.log.getvalue().splitlines() if "message_failed" in line]
    broken = [str(violation) for violation in violations(world.story.served(), seen)]
    return broken + [f"failed: {text}" for text in (*world.errors, *failed)]


def observed(world: World, *, at_rest: bool, before: Collection[StoredVersion] = ()) -> Observation:
    items: list[Any] = world.aws.dynamodb.scan(TableName=TABLE, ConsistentRead=True)["Items"]
    kinds: dict[str, list[Any]] = {"call": [], "window": [], "cursor": []}
    for item in items:
        kinds[item["pk"]["S"].partition("#")[0]].append(item)
    cursor = [from_sortable(deserialized(item)["listed_until"]) for item in kinds["cursor"]]
    calls = [call_from_item(item) for item in kinds["call"]]
    messages = [each["MessageBody"] for each in _sent(world)]
    return Observation(
        at_rest=at_rest,
        calls={call.reference_id: call for call in calls},
        versions=stored_versions(world.aws),
        versions_before=before,
        read=partial(_read, world.aws),
        windows=[window_from_item(item) for item in kinds["window"]],
        listed_from=world.story.archive_from,
        listed_until=cursor[0] if cursor else None,
        noted_windows=list(_noted(world)),
        uploads=[
            each["Key"] for each in world.aws.s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
        ],
        messages=messages,
        dead_letters=world.aws.dead_letters(),
        most_visits=MAX_VISITS,
        losses_reported=world.losses.told if at_rest else None,
        secrets=_secrets(world),
        texts=[
            ("log", world.log.getvalue()),
            ("metrics", world.metrics.getvalue()),
            *(("item", str(item)) for item in items),
            *(("message", body) for body in messages),
            *(("error", text) for text in world.errors),
        ],
    )


def stored_versions(aws: Aws) -> list[StoredVersion]:
    answer = aws.s3.list_object_versions(Bucket=BUCKET)
    deleted = [
        StoredVersion(key=each["Key"], version_id=each["VersionId"], size=0, sha256="", delete_marker=True)
        for each in answer.get("DeleteMarkers", [])
    ]
    return deleted + [_stored(aws, each) for each in answer.get("Versions", [])]


def _stored(aws: Aws, version: Any) -> StoredVersion:
    key, version_id = version["Key"], version["VersionId"]
    head = aws.s3.head_object(Bucket=BUCKET, Key=key, VersionId=version_id, ChecksumMode="ENABLED")
    sha256 = base64.b64decode(head.get("ChecksumSHA256", "")).hex()
    return StoredVersion(key=key, version_id=version_id, size=head["ContentLength"], sha256=sha256)


def _read(aws: Aws, version: StoredVersion) -> bytes:
    answer = aws.s3.get_object(Bucket=BUCKET, Key=version.key, VersionId=version.version_id or "")
    return answer["Body"].read()


def _sent(world: World) -> Iterator[dict[str, Any]]:
    for operation, request in world.outside.answered:
        if operation == "SendMessageBatch":
            yield from request["Entries"]


def _noted(world: World) -> Iterator[Window]:
    """Every window that DynamoDB has said it holds."""
    for operation, request in world.outside.answered:
        if operation == "BatchWriteItem":
            for put in request["RequestItems"][TABLE]:
                yield window_from_item(put["PutRequest"]["Item"]).window


def _secrets(world: World) -> list[str]:
    options = world.provider.options
    basic = base64.b64encode(f"{options.customer_id}:{options.api_key}".encode()).decode()
    said = spoken(world.provider.truth())
    return [options.api_key, options.customer_id, basic, "Signature=", "Key-Pair-Id", *said]
