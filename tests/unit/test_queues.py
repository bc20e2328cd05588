"""The queues: all is sent, or it is said that something was not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.stub import Stubber

from call_archive.errors import RetryableError
from call_archive.model.message import VisitMessage, WindowMessage
from call_archive.model.window import Window
from call_archive.storage.queues import Queue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    MakeQueue = Callable[[str], Queue]
    Bodies = Callable[[Queue], list[dict[str, Any]]]

URL = "https://sqs.example/1/fetch"


def visits(count: int) -> list[VisitMessage]:
    return [VisitMessage(reference_id=f"C{number}", hop=number) for number in range(count)]


@pytest.mark.parametrize("count", [0, 1, 10, 11, 35])
def test_every_message_is_sent_past_one_batch(make_queue: MakeQueue, bodies: Bodies, count: int) -> None:
    queue = make_queue("fetch")
    queue.send(visits(count))
    assert sorted(bodies(queue), key=lambda body: int(body["hop"])) == [
        {"reference_id": f"C{number}", "hop": number} for number in range(count)
    ]


def test_a_window_message_carries_its_window(make_queue: MakeQueue, bodies: Bodies) -> None:
    queue = make_queue("windows")
    start, end = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 1, 0, 59, 59, tzinfo=UTC)
    queue.send([WindowMessage(window=Window(start=start, end=end, recheck=True), hop=2)])
    (body,) = bodies(queue)
    assert body == {"start": "2026-03-01T00:00:00", "end": "2026-03-01T00:59:59", "recheck": True, "hop": 2}


def test_a_delayed_message_is_neither_seen_nor_counted_yet(make_queue: MakeQueue, bodies: Bodies) -> None:
    queue = make_queue("fetch")
    queue.send(visits(2), delay_seconds=900)
    queue.send(visits(1))
    assert queue.length() == 1
    assert len(bodies(queue)) == 1


def test_the_length_counts_what_is_being_worked_on(make_queue: MakeQueue, bodies: Bodies) -> None:
    queue = make_queue("fetch")
    assert queue.length() == 0
    queue.send(visits(3))
    bodies(queue)
    assert queue.length() == 3


@pytest.fixture
def stubbed(aws: None) -> Iterator[tuple[Queue, Stubber]]:
    del aws
    client = boto3.client("sqs")
    with Stubber(client) as stub:
        yield Queue(client, URL), stub
        stub.assert_no_pending_responses()


def sent(*ids: str) -> list[dict[str, str]]:
    return [{"Id": each, "MessageId": f"m{each}", "MD5OfMessageBody": "0" * 32} for each in ids]


def refused(*ids: str, senders_fault: bool = False) -> list[dict[str, Any]]:
    return [{"Id": each, "SenderFault": senders_fault, "Code": "InternalError"} for each in ids]


def entries(*numbers: int) -> list[dict[str, Any]]:
    return [
        {"Id": str(n), "MessageBody": VisitMessage(reference_id=f"C{n}", hop=n).to_json(), "DelaySeconds": 5}
        for n in numbers
    ]


def test_only_the_messages_that_sqs_refused_are_sent_again(stubbed: tuple[Queue, Stubber]) -> None:
    queue, stub = stubbed
    stub.add_response(
        "send_message_batch",
        {"Successful": sent("0", "2"), "Failed": refused("1")},
        {"QueueUrl": URL, "Entries": entries(0, 1, 2)},
    )
    stub.add_response(
        "send_message_batch",
        {"Successful": sent("1"), "Failed": []},
        {"QueueUrl": URL, "Entries": entries(1)},
    )
    queue.send(visits(3), delay_seconds=5)


def test_messages_that_sqs_keeps_refusing_are_an_error(stubbed: tuple[Queue, Stubber]) -> None:
    queue, stub = stubbed
    stub.add_response("send_message_batch", {"Successful": sent("0"), "Failed": refused("1", "2")})
    for _ in range(2):
        stub.add_response("send_message_batch", {"Successful": [], "Failed": refused("1", "2")})
    with pytest.raises(RetryableError, match="2 messages"):
        queue.send(visits(3))
