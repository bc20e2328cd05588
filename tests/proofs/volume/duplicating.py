"""MiniStack behind queues that deliver some messages twice, as SQS may: those are sent again as they were."""

import json
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

from infra.local.embedded_aws.gateway import Message, Receive, Send
from tests.proofs.recording import app as ministack
from tests.proofs.recording import given, whole

PER_CENT = 5
COUNT_FILE = "sent.json"
"""In the folder that it is started in: how many messages were sent, and how many of them twice."""

BATCH = b"AmazonSQS.SendMessageBatch"

_random = Random(1)  # noqa: S311 - it need only be the same each time
_sent: dict[str, int] = {"messages": 0, "duplicates": 0}


async def app(scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] != "http" or (b"x-amz-target", BATCH) not in scope["headers"]:
        await ministack(scope, receive, send)
        return
    body = await whole(receive)
    await ministack(scope, given(body), send)
    request = json.loads(body)
    again = [entry for entry in request["Entries"] if _random.random() < PER_CENT / 100]
    if again:
        twice = json.dumps({**request, "Entries": again}).encode()
        headers = [(name, value) for name, value in scope["headers"] if name != b"content-length"]
        length = (b"content-length", str(len(twice)).encode())
        await ministack({**scope, "headers": [*headers, length]}, given(twice), _unheard)
    _sent["messages"] += len(request["Entries"])
    _sent["duplicates"] += len(again)
    Path(COUNT_FILE).write_text(json.dumps(_sent), encoding="utf-8")  # noqa: ASYNC240 - a test's few bytes


async def _unheard(message: Message) -> None:
    """The answer to a duplicate concerns nobody."""
