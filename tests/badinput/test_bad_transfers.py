"""How a body may come: its length, its chunks, its status and its headers, which lie or never end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from call_archive.errors import ArchiveError, InvalidBodyError, PermanentError, RetryableError
from call_archive.provider import header_deadline as hurried
from tests.badinput.cases import cases
from tests.badinput.downloading import WAV, fetched, refused

if TYPE_CHECKING:
    from call_archive.provider.download import Downloads
    from tests.raw_server import RawServer

KIND = "transfers"

LENGTHS: dict[str, tuple[str, type[ArchiveError], str]] = {
    "no length": ("X-Nothing: 1", RetryableError, "sent no length"),
    "an empty length": ("Content-Length: ", RetryableError, "sent no length"),
    "a negative length": ("Content-Length: -44", RetryableError, "sent no length"),
    "a length in words": ("Content-Length: many", RetryableError, "sent no length"),
    "a length in hex": ("Content-Length: 0x2c", RetryableError, "sent no length"),
    "a length with a fraction": ("Content-Length: 44.0", RetryableError, "sent no length"),
    "a length with a unit": ("Content-Length: 44 bytes", RetryableError, "sent no length"),
    "two lengths in one": ("Content-Length: 44, 44", RetryableError, "sent no length"),
    "a length of 5,000 digits": ("Content-Length: " + "9" * 5000, RetryableError, "sent no length"),
    "a length of 40 digits": ("Content-Length: " + "9" * 40, PermanentError, "more than S3 takes"),
    "a byte more than S3 takes": ("Content-Length: 5368709121", PermanentError, "more than S3 takes"),
    "a byte more than there is": ("Content-Length: 45", RetryableError, "1 bytes short of 45"),
    "a length of nought": ("Content-Length: 0", InvalidBodyError, "0 bytes"),
    "two lengths, the first too long": (
        "Content-Length: 99\r\nContent-Length: 44",
        RetryableError,
        "55 bytes short",
    ),
    "compressed": ("Content-Length: 44\r\nContent-Encoding: gzip", RetryableError, "encoded the body"),
    "compressed in two ways": (
        "Content-Length: 44\r\nContent-Encoding: identity, br",
        RetryableError,
        "encoded the body",
    ),
    "a transfer in gzip": ("Transfer-Encoding: gzip, chunked", RetryableError, "sent no length"),
    "chunks without sizes": ("Transfer-Encoding: chunked", RetryableError, "broke off"),
    "chunks and a length": ("Transfer-Encoding: chunked\r\nContent-Length: 44", RetryableError, "broke off"),
    "many ranges": (
        "Content-Length: 44\r\nContent-Type: multipart/byteranges; boundary=x\r\nContent-Encoding: x",
        RetryableError,
        "encoded the body",
    ),
}


@cases(KIND, "headers,error,says", LENGTHS)
def test_a_length_that_lies_or_is_none_stores_nothing(
    raw_server: RawServer, downloads: Downloads, headers: str, error: type[ArchiveError], says: str
) -> None:
    raw_server.says(f"HTTP/1.1 200 OK\r\n{headers}\r\n\r\n".encode() + WAV, then="close")
    assert says in refused(downloads, raw_server, error)


CHUNKS = {
    "a size that is none": b"zz\r\n" + WAV,
    "an empty size": b"\r\n" + WAV,
    "a negative size": b"-2c\r\n" + WAV + b"\r\n0\r\n\r\n",
    "a negative size behind a good one": b"2c\r\n" + WAV + b"\r\n-5\r\nabcde\r\n0\r\n\r\n",
    "a size that is too long": b"ff\r\n" + WAV + b"\r\n0\r\n\r\n",
    "a size of 70 kB": b"0" * 70_000 + b"2c\r\n" + WAV + b"\r\n0\r\n\r\n",
    "no last chunk": b"2c\r\n" + WAV + b"\r\n",
    "no end of a chunk": b"2c\r\n" + WAV,
    "a cut size": b"2",
    "no chunk": b"",
    "a size of 5,000 digits": b"f" * 5000 + b"\r\n" + WAV,
}


@cases(KIND, "body", {f"chunks with {name}": body for name, body in CHUNKS.items()})
def test_chunks_that_lie_store_nothing(raw_server: RawServer, downloads: Downloads, body: bytes) -> None:
    raw_server.says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body, then="close")
    assert "broke off" in refused(downloads, raw_server, RetryableError)


STATUSES: dict[str, tuple[bytes, type[ArchiveError], str]] = {
    "101 switching protocols": (b"101 x\r\nUpgrade: h2c", RetryableError, "101"),
    "103 early hints": (b"103 x\r\nLink: </>", RetryableError, "103"),
    "201 created": (b"201 x", RetryableError, "201"),
    "203 changed on its way": (b"203 x", RetryableError, "203"),
    "204 no content": (b"204 x", RetryableError, "204"),
    "206 a part": (b"206 x\r\nContent-Range: bytes 0-43/99", RetryableError, "206"),
    "206 of everything": (b"206 x\r\nContent-Range: bytes 0-43/44", RetryableError, "206"),
    "300 a choice": (b"300 x", PermanentError, "300"),
    "301 to a file": (b"301 x\r\nLocation: file:///etc/passwd", PermanentError, "301"),
    "302 to metadata": (b"302 x\r\nLocation: http://169.254.169.254/latest", PermanentError, "302"),
    "304 not modified": (b"304 x", PermanentError, "304"),
    "307 to itself": (b"307 x\r\nLocation: /a.wav", PermanentError, "307"),
    "401 who are you": (b"401 x\r\nWWW-Authenticate: Basic", RetryableError, "401"),
    "404 not there": (b"404 x", RetryableError, "404"),
    "407 of a proxy": (b"407 x", RetryableError, "407"),
    "410 gone": (b"410 x", RetryableError, "410"),
    "416 no such range": (b"416 x\r\nContent-Range: bytes */44", RetryableError, "416"),
    "429 too many": (b"429 x\r\nRetry-After: 9", RetryableError, "429"),
    "599 of nobody": (b"599 x", RetryableError, "599"),
    "999 of nobody": (b"999 x", RetryableError, "999"),
    "four digits": (b"2000 x", RetryableError, "cannot be reached"),
    "no digits": (b"OK", RetryableError, "cannot be reached"),
    "a negative one": (b"-200 x", RetryableError, "cannot be reached"),
    "one with a thousand headers": (b"200 x" + b"\r\nX: y" * 1000, RetryableError, "cannot be reached"),
    "one with a header of 100 kB": (b"200 x\r\nX: " + b"y" * 10**5, RetryableError, "cannot be reached"),
}


@cases(KIND, "status,error,says", {f"status {name}": case for name, case in STATUSES.items()})
def test_a_status_decides_though_a_wave_follows(
    raw_server: RawServer, downloads: Downloads, status: bytes, error: type[ArchiveError], says: str
) -> None:
    raw_server.says(b"HTTP/1.1 " + status + b"\r\nContent-Length: 44\r\n\r\n" + WAV, then="close")
    assert says in refused(downloads, raw_server, error)


def test_a_range_that_nobody_asked_for_is_not_looked_at(raw_server: RawServer, downloads: Downloads) -> None:
    raw_server.answers(WAV, headers={"Content-Range": "bytes 0-43/99"})
    assert fetched(downloads, raw_server) == WAV


def test_headers_that_drip_are_given_up(
    raw_server: RawServer, downloads: Downloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hurried, "HEADERS_SECONDS", 0.2)
    raw_server.says(b"HTTP/1.1 200 OK\r\n", *[b"X: y\r\n"] * 90, gap_seconds=0.05)
    assert "cannot be reached (TimeoutError)" in refused(downloads, raw_server, RetryableError)
    assert raw_server.pieces_sent < 50


def test_a_body_may_come_slower_than_headers_may(
    raw_server: RawServer, downloads: Downloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hurried, "HEADERS_SECONDS", 0.2)
    raw_server.says(b"HTTP/1.1 200 OK\r\nContent-Length: 44\r\n\r\n", WAV[:20], WAV[20:], gap_seconds=0.3)
    assert fetched(downloads, raw_server) == WAV


def test_answers_that_promise_another_forever_are_given_up(
    raw_server: RawServer, downloads: Downloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hurried, "HEADERS_SECONDS", 0.2)
    raw_server.says(*[b"HTTP/1.1 100 Continue\r\n\r\n"] * 90, gap_seconds=0.05)
    assert "cannot be reached" in refused(downloads, raw_server, RetryableError)


@pytest.mark.parametrize("surplus", [b"x", b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nRIFF\0\0\0\0WAVE"])
def test_what_comes_behind_a_recording_is_not_taken_for_the_next(
    raw_server: RawServer, downloads: Downloads, surplus: bytes
) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 44\r\n\r\n"
    raw_server.says(head + WAV, surplus, gap_seconds=0.05)
    raw_server.says(head + WAV[:-1] + b"2")
    assert fetched(downloads, raw_server) == WAV
    while raw_server.pieces_sent < 2:
        time.sleep(0.01)
    assert fetched(downloads, raw_server) == WAV[:-1] + b"2"
    assert raw_server.connections == 2


HEAD = b"HTTP/1.1 200 OK\r\n"


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.binary(max_size=300)
    | st.binary(max_size=300).map(lambda body: HEAD + b"Content-Length: 44\r\n\r\n" + body)
    | st.binary(max_size=300).map(lambda body: HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + body)
)
def test_any_answer_is_a_wave_or_an_error_of_ours(
    raw_server: RawServer, downloads: Downloads, answer: bytes
) -> None:
    raw_server.says(answer, then="close")
    raw_server._script[:] = raw_server._script[-1:]
    try:
        body = fetched(downloads, raw_server)
    except ArchiveError:
        return
    assert body[8:12] == b"WAVE"
