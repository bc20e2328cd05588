"""MiniStack as it is served here: bent where it differs from AWS in something the archive relies on.

S3 answers a PutObject with the checksum it verified and keeps. MiniStack verifies and keeps it too, and says it
when asked for the object, but not in this answer.

A bucket's policy may ask a put whether it would overwrite. MiniStack asks it all else, and not that.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html

S3 answers a GetObject with a body of any length. MiniStack hands it out in one piece, of which TLS takes less than
2 GiB.
"""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextvars import ContextVar
from functools import wraps
from typing import Any

from ministack.app import app as ministack  # type: ignore[import-untyped]  # it ships no types
from ministack.core import iam_evaluator  # type: ignore[import-untyped]  # nor here

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[bytes, bytes]

CHECKSUM = re.compile(
    rb"(x-amz-checksum-(?:crc32c?|crc64nvme|sha1|sha256)):\s*([A-Za-z0-9+/=]+)", re.IGNORECASE
)
MAX_TRAILER_BYTES = 512
PIECE_BYTES = 64 * 1024**2
OK = 200

_put_keys: ContextVar[Mapping[str, str]] = ContextVar("put_keys")


def _asking_puts(enforce: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(enforce)
    def enforce_with_keys(key_id: str, action: str, *rest: Any, **options: Any) -> Any:
        if action == "s3:PutObject":
            options["service_context"] = {**(options.get("service_context") or {}), **_put_keys.get({})}
        return enforce(key_id, action, *rest, **options)

    return enforce_with_keys


iam_evaluator.enforce = _asking_puts(iam_evaluator.enforce)


async def app(scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        _put_keys.set(_keys_of_put(scope))
    # A part of a multipart upload is left alone: MiniStack answers those as AWS does.
    if scope["type"] != "http" or scope["method"] != "PUT" or b"partNumber=" in scope["query_string"]:
        await ministack(scope, receive, _in_pieces(send))
        return
    ending = b""

    async def receive_and_remember() -> Message:
        nonlocal ending
        message = await receive()
        ending = (ending + message.get("body", b""))[-MAX_TRAILER_BYTES:]
        return message

    async def send_with_checksum(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == OK:
            message = {**message, "headers": [*message["headers"], *_verified(scope["headers"], ending)]}
        await send(message)

    await ministack(scope, receive_and_remember, send_with_checksum)


def _keys_of_put(scope: Mapping[str, Any]) -> Mapping[str, str]:
    begins = any(
        word in scope["query_string"] for word in (b"partNumber=", b"uploads")
    )  # and creates no object
    keys = {"s3:ObjectCreationOperation": str(not begins).lower()}
    if header := dict(scope["headers"]).get(b"if-none-match"):
        keys["s3:if-none-match"] = header.decode()
    return keys


def _in_pieces(send: Send) -> Send:
    async def send_in_pieces(message: Message) -> None:
        body = message.get("body", b"")
        if len(body) <= PIECE_BYTES:
            await send(message)
            return
        for first in range(0, len(body), PIECE_BYTES):
            more = first + PIECE_BYTES < len(body) or message.get("more_body", False)
            await send({**message, "body": body[first : first + PIECE_BYTES], "more_body": more})

    return send_in_pieces


def _verified(headers: list[Header], ending: bytes) -> Iterator[Header]:
    """The checksums that came before the body, or after it when the request announced so."""
    yield from ((name, value) for name, value in headers if CHECKSUM.fullmatch(name + b":" + value))
    if any(name == b"x-amz-trailer" for name, _ in headers):
        # The last one: a body may end in words that read like it.
        yield from [(found[1].lower(), found[2]) for found in CHECKSUM.finditer(ending)][-1:]
