"""MiniStack with a record beside it, of what no later look finds: every message sent, every window noted.

A message leaves its queue with whoever takes it, and a window is deleted once it is listed.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from call_archive.model.window import Window
from call_archive.storage.ledger_items import window_from_item
from infra.local.embedded_aws.gateway import Message, Receive, Send
from infra.local.embedded_aws.gateway import app as ministack

APP = "tests.proofs.recording:app"
RECORD_FILE = "record.jsonl"
"""In the folder that it is started in."""

RECORDED = {
    b"AmazonSQS.SendMessage": "SendMessage",
    b"AmazonSQS.SendMessageBatch": "SendMessageBatch",
    b"DynamoDB_20120810.PutItem": "PutItem",
}
OK = 200


@dataclass(slots=True, kw_only=True)
class Record:
    messages: list[str] = field(default_factory=list)
    """Bodies of all messages that anybody sent through the API, whatever became of them."""
    noted_windows: list[Window] = field(default_factory=list)
    """Those that the ledger said it holds."""

    def add(self, operation: str, request: Mapping[str, Any], *, done: bool) -> None:
        """A request that was made; of one whose outcome nobody knows yet, it is not done."""
        self._take(_lines(operation, request, done=done))

    def _take(self, lines: Iterable[Mapping[str, Any]]) -> None:
        for line in lines:
            if "message" in line:
                self.messages.append(line["message"])
            else:
                self.noted_windows.append(window_from_item(line["window"]).window)


def recorded(folder: Path) -> Record:
    """What a MiniStack that was started in this folder has recorded so far."""
    text = (folder / RECORD_FILE).read_text(encoding="utf-8")
    record = Record()
    # Somebody may be writing: the last line is whole only if it ends.
    record._take(json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n"))
    return record


async def app(scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
    operation = _operation(scope)
    if operation is None:
        await ministack(scope, receive, send)
        return
    body = await whole(receive)
    status = 0

    async def send_once_recorded(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)
        # Whoever waits for the answer may act on it at once: by then it must stand in the record.
        if message["type"] == "http.response.body" and not message.get("more_body"):
            _write(_lines(operation, json.loads(body), done=status == OK))
        await send(message)

    await ministack(scope, given(body), send_once_recorded)


async def whole(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return body


def given(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _operation(scope: Mapping[str, Any]) -> str | None:
    targets = [value for name, value in scope.get("headers", ()) if name == b"x-amz-target"]
    return RECORDED.get(targets[0]) if targets else None


def _lines(operation: str, request: Mapping[str, Any], *, done: bool) -> Iterator[dict[str, Any]]:
    if operation in ("SendMessage", "SendMessageBatch"):
        yield from ({"message": each["MessageBody"]} for each in request.get("Entries", [request]))
    elif operation == "PutItem" and done and request["Item"]["pk"]["S"].startswith("window#"):
        yield {"window": request["Item"]}


def _write(lines: Iterator[dict[str, Any]]) -> None:
    with Path(RECORD_FILE).open("a", encoding="utf-8") as record:
        record.writelines(json.dumps(line) + "\n" for line in lines)
