"""The ledger's calls, a page at a time, so that a walk can be taken up where it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from call_archive.errors import SchemaError
from call_archive.storage.ledger_items import call_from_item
from infra.verification.bucket_versions import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from call_archive.model.call import Call
    from call_archive.storage.ledger import Ledger

PAGE_CALLS = 500
DAY = timedelta(days=1)
DAMAGED = (LookupError, TypeError, ValueError, AttributeError, SchemaError)
"""What an item raises that is not of the form in which the ledger writes it, or not of a schema that is read here."""

Position = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Recording files dated from `start` to `end`, both inclusive."""

    start: datetime
    end: datetime

    def days(self) -> list[datetime]:
        return [self.start + DAY * number for number in range((self.end.date() - self.start.date()).days + 1)]

    def holds(self, moment: datetime) -> bool:
        return self.start <= moment <= self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class CallsPage:
    """`damaged` names the calls whose items cannot be read, and why; without `next` the walk is over."""

    calls: Sequence[Call] = ()
    damaged: Mapping[str, str] = field(default_factory=dict)
    next: Position | None = None


def calls_page(ledger: Ledger, chosen: Range | None, position: Position) -> CallsPage:
    """The page at a position, `{}` for the first: of all calls, or of those that a range may hold files of."""
    return _scanned(ledger, position) if chosen is None else _of_days(ledger, chosen, position)


def read_calls(ledger: Ledger, reference_ids: Iterable[str]) -> tuple[dict[str, Call], dict[str, str]]:
    """The calls that are known, and of the damaged ones why; one damaged item spoils no other."""
    wanted = list(dict.fromkeys(reference_ids))
    calls: dict[str, Call] = {}
    damaged: dict[str, str] = {}
    try:
        for reference_id, found in ledger.read_each(wanted).items():
            if isinstance(found, SchemaError):
                damaged[reference_id] = _damage(found)
            else:
                calls[reference_id] = found
    except DAMAGED:
        for reference_id in wanted:
            try:
                call = read_call(ledger, reference_id)
            except UnreadableError as error:
                damaged[reference_id] = str(error)
            else:
                calls |= {reference_id: call} if call else {}
    return calls, damaged


def read_call(ledger: Ledger, reference_id: str) -> Call | None:
    try:
        return ledger.read(reference_id)
    except DAMAGED as error:
        raise UnreadableError(_damage(error)) from None


def _scanned(ledger: Ledger, position: Position) -> CallsPage:
    request: Any = {"ExclusiveStartKey": position} if position else {}
    answer = ledger.client.scan(
        TableName=ledger.table,
        FilterExpression="begins_with(pk, :call)",
        ExpressionAttributeValues={":call": {"S": "call#"}},
        ConsistentRead=True,
        Limit=PAGE_CALLS,
        **request,
    )
    calls, damaged = [], {}
    for item in answer["Items"]:
        try:
            calls.append(call_from_item(item))
        except DAMAGED as error:
            damaged[item["pk"]["S"].removeprefix("call#")] = _damage(error)
    return CallsPage(calls=calls, damaged=damaged, next=answer.get("LastEvaluatedKey"))


def _of_days(ledger: Ledger, chosen: Range, position: Position) -> CallsPage:
    """A call lies under the day of its first file and may cross midnight, so the walk begins a day early."""
    days = [f"{day:%Y-%m-%d}" for day in [chosen.start - DAY, *chosen.days()]]
    day = position.get("day", days[0])
    request: Any = {"ExclusiveStartKey": position["after"]} if position.get("after") else {}
    answer = ledger.client.query(
        TableName=ledger.table,
        IndexName="by_day",
        KeyConditionExpression="#day = :day",
        ExpressionAttributeNames={"#day": "day"},
        ExpressionAttributeValues={":day": {"S": day}},
        Limit=PAGE_CALLS,
        **request,
    )
    found = (item["pk"]["S"].removeprefix("call#") for item in answer["Items"])
    calls, damaged = read_calls(ledger, found)
    following: Position | None = None
    if "LastEvaluatedKey" in answer:
        following = {"day": day, "after": answer["LastEvaluatedKey"]}
    elif day != days[-1]:
        following = {"day": days[days.index(day) + 1]}
    return CallsPage(calls=list(calls.values()), damaged=damaged, next=following)


def _damage(error: Exception) -> str:
    if isinstance(error, SchemaError):
        return str(error)
    return f"the ledger's item cannot be read ({type(error).__name__})"
