"""What a recording's host may serve: each is the whole recording, or is refused before anything is stored."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from call_archive.errors import InvalidBodyError
from call_archive.provider.download import HEADER_SIZE, Downloads, _checked_header
from tests.badinput.cases import cases
from tests.badinput.downloading import WAV, fetched, refused

if TYPE_CHECKING:
    from tests.raw_server import RawServer

KIND = "bodies"

UNFIT = {
    "no bytes": b"",
    **{f"{size} bytes of a wave's beginning": WAV[:size] for size in range(1, 12)},
    "RIFX, whose big end is first": b"RIFX" + WAV[4:],
    "BW64, whose length is elsewhere": b"BW64" + WAV[4:],
    "RIFF in small letters": b"riff" + WAV[4:],
    "a film": b"RIFF\x24\0\0\0AVI LIST",
    "a picture in WebP": b"RIFF\x24\0\0\0WEBPVP8 ",
    "a MIDI file": b"RIFF\x24\0\0\0RMIDdata",
    "wave in small letters": b"RIFF\x24\0\0\0wavefmt ",
    "a wave a byte late": b"\0" + WAV,
    "a wave behind a BOM": b"\xef\xbb\xbf" + WAV,
    "a wave behind a blank": b" " + WAV,
    "a wave behind a new line": b"\r\n" + WAV,
    "a wave behind a tag": b"ID3\x04\0\0\0\0\0\0" + WAV,
    "a wave in reverse": WAV[::-1],
    "a wave in UTF-16": WAV.decode("latin-1").encode("utf-16"),
    "a wave in base64": b"UklGRiQAAABXQVZFZm10IA==",
    "a wave in hex": b"52494646240000005741564",
    "a compressed wave": gzip.compress(WAV),
    "a zip file": b"PK\x03\x04" + b"\0" * 40,
    "MP3 with a tag": b"ID3\x04\0\0\0\0\0\x21TSSE",
    "MP3 without a tag": b"\xff\xfb\x90\x64" + b"\0" * 40,
    "Ogg": b"OggS\0\x02" + b"\0" * 40,
    "FLAC": b"fLaC\0\0\0\x22" + b"\0" * 40,
    "AIFF": b"FORM\0\0\0\x24AIFFCOMM",
    "AU": b".snd\0\0\0\x18" + b"\0" * 40,
    "AMR": b"#!AMR\n" + b"\0" * 40,
    "MP4": b"\0\0\0\x20ftypisom" + b"\0" * 40,
    "raw samples": b"\0\x01" * 100,
    "an HTML page": b"<!DOCTYPE html><html><title>Deleted</title></html>",
    "an error in XML": b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
    "an error in JSON": b'{"status": {"code": 3401, "description": "Not found"}}',
    "a playlist": b"#EXTM3U\nhttps://evil.example/a.wav\n",
    "a redirect in HTML": b'<meta http-equiv="refresh" content="0;url=https://evil.example/?Signature=x">',
    "a pointer of Git LFS": b"version https://git-lfs.github.com/spec/v1\n",
    "a program": b"\x7fELF\x02\x01\x01" + b"\0" * 40,
}


@cases(KIND, "body", UNFIT)
def test_a_body_that_is_no_wave_is_invalid(raw_server: RawServer, downloads: Downloads, body: bytes) -> None:
    raw_server.answers(body)
    refused(downloads, raw_server, InvalidBodyError)


FIT = {
    "a wave of its 12 bytes alone": WAV[:12],
    "a wave whose size field is nought": b"RIFF\0\0\0\0" + WAV[8:],
    "a wave whose size field is the largest": b"RIFF\xff\xff\xff\xff" + WAV[8:],
    "a wave whose size field is larger than it": b"RIFF\xff\0\0\0" + WAV[8:],
    "a wave without a format": WAV[:12] + b"data\0\0\0\0",
    "a wave of another codec": WAV[:20] + b"\x07\0" + WAV[22:],
    "a wave with bytes behind its end": WAV + b"\0" * 100,
    "a wave that ends in HTTP": WAV + b"\r\n\r\nHTTP/1.1 404 Not Found\r\n\r\n",
    "RF64": b"RF64\xff\xff\xff\xffWAVEds64" + b"\0" * 28,
}


@cases(KIND, "body", FIT)
def test_what_begins_as_a_wave_is_archived_as_it_came(
    raw_server: RawServer, downloads: Downloads, body: bytes
) -> None:
    raw_server.answers(body)
    assert fetched(downloads, raw_server) == body


TYPES = {
    "no type": "",
    "a type of text": "text/html; charset=utf-8",
    "a type of JSON": "application/json",
    "a type of 50 kB": "x" * 50_000,
    "a type that is none": "????",
    "a type with a link": "https://evil.example/?Signature=s",
    "a type in Latin-1": "audio/é",
    "a type with a semicolon first": ";audio/wav",
    "a type with control characters": "audio/\x1b[31mwav",
}


@cases(KIND, "kind", TYPES)
def test_the_type_decides_nothing_and_its_beginning_is_reported(
    raw_server: RawServer, downloads: Downloads, kind: str
) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nContent-Type: " + kind.encode("latin-1") + b"\r\n\r\n"
    raw_server.says(head % len(WAV) + WAV)
    raw_server.says(head % 6 + b"<html>")
    assert fetched(downloads, raw_server) == WAV
    with pytest.raises(InvalidBodyError) as caught:
        fetched(downloads, raw_server)
    assert len(str(caught.value)) < 250
    assert str(caught.value).isprintable()


@given(st.binary(max_size=40), st.none() | st.text(max_size=100))
def test_any_first_bytes_are_a_waves_or_invalid(body: bytes, kind: str | None) -> None:
    class Given:
        def read(self, most: int) -> bytes:
            return body[:most]

        read1 = read

    try:
        header = _checked_header(Given(), len(body), kind)
    except InvalidBodyError as error:
        assert "\n" not in str(error)  # noqa: PT017 - some bytes are a wave's
    else:
        assert (header[8:12], len(header)) == (b"WAVE", HEADER_SIZE)
