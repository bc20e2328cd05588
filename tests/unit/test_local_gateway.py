"""MiniStack's answers, bent: to a PutObject they hold the checksum that S3's holds, and large ones come in pieces."""

import asyncio
from typing import Any

import pytest

from infra.local.embedded_aws import gateway

SHA256 = b"/BHW8o5Z08wzwLFM62RL8JAuvWPWEhjf/p59rHwlRUI="


def answered(
    monkeypatch: pytest.MonkeyPatch,
    *,
    headers: dict[bytes, bytes],
    body: bytes = b"",
    query: bytes = b"",
    status: int = 200,
) -> dict[bytes, bytes]:
    """The headers of the answer to a PUT whose body comes in pieces of 7 bytes."""
    pieces = [body[at : at + 7] for at in range(0, len(body), 7)] or [b""]
    sent: list[dict[str, Any]] = []

    async def stub(_scope: object, receive: gateway.Receive, send: gateway.Send) -> None:
        for _ in range(len(pieces)):
            await receive()
        await send({"type": "http.response.start", "status": status, "headers": [(b"etag", b"x")]})
        await send({"type": "http.response.body", "body": b""})

    remaining = iter(pieces)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": next(remaining), "more_body": True}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    monkeypatch.setattr(gateway, "ministack", stub)
    scope = {"type": "http", "method": "PUT", "query_string": query, "headers": list(headers.items())}
    asyncio.run(gateway.app(scope, receive, send))
    return dict(sent[0]["headers"])


def test_a_checksum_before_the_body_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    headers = answered(monkeypatch, headers={b"x-amz-checksum-sha256": SHA256})
    assert headers == {b"etag": b"x", b"x-amz-checksum-sha256": SHA256}


def test_a_checksum_after_the_body_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    body = b"a\r\nxxxxxxxxxx\r\n0\r\nx-amz-checksum-sha256:" + SHA256 + b"\r\n\r\n"
    headers = answered(monkeypatch, headers={b"x-amz-trailer": b"x-amz-checksum-sha256"}, body=body)
    assert headers[b"x-amz-checksum-sha256"] == SHA256


def test_a_body_that_reads_like_a_trailer_is_no_checksum(monkeypatch: pytest.MonkeyPatch) -> None:
    body = b"x-amz-checksum-sha256:" + SHA256
    assert answered(monkeypatch, headers={}, body=body) == {b"etag": b"x"}


def test_a_part_and_a_refusal_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    headers = {b"x-amz-checksum-sha256": SHA256}
    assert answered(monkeypatch, headers=headers, query=b"partNumber=1&uploadId=x") == {b"etag": b"x"}
    assert answered(monkeypatch, headers=headers, status=412) == {b"etag": b"x"}


@pytest.mark.parametrize("size", [0, 1, 9, 10, 11, 20, 21])
def test_a_body_is_handed_out_whole_in_pieces_that_tls_takes(
    monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    body, sent = bytes(range(size)), []
    monkeypatch.setattr(gateway, "PIECE_BYTES", 10)

    async def stub(_scope: object, _receive: gateway.Receive, send: gateway.Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    monkeypatch.setattr(gateway, "ministack", stub)
    scope = {"type": "http", "method": "GET", "query_string": b"", "headers": []}
    asyncio.run(gateway.app(scope, receive, send))
    start, *pieces = sent
    assert start == {"type": "http.response.start", "status": 200, "headers": []}
    assert b"".join(piece["body"] for piece in pieces) == body
    assert max(len(piece["body"]) for piece in pieces) <= 10
    assert [piece.get("more_body", False) for piece in pieces] == [True] * (len(pieces) - 1) + [False]
