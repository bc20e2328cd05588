"""What comes with a page beside its rows: the next page's token, and the headers that ask for patience."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from call_archive.errors import ArchiveError, RetryableError, StaleTokenError
from call_archive.provider.client import MAX_RETRY_AFTER_SECONDS, _Answer, _retry_after_seconds
from tests.badinput.cases import cases
from tests.badinput.conftest import SECRETS
from tests.unit.factories import a_window

if TYPE_CHECKING:
    from call_archive.provider.client import Telesign
    from tests.raw_server import RawServer

KIND = "tokens and headers"

ENDS = {
    "absent": {},
    "null": {"token": None},
    "empty": {"token": ""},
    "false": {"token": False},
    "true": {"token": True},
    "nought": {"token": 0},
    "a number": {"token": 7},
    "a fraction": {"token": 1.5},
    "a list": {"token": ["t"]},
    "an object": {"token": {"next": "t"}},
    "in another case": {"Token": "t"},
}


@cases(KIND, "fields", {f"a token that is {name}": fields for name, fields in ENDS.items()})
def test_a_token_that_is_no_text_ends_the_list(
    raw_server: RawServer, client: Telesign, fields: dict[str, Any]
) -> None:
    raw_server.answers(json.dumps({"call_recordings": [{"reference_id": "A"}], **fields}).encode())
    page = client.first_page(a_window())
    assert (len(page.rows), page.token) == (1, None)


SENT = {
    "a blank": (" ", b"token=+"),
    "a new line": ("a\nb", b"token=a%0Ab"),
    "a carriage return and a header": ("a\r\nX-Evil: 1", b"token=a%0D%0AX-Evil%3A+1"),
    "a NUL": ("\0", b"token=%00"),
    "parameters of its own": ("a&pagesize=1", b"token=a%26pagesize%3D1"),
    "a fragment": ("a#b", b"token=a%23b"),
    "a path": ("/../x", b"token=%2F..%2Fx"),
    "percent-encoded": ("%41", b"token=%2541"),
    "base64": ("gAAA+/==", b"token=gAAA%2B%2F%3D%3D"),
    "the longest": ("t" * 4096, b"token=" + b"t" * 4096),
}


@cases(KIND, "token,query", {f"a token of {name}": case for name, case in SENT.items()})
def test_a_token_is_sent_as_data_and_alone(
    raw_server: RawServer, client: Telesign, token: str, query: bytes
) -> None:
    raw_server.answers(b'{"call_recordings": []}')
    client.next_page(token)
    assert raw_server.targets() == [b"/v2/call_recording?" + query]


NOT_SENT = {
    "half a surrogate pair": "\ud83d",
    "text that is not ASCII": "tökén",
    "one character too many": "t" * 4097,
    "a megabyte": "t" * 10**6,
}


@cases(KIND, "token", {f"a token of {name}": token for name, token in NOT_SENT.items()})
def test_a_token_that_cannot_be_sent_starts_its_window_anew(
    raw_server: RawServer, client: Telesign, token: str
) -> None:
    with pytest.raises(StaleTokenError, match="none that can be sent"):
        client.next_page(token)
    assert raw_server.requests == []


PATIENCE = {
    "absent": (None, 0),
    "empty": ("", 0),
    "a blank": (" ", 0),
    "a word": ("soon", 0),
    "negative": ("-5", 0),
    "nought": ("0", 0),
    "a fraction": ("0.5", 0.5),
    "with a unit": ("5s", 0),
    "two numbers": ("5, 7", 0),
    "NaN": ("nan", 0),
    "infinity": ("inf", MAX_RETRY_AFTER_SECONDS),
    "negative infinity": ("-inf", 0),
    "a huge exponent": ("1e400", MAX_RETRY_AFTER_SECONDS),
    "400 digits": ("9" * 400, MAX_RETRY_AFTER_SECONDS),
    "5,000 digits": ("9" * 5000, MAX_RETRY_AFTER_SECONDS),
    "a date long past": ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
    "a date far ahead": ("Wed, 21 Oct 2115 07:28:00 GMT", MAX_RETRY_AFTER_SECONDS),
    "a date without a zone": ("Wed, 21 Oct 2015 07:28:00", 0),
    "a date past the last year": ("Fri, 31 Dec 9999 23:59:59 -2300", 0),
    "a date before the first year": ("Mon, 01 Jan 0001 00:00:00 +2300", 0),
    "a day that is none": ("Fri, 32 Dec 2026 00:00:00 GMT", 0),
    "a year of five digits": ("Fri, 31 Dec 99999 23:59:59 GMT", 0),
    "the day alone": ("Mon", 0),
    "a date in ISO's form": ("2026-03-01T00:00:00Z", 0),
}


@cases(KIND, "header,seconds", {f"Retry-After: {name}": case for name, case in PATIENCE.items()})
def test_retry_after_is_seconds_within_bounds(header: str | None, seconds: float) -> None:
    assert _retry_after_seconds(header) == seconds


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}"))
def test_any_retry_after_is_within_an_hour(header: str) -> None:
    assert 0 <= _retry_after_seconds(header) <= MAX_RETRY_AFTER_SECONDS


STATUSES = {
    "a body with a link and a key": (500, {}, b'{"url": "https://x/?Signature=s", "key": "sEcReT"}', "500"),
    "not found, as HTML": (404, {}, b"<html>", "does not know this call"),
    "a bad request of a huge body": (400, {}, b"x" * 10**6, "bad request"),
    "a redirect that carries the token": (302, {"Location": "https://x/?token=t0ken"}, b"", "302"),
    "no content": (204, {}, b"", "204"),
    "partial content": (206, {"Content-Range": "bytes 0-1/9"}, b"[]", "206"),
    "not modified": (304, {}, b"", "304"),
    "a teapot": (418, {}, b"", "418"),
    "too early": (425, {}, b"", "425"),
    "refused for legal reasons": (451, {}, b"", "451"),
    "overloaded, as Cloudflare says it": (522, {}, b"", "522"),
    "a status of no known class": (999, {}, b"", "999"),
}


@cases(KIND, "status,headers,body,says", STATUSES)
def test_a_status_decides_whatever_comes_with_it(
    raw_server: RawServer, client: Telesign, status: int, headers: dict[str, str], body: bytes, says: str
) -> None:
    raw_server.answers(body, status=status, headers=headers)
    with pytest.raises(ArchiveError, match=says) as caught:
        client.call("GOOD")
    assert not [secret for secret in SECRETS if secret in repr(caught.value)]


HEADS = {
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "no status": b"HTTP/1.1\r\n\r\n",
    "a status that is no number": b"HTTP/1.1 OK 200\r\n\r\n",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "a negative status": b"HTTP/1.1 -200 OK\r\n\r\n",
    "HTTP of a version to come": b"HTTP/9.9 200 OK\r\nContent-Length: 2\r\n\r\n[]",
    "a status line of 100 kB": b"HTTP/1.1 200 " + b"x" * 100_000 + b"\r\n\r\n",
    "a header of 100 kB": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
    "a thousand headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
    "only a new line": b"\n",
    "nothing at all": b"",
    "a chunk's size that is none": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n[]\r\n",
    "a negative chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n[]\r\n0\r\n\r\n",
    "a length longer than the body": b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n[]",
}


@cases(KIND, "head", {f"an answer with {name}": head for name, head in HEADS.items()})
def test_an_answer_that_is_no_http_is_asked_for_again(
    raw_server: RawServer, client: Telesign, head: bytes
) -> None:
    raw_server.says(head, then="close")
    with pytest.raises(RetryableError, match="cannot be reached") as caught:
        client.call("GOOD")
    assert not [secret for secret in SECRETS if secret in repr(caught.value)]


@given(st.binary(max_size=400) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_json_or_one_sentence(body: bytes) -> None:
    try:
        _Answer(200, None, body).json()
    except RetryableError as error:
        assert str(error) == "the provider's answer is not JSON"  # noqa: PT017 - most bytes raise, some need not
