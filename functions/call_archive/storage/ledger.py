"""The ledger: one DynamoDB table that decides what is pending. One item a call, one a window not yet listed."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from botocore.exceptions import ClientError

from call_archive.errors import PermanentError, RetryableError, SchemaError
from call_archive.storage.ledger_items import (
    FAILED_SHARDS,
    OPEN_SHARDS,
    SCHEMA,
    WINDOWS_SHARD,
    call_from_item,
    call_key,
    call_to_item,
    check_schema,
    cursor_from_item,
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

READ_BATCH = 100
"""DynamoDB's most keys in a BatchGetItem."""

WRITERS = 16
PAUSES_SECONDS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4)
"""After each read that DynamoDB would not, or not wholly, do: it answers 200 even then."""
CURSOR = {"pk": {"S": "cursor"}}

NO_UNREADABLE_ITEM = "(attribute_not_exists(pk) OR #schema BETWEEN :oldest_schema AND :newest_schema)"
"""The condition of every write: no item is changed or deleted that this version does not read."""

Input = TypeVar("Input")
Output = TypeVar("Output")


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
        """The calls that are known; SchemaError when one of them cannot be read."""
        calls = self.read_each(reference_ids)
        return {reference_id: _readable(call) for reference_id, call in calls.items()}

    def read_each(self, reference_ids: Iterable[str]) -> dict[str, Call | SchemaError]:
        """`read_many`, where one that cannot be read spares the others."""
        items = self._read_items(call_key(reference_id) for reference_id in dict.fromkeys(reference_ids))
        return {item["pk"]["S"].removeprefix("call#"): _parsed(call_from_item, item) for item in items}

    def write(self, call: Call) -> bool:
        """Writes the call if nobody did since it was read; False when somebody did. Version 0 is a new call."""
        item = call_to_item(replace(call, version=call.version + 1)) | {"write_id": {"S": uuid4().hex}}
        try:
            there = self._conditional(
                self.client.put_item,
                condition="version = :read" if call.version else "attribute_not_exists(pk)",
                values={":read": call.version} if call.version else {},
                Item=item,
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ValidationException":
                raise PermanentError(f"the ledger cannot hold call {call.reference_id}") from None
            raise
        # boto3 asks again when no answer came, and then meets what it wrote itself.
        return there is None or there.get("write_id") == item["write_id"]

    def write_many(self, calls: Sequence[Call]) -> list[bool | PermanentError | SchemaError]:
        """`write` for each: one that cannot be held, or not be read, spares the others."""
        return _side_by_side(self._written, calls)

    def lease_call(self, reference_id: str, *, expected: datetime, until: datetime) -> bool:
        """Pushes an open call's next visit on; False when it is not as it was `seen` any more."""
        return self._lease(call_key(reference_id), expected, until)

    def lease_window(self, window: Window, *, expected: datetime, until: datetime) -> bool:
        return self._lease(window_key(window), expected, until)

    def due_calls(self, now: datetime, limit: int) -> list[tuple[str, datetime]]:
        """At most `most` reference ids whose next visit has passed, with that moment; the longest due first."""
        due = [
            (row["pk"].removeprefix("call#"), from_sortable(row["next_visit_at"]))
            for shard in OPEN_SHARDS
            for row in self._open_until(shard, now, limit)
        ]
        return sorted(due, key=lambda pair: pair[1])[:limit]

    def due_windows(self, now: datetime, limit: int) -> list[PendingWindow]:
        found = self._read_windows(self._open_until(WINDOWS_SHARD, now, limit))
        return [pending for pending in found if not isinstance(pending, SchemaError)]

    def open_windows(self) -> list[PendingWindow]:
        """Every window that is pending; SchemaError when one of them cannot be read."""
        rows = self.query("open", "open_shard = :shard", {":shard": WINDOWS_SHARD})
        return [_readable(pending) for pending in self._read_windows(rows)]

    def open_calls(self) -> Iterator[IndexedCall]:
        """Every call that is open, by the eventually consistent index; SchemaError at one that cannot be read."""
        yield from self._indexed("open", OPEN_SHARDS)

    def failed_calls(self) -> Iterator[IndexedCall]:
        """Every call of which something failed, likewise."""
        yield from self._indexed("failed", FAILED_SHARDS)

    def calls_of_day(self, day: str) -> Iterator[str]:
        """The reference ids of the calls whose first file is of that day (YYYY-MM-DD), oldest first."""
        for key in self.query("by_day", "#day = :day", {":day": day}, names={"#day": "day"}):
            yield key["pk"].removeprefix("call#")

    def put_windows(self, pending: Sequence[PendingWindow]) -> None:
        """Notes windows as pending; SchemaError when one is there that cannot be read, once the others are noted.

        One by one: a BatchWriteItem knows no condition and would overwrite a newer item. It costs no less, for
        DynamoDB bills each item of a batch, and a transaction bills each twice.
        """
        refused = [error for error in _side_by_side(self._put_window, pending) if error is not None]
        if refused:
            raise refused[0]

    def update_window(self, pending: PendingWindow) -> None:
        """Notes an attempt at a window, unless another attempt has finished it meanwhile."""
        self._conditional(
            self.client.put_item, condition="attribute_exists(pk)", Item=window_to_item(pending)
        )

    def read_window(self, window: Window) -> PendingWindow | None:
        answer = self.client.get_item(TableName=self.table, Key=window_key(window), ConsistentRead=True)
        return window_from_item(answer["Item"]) if "Item" in answer else None

    def finish_window(self, window: Window) -> None:
        self._conditional(self.client.delete_item, Key=window_key(window))

    def listed_until(self) -> datetime | None:
        """The last second that the tick has cut into windows; None before the first."""
        answer = self.client.get_item(TableName=self.table, Key=CURSOR, ConsistentRead=True)
        return cursor_from_item(answer["Item"]) if "Item" in answer else None

    def move_cursor(self, until: datetime) -> bool:
        """Moves the cursor on, never back."""
        there = self._conditional(
            self.client.update_item,
            condition="attribute_not_exists(listed_until) OR listed_until < :until",
            values={":until": to_sortable(until), ":schema": SCHEMA},
            Key=CURSOR,
            UpdateExpression="SET listed_until = :until, #schema = :schema",
        )
        return there is None

    def query(
        self,
        index: str,
        condition: str,
        values: Mapping[str, Any],
        *,
        names: Mapping[str, str] | None = None,
        page_rows: int | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Pages through an index; each row as plain attributes. The next page is read when it is asked for."""
        extra: dict[str, Any] = {"ExpressionAttributeNames": dict(names)} if names else {}
        pages = self.client.get_paginator("query").paginate(
            TableName=self.table,
            IndexName=index,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=serialized(values),
            PaginationConfig={"PageSize": page_rows} if page_rows else {},
            **extra,
        )
        for page in pages:
            yield from (deserialized(item) for item in page["Items"])

    def _lease(self, key: Mapping[str, Any], expected: datetime, until: datetime) -> bool:
        """An item that cannot be read takes no lease, and spares the others of its tick: `open_calls` and
        `open_windows` raise for it."""
        try:
            there = self._conditional(
                self.client.update_item,
                condition="next_visit_at = :expected",
                values={":until": to_sortable(until), ":expected": to_sortable(expected)},
                Key=key,
                UpdateExpression="SET next_visit_at = :until",
            )
        except SchemaError:
            return False
        return there is None

    def _indexed(self, index: str, shards: Sequence[str]) -> Iterator[IndexedCall]:
        for shard in shards:
            for row in self.query(index, f"{index}_shard = :shard", {":shard": shard}):
                check_schema(row)
                yield IndexedCall(
                    reference_id=row["pk"].removeprefix("call#"),
                    recorded_at=from_sortable(row["recorded_at"]),
                    opened_at=from_sortable(row["opened_at"]),
                )

    def _open_until(self, shard: str, now: datetime, limit: int) -> list[dict[str, Any]]:
        """At most so many rows; those that cannot be read stay due, and take nobody's place."""
        rows = self.query(
            "open",
            "open_shard = :shard AND next_visit_at <= :now",
            {":shard": shard, ":now": to_sortable(now)},
            page_rows=limit,
        )
        return list(islice((row for row in rows if _is_readable(row)), limit))

    def _read_windows(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[PendingWindow | SchemaError]:
        # An index that changes while it is paged may show one twice, and DynamoDB takes no key twice.
        keys = (serialized({"pk": each}) for each in dict.fromkeys(row["pk"] for row in rows))
        return (_parsed(window_from_item, item) for item in self._read_items(keys))

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

    def _written(self, call: Call) -> bool | PermanentError | SchemaError:
        try:
            return self.write(call)
        except (PermanentError, SchemaError) as error:
            return error

    def _put_window(self, pending: PendingWindow) -> SchemaError | None:
        try:
            self._conditional(self.client.put_item, Item=window_to_item(pending))
        except SchemaError as error:
            return error
        return None

    def _conditional(
        self,
        operation: Any,
        *,
        condition: str | None = None,
        values: Mapping[str, Any] | None = None,
        **request: Any,
    ) -> Mapping[str, Any] | None:
        """Does one write. When its condition does not hold, it returns the item that is there, {} for none.

        SchemaError, and nothing done, when the item that is there cannot be read.
        """
        conditions = [f"({condition})", NO_UNREADABLE_ITEM] if condition else [NO_UNREADABLE_ITEM]
        schemas = {":oldest_schema": 1, ":newest_schema": SCHEMA}
        try:
            operation(
                TableName=self.table,
                ConditionExpression=" AND ".join(conditions),
                ExpressionAttributeNames={"#schema": "schema"},
                ExpressionAttributeValues=serialized({**schemas, **(values or {})}),
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **request,
            )
        except ClientError as error:
            answer: Any = error.response
            if answer["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            there: dict[str, Any] = answer.get("Item", {})
            if there:
                check_schema(deserialized(there))
            if condition is None:  # nothing else can be in the way: it must not pass for done
                raise
            return there
        return None


def _parsed(parse: Callable[[Mapping[str, Any]], Output], item: Mapping[str, Any]) -> Output | SchemaError:
    try:
        return parse(item)
    except SchemaError as error:
        return error


def _readable(found: Output | SchemaError) -> Output:
    if isinstance(found, SchemaError):
        raise found
    return found


def _is_readable(row: Mapping[str, Any]) -> bool:
    try:
        check_schema(row)
    except SchemaError:
        return False
    return True


def _side_by_side(work: Callable[[Input], Output], inputs: Sequence[Input]) -> list[Output]:
    """Conditions rule out DynamoDB's own batches."""
    if len(inputs) <= 1:
        return [work(each) for each in inputs]
    with ThreadPoolExecutor(min(WRITERS, len(inputs))) as pool:
        return list(pool.map(work, inputs))
