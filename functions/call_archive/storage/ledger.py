"""The ledger: one DynamoDB table that decides what is pending. One item a call, one a window not yet listed."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from botocore.exceptions import ClientError

from call_archive.errors import PermanentError, RetryableError
from call_archive.storage.ledger_items import (
    FAILED_SHARDS,
    OPEN_SHARDS,
    WINDOWS_SHARD,
    call_from_item,
    call_key,
    call_to_item,
    deserialized,
    from_sortable,
    serialized,
    to_sortable,
    window_from_item,
    window_key,
    window_to_item,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from mypy_boto3_dynamodb import DynamoDBClient

    from call_archive.model.call import Call
    from call_archive.model.window import PendingWindow, Window

READ_BATCH, WRITE_BATCH = 100, 25
"""DynamoDB's most keys in a BatchGetItem and a BatchWriteItem."""

WRITERS = 16
PAUSES_SECONDS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4)
"""After each try that DynamoDB would not, or not wholly, do: it answers 200 even then."""
CURSOR = {"pk": {"S": "cursor"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedCall:
    """What the open and the failed index hold of a call."""

    reference_id: str
    recorded_at: datetime
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class Ledger:
    client: DynamoDBClient
    table: str
    sleep: Callable[[float], None] = time.sleep

    def read(self, reference_id: str) -> Call | None:
        answer = self.client.get_item(TableName=self.table, Key=call_key(reference_id), ConsistentRead=True)
        return call_from_item(answer["Item"]) if "Item" in answer else None

    def read_many(self, reference_ids: Iterable[str]) -> dict[str, Call]:
        items = self._read_items(call_key(reference_id) for reference_id in dict.fromkeys(reference_ids))
        calls = (call_from_item(item) for item in items)
        return {call.reference_id: call for call in calls}

    def write(self, call: Call) -> bool:
        """Writes the call if nobody did since it was read; False when somebody did. Version 0 is a new call."""
        item = call_to_item(replace(call, version=call.version + 1)) | {"write_id": {"S": uuid4().hex}}
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(pk)"}
        if call.version:
            condition = {
                "ConditionExpression": "version = :read",
                "ExpressionAttributeValues": serialized({":read": call.version}),
            }
        try:
            self.client.put_item(
                TableName=self.table, Item=item, ReturnValuesOnConditionCheckFailure="ALL_OLD", **condition
            )
        except ClientError as error:
            answer: Any = error.response
            if answer["Error"]["Code"] == "ConditionalCheckFailedException":
                # boto3 asks again when no answer came, and then meets what it wrote itself.
                return bool(answer.get("Item", {}).get("write_id") == item["write_id"])
            if answer["Error"]["Code"] == "ValidationException":
                raise PermanentError(f"the ledger cannot hold call {call.reference_id}") from None
            raise
        return True

    def write_many(self, calls: Sequence[Call]) -> list[bool | PermanentError]:
        """`write` for each, side by side: conditions rule out DynamoDB's own batches. One that cannot be
        held spares the others."""
        if len(calls) <= 1:
            return [self._written(call) for call in calls]
        with ThreadPoolExecutor(min(WRITERS, len(calls))) as pool:
            return list(pool.map(self._written, calls))

    def lease_call(self, reference_id: str, *, expected: datetime, until: datetime) -> bool:
        """Pushes an open call's next visit on; False when it is not as it was `seen` any more."""
        return self._lease(call_key(reference_id), expected, until)

    def lease_window(self, window: Window, *, expected: datetime, until: datetime) -> bool:
        return self._lease(window_key(window), expected, until)

    def due_calls(self, now: datetime, limit: int) -> list[tuple[str, datetime]]:
        """At most `most` reference ids whose next visit has passed, with that moment; the longest due first."""
        due = [
            (key["pk"].removeprefix("call#"), from_sortable(key["next_visit_at"]))
            for shard in OPEN_SHARDS
            for key in self._open_until(shard, now, limit)
        ]
        return sorted(due, key=lambda pair: pair[1])[:limit]

    def due_windows(self, now: datetime, limit: int) -> list[PendingWindow]:
        keys = self._open_until(WINDOWS_SHARD, now, limit)
        return self._read_windows(keys)

    def open_windows(self) -> list[PendingWindow]:
        keys = self.query("open", "open_shard = :shard", {":shard": WINDOWS_SHARD})
        return self._read_windows(keys)

    def open_calls(self) -> Iterator[IndexedCall]:
        """Every call that is open, by the eventually consistent index."""
        yield from self._indexed("open", OPEN_SHARDS)

    def failed_calls(self) -> Iterator[IndexedCall]:
        """Every call of which something failed, likewise."""
        yield from self._indexed("failed", FAILED_SHARDS)

    def calls_of_day(self, day: str) -> Iterator[str]:
        """The reference ids of the calls whose first file is of that day (YYYY-MM-DD), oldest first."""
        for key in self.query("by_day", "#day = :day", {":day": day}, names={"#day": "day"}):
            yield key["pk"].removeprefix("call#")

    def put_windows(self, pending: Sequence[PendingWindow]) -> None:
        """Notes windows as pending; RetryableError when DynamoDB would not take them all."""
        for start in range(0, len(pending), WRITE_BATCH):
            requests = [
                {"PutRequest": {"Item": window_to_item(each)}}
                for each in pending[start : start + WRITE_BATCH]
            ]
            self._write_batch(requests)

    def update_window(self, pending: PendingWindow) -> None:
        """Notes an attempt at a window, unless another attempt has finished it meanwhile."""
        self._conditional(
            self.client.put_item,
            TableName=self.table,
            Item=window_to_item(pending),
            ConditionExpression="attribute_exists(pk)",
        )

    def read_window(self, window: Window) -> PendingWindow | None:
        answer = self.client.get_item(TableName=self.table, Key=window_key(window), ConsistentRead=True)
        return window_from_item(answer["Item"]) if "Item" in answer else None

    def finish_window(self, window: Window) -> None:
        self.client.delete_item(TableName=self.table, Key=window_key(window))

    def listed_until(self) -> datetime | None:
        """The last second that the tick has cut into windows; None before the first."""
        answer = self.client.get_item(TableName=self.table, Key=CURSOR, ConsistentRead=True)
        return from_sortable(deserialized(answer["Item"])["listed_until"]) if "Item" in answer else None

    def move_cursor(self, until: datetime) -> bool:
        """Moves the cursor on, never back."""
        return self._conditional(
            self.client.update_item,
            TableName=self.table,
            Key=CURSOR,
            UpdateExpression="SET listed_until = :until",
            ConditionExpression="attribute_not_exists(listed_until) OR listed_until < :until",
            ExpressionAttributeValues=serialized({":until": to_sortable(until)}),
        )

    def query(
        self, index: str, condition: str, values: Mapping[str, Any], *, names: Mapping[str, str] | None = None
    ) -> Iterator[dict[str, Any]]:
        """Pages through an index; each row as plain attributes."""
        extra: dict[str, Any] = {"ExpressionAttributeNames": dict(names)} if names else {}
        pages = self.client.get_paginator("query").paginate(
            TableName=self.table,
            IndexName=index,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=serialized(values),
            **extra,
        )
        for page in pages:
            yield from (deserialized(item) for item in page["Items"])

    def _lease(self, key: Mapping[str, Any], expected: datetime, until: datetime) -> bool:
        return self._conditional(
            self.client.update_item,
            TableName=self.table,
            Key=key,
            UpdateExpression="SET next_visit_at = :until",
            ConditionExpression="next_visit_at = :expected",
            ExpressionAttributeValues=serialized(
                {":until": to_sortable(until), ":expected": to_sortable(expected)}
            ),
        )

    def _indexed(self, index: str, shards: Sequence[str]) -> Iterator[IndexedCall]:
        for shard in shards:
            for row in self.query(index, f"{index}_shard = :shard", {":shard": shard}):
                yield IndexedCall(
                    reference_id=row["pk"].removeprefix("call#"),
                    recorded_at=from_sortable(row["recorded_at"]),
                    opened_at=from_sortable(row["opened_at"]),
                )

    def _open_until(self, shard: str, now: datetime, limit: int) -> list[dict[str, Any]]:
        answer = self.client.query(
            TableName=self.table,
            IndexName="open",
            KeyConditionExpression="open_shard = :shard AND next_visit_at <= :now",
            ExpressionAttributeValues=serialized({":shard": shard, ":now": to_sortable(now)}),
            Limit=max(1, limit),
        )
        return [deserialized(item) for item in answer["Items"]]

    def _read_windows(self, rows: Iterable[Mapping[str, Any]]) -> list[PendingWindow]:
        # An index that changes while it is paged may show one twice, and DynamoDB takes no key twice.
        keys = (serialized({"pk": each}) for each in dict.fromkeys(row["pk"] for row in rows))
        return [window_from_item(item) for item in self._read_items(keys)]

    def _read_items(self, keys: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        wanted = list(keys)
        for start in range(0, len(wanted), READ_BATCH):
            request: Any = {self.table: {"Keys": wanted[start : start + READ_BATCH], "ConsistentRead": True}}
            yield from self._read_batch(request)

    def _read_batch(self, request: Any) -> Iterator[Mapping[str, Any]]:
        """What DynamoDB leaves unprocessed is asked for again: there is a bound to tries that gave nothing."""
        pauses = iter(PAUSES_SECONDS)
        while request:
            answer = self.client.batch_get_item(RequestItems=request)
            items = answer["Responses"].get(self.table, [])
            yield from items
            request = answer.get("UnprocessedKeys")
            if request and not items:
                pause = next(pauses, None)
                if pause is None:
                    raise RetryableError("the ledger would not read some calls or windows")
                self.sleep(pause)

    def _written(self, call: Call) -> bool | PermanentError:
        try:
            return self.write(call)
        except PermanentError as error:
            return error

    def _write_batch(self, requests: list[Any]) -> None:
        for pause in PAUSES_SECONDS:
            answer = self.client.batch_write_item(RequestItems={self.table: requests})
            requests = list(answer.get("UnprocessedItems", {}).get(self.table, []))
            if not requests:
                return
            self.sleep(pause)
        raise RetryableError(f"the ledger left {len(requests)} windows unwritten")

    @staticmethod
    def _conditional(operation: Any, **request: Any) -> bool:
        try:
            operation(**request)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return False
            raise
        return True
