"""The provider's answers, as bytes over a socket: what is read of each, and what is said of one that is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from call_archive.errors import RetryableError
from tests.badinput.cases import cases
from tests.badinput.conftest import SECRETS
from tests.unit.factories import a_window

if TYPE_CHECKING:
    from call_archive.provider.client import Telesign
    from tests.raw_server import RawServer

KIND = "answers"
WINDOW = a_window()
GOOD = b'{"reference_id": "GOOD", "file_name": "good.wav", "status": "available"}'


def said(client: Telesign, question: str) -> str:
    """What is said of an answer that cannot be read; one sentence without a secret, and to be asked again."""
    with pytest.raises(RetryableError) as caught:
        client.first_page(WINDOW) if question == "page" else client.call("GOOD")
    text = str(caught.value)
    assert not [secret for secret in SECRETS if secret in text]
    assert "\n" not in text
    assert len(text) < 120
    return text


NOT_JSON = {
    "no bytes": b"",
    "a blank": b" ",
    "a NUL": b"\0",
    "a BOM alone": b"\xef\xbb\xbf",
    "an HTML page": b"<!DOCTYPE html><html><body>Sign in</body></html>",
    "an XML error": b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
    "plain text": b"upstream connect error or disconnect/reset before headers",
    "two documents": b'{"call_recordings": []}{"call_recordings": []}',
    "trailing garbage": b'{"call_recordings": []} <!-- cached -->',
    "a prefix against hijacking": b')]}\',\n{"call_recordings": []}',
    "a callback": b'callback({"call_recordings": []})',
    "one quote missing": b'{"call_recordings: []}',
    "single quotes": b"{'call_recordings': []}",
    "a trailing comma": b'{"call_recordings": [],}',
    "a comment": b'{"call_recordings": [] /* none */}',
    "undefined": b'{"call_recordings": undefined}',
    "a number with a leading nought": b'{"call_recordings": 01}',
    "a hex number": b'{"call_recordings": 0x10}',
    "cut within a name": b'{"call_rec',
    "cut within a row": b'{"call_recordings": [{"reference_id": "A"',
    "cut within an escape": b'{"call_recordings": [{"reference_id": "\\u00',
    "a bad escape": b'{"call_recordings": "\\x41"}',
    "arrays too deep": b"[" * 200_000,
    "objects too deep": b'{"call_recordings":' * 100_000,
    "a row too deep": b'{"call_recordings": [{"transcribe": ' + b"[" * 5000 + b"]" * 5000 + b"}]}",
    "UTF-16 cut in half": '{"call_recordings": []}'.encode("utf-16")[:-1],
    "UTF-32 cut in half": '{"call_recordings": []}'.encode("utf-32")[:-2],
    "UTF-7": '{"call_recordings": []}'.encode("utf-7").replace(b"{", b"+AHs-"),
    "compressed": b"\x1f\x8b\x08\0\0\0\0\0\0\x03",
    "a wave": b"RIFF\x24\0\0\0WAVEfmt ",
    "an invalid byte outside of texts": b'{"call_recordings": \xff[]}',
}


@cases(KIND, "body", NOT_JSON)
@pytest.mark.parametrize("question", ["page", "call"])
def test_what_is_not_json_is_asked_for_again(
    raw_server: RawServer, client: Telesign, question: str, body: bytes
) -> None:
    raw_server.answers(body)
    assert said(client, question) == "the provider's answer is not JSON"


NO_PAGE = {
    "null": b"null",
    "true": b"true",
    "false": b"false",
    "nought": b"0",
    "a number": b"-1.5e3",
    "not a number": b"NaN",
    "infinity": b"-Infinity",
    "a text": b'"call_recordings"',
    "an empty text": b'""',
    "an empty array": b"[]",
    "rows without their page": b"[" + GOOD + b"]",
    "recordings that are a text": b'{"call_recordings": "none"}',
    "recordings that are a number": b'{"call_recordings": 7}',
    "recordings that are true": b'{"call_recordings": true}',
    "recordings that are NaN": b'{"call_recordings": NaN}',
}


@cases(KIND, "body", NO_PAGE)
def test_json_that_is_no_page_is_asked_for_again(
    raw_server: RawServer, client: Telesign, body: bytes
) -> None:
    raw_server.answers(body)
    assert said(client, "page").startswith("the provider's answer ")


NO_CALL = {
    "null": b"null",
    "true": b"true",
    "nought": b"0",
    "a number": b"12",
    "a text": b'"GOOD"',
    "recordings that are a text": b'{"call_recordings": "none"}',
    "recordings that are true": b'{"call_recordings": true}',
}


@cases(KIND, "body", {f"by id: {name}": body for name, body in NO_CALL.items()})
def test_json_that_is_no_call_is_asked_for_again(
    raw_server: RawServer, client: Telesign, body: bytes
) -> None:
    raw_server.answers(body)
    assert said(client, "call") == "the provider's answer holds no list of recordings"


def beside(row: bytes) -> bytes:
    """A page of a bad row between two copies of a good one."""
    return b'{"call_recordings": [' + GOOD + b"," + row + b"," + GOOD + b"]}"


NO_ROW = {
    "null": b"null",
    "true": b"true",
    "a number": b"7",
    "a text": b'"GOOD"',
    "an empty object": b"{}",
    "an empty array": b"[]",
    "an array of rows": b"[" + GOOD + b"]",
    "no id": b'{"file_name": "a.wav", "status": "available"}',
    "an id that is null": b'{"reference_id": null}',
    "an id that is empty": b'{"reference_id": ""}',
    "an id that is a number": b'{"reference_id": 7}',
    "an id of 5,000 digits": b'{"reference_id": ' + b"7" * 5000 + b', "reference_id": 7}',
    "an id that is true": b'{"reference_id": true}',
    "an id that is NaN": b'{"reference_id": NaN}',
    "an id that is a list": b'{"reference_id": ["A"]}',
    "an id that is an object": b'{"reference_id": {"id": "A"}}',
    "an id that is too long": b'{"reference_id": "' + b"A" * 901 + b'"}',
    "an id that is too long in UTF-8": b'{"reference_id": "%s"}'.replace(b"%s", "ü".encode() * 451),
    "an id of 100 kB": b'{"reference_id": "' + b"A" * 100_000 + b'"}',
    "an id that is there twice, the second null": b'{"reference_id": "A", "reference_id": null}',
    "an id in another case": b'{"Reference_Id": "A"}',
}


@cases(KIND, "row", NO_ROW)
def test_a_row_that_names_no_call_is_counted_and_the_others_are_read(
    raw_server: RawServer, client: Telesign, row: bytes
) -> None:
    raw_server.answers(beside(row))
    page = client.first_page(WINDOW)
    assert ([each.reference_id for each in page.rows], page.unreadable) == (["GOOD", "GOOD"], 1)


ODD_ROW = {
    "a key twice: the last counts": (b'{"reference_id": "A", "reference_id": "B"}', "B"),
    "a number of 5,000 digits": (b'{"reference_id": "A", "date": ' + b"1" * 5000 + b"}", "A"),
    "a negative number of 5,000 digits": (b'{"reference_id": "A", "x": -' + b"1" * 5000 + b"}", "A"),
    "a number with a huge exponent": (b'{"reference_id": "A", "date": 1e99999}', "A"),
    "NaN for a date": (b'{"reference_id": "A", "date": NaN}', "A"),
    "infinity for a date": (b'{"reference_id": "A", "date": -Infinity}', "A"),
    "an invalid byte in a name": (b'{"reference_id": "A", "file_name": "\xff.wav"}', "A"),
    "an invalid byte in the id": (b'{"reference_id": "\xffA"}', "\\udcffA"),
    "a name in Latin-1": (b'{"reference_id": "A", "file_name": "caf\xe9.wav"}', "A"),
    "an overlong encoding": (b'{"reference_id": "A", "file_name": "\xc0\xaf"}', "A"),
    "a surrogate in UTF-8": (b'{"reference_id": "A", "file_name": "\xed\xa0\x80"}', "A"),
    "half a surrogate pair": (b'{"reference_id": "\\ud83d"}', "\\ud83d"),
    "the wrong half first": (b'{"reference_id": "\\ude00\\ud83d"}', "\\ude00\\ud83d"),
    "a raw tab": (b'{"reference_id": "A\t1"}', "A\t1"),
    "a raw new line": (b'{"reference_id": "A\n1"}', "A\n1"),
    "a raw NUL": (b'{"reference_id": "A\0"}', "A\0"),
    "an escaped NUL": (b'{"reference_id": "A\\u0000"}', "A\0"),
    "an id of the longest": (b'{"reference_id": "' + b"A" * 900 + b'"}', "A" * 900),
    "a name of 1 MB": (b'{"reference_id": "A", "file_name": "' + b"n" * 10**6 + b'"}', "A"),
    "10,000 unknown fields": (
        b'{"reference_id": "A", %s}' % b", ".join(b'"f%d": %d' % (each, each) for each in range(10_000)),
        "A",
    ),
    "a field nested 500 deep": (b'{"reference_id": "A", "x": ' + b"[" * 500 + b"]" * 500 + b"}", "A"),
    "a blank id": (b'{"reference_id": " "}', " "),
}


@cases(KIND, "row,reference_id", ODD_ROW)
def test_an_odd_row_is_read_and_spares_its_neighbours(
    raw_server: RawServer, client: Telesign, row: bytes, reference_id: str
) -> None:
    raw_server.answers(beside(row))
    page = client.first_page(WINDOW)
    assert [each.reference_id for each in page.rows] == ["GOOD", reference_id, "GOOD"]


ENCODED = {
    "UTF-8 with a BOM": "utf-8-sig",
    "UTF-16 with a BOM": "utf-16",
    "UTF-16, big end first": "utf-16-be",
    "UTF-16, little end first": "utf-16-le",
    "UTF-32": "utf-32-be",
}


@cases(KIND, "encoding", ENCODED)
def test_every_encoding_of_json_is_read(raw_server: RawServer, client: Telesign, encoding: str) -> None:
    raw_server.answers(beside(GOOD.replace(b"GOOD", "GÖÖD".encode())).decode().encode(encoding))
    assert client.first_page(WINDOW).rows[1].reference_id == "GÖÖD"
