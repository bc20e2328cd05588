"""Bodies as S3 takes them: framed twice, with the checksum in a trailer, which is verified."""

import base64
import hashlib
import io
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

MIN_CHUNK = 8192
"""Of every chunk but the last: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html"""
WINDOW_BYTES = 1024 * 1024


class RefusedError(Exception):
    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    size: int
    checksum: Mapping[str, str]
    """The verified checksum as a header of the answer."""
    content: bytes = b""
    """Of a body that came in one piece, which a recording's does not."""


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes, /) -> None:
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


DIGESTS: dict[str, Callable[[], Digest]] = {
    "x-amz-checksum-sha256": hashlib.sha256,
    "x-amz-checksum-crc32": _Crc32,
}


class _Chunks(io.RawIOBase):
    """HTTP's own chunked transfer encoding, undone."""

    def __init__(self, source: io.BufferedIOBase) -> None:
        self._source = source
        self._left = 0
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override] # BufferedReader passes no other
        if self._left == 0 and not self._ended:
            self._left = int(self._source.readline(), 16)
            if self._left == 0:
                self._ended = True
                self._source.readline()
        if self._ended:
            return 0
        piece = self._source.read(min(len(buffer), self._left))
        buffer[: len(piece)] = piece
        self._left -= len(piece)
        if self._left == 0:
            self._source.readline()
        return len(piece)


def read_body(source: io.BufferedIOBase, headers: Mapping[str, str]) -> Body:
    """Reads and verifies a PUT's whole body; RefusedError where S3 would refuse it."""
    if "x-amz-trailer" not in headers:
        return _read_plain(source, headers)
    name = headers["x-amz-trailer"]
    if name not in DIGESTS:
        raise RefusedError("InvalidRequest", "a checksum of another kind is expected in the trailer")
    chunked = headers.get("transfer-encoding") == "chunked"
    stream = io.BufferedReader(_Chunks(source), WINDOW_BYTES) if chunked else source
    digest = DIGESTS[name]()
    size = _digest_chunks(stream, digest)
    trailer = _trailer(stream)
    if chunked:
        stream.read()
    checksum = base64.b64encode(digest.digest()).decode()
    if trailer != f"{name}:{checksum}":
        raise RefusedError("BadDigest", "the checksum did not match")
    if size != int(headers["x-amz-decoded-content-length"]):
        raise RefusedError("IncompleteBody", "the body is shorter than was said")
    return Body(size=size, checksum={name: checksum})


def _read_plain(source: io.BufferedIOBase, headers: Mapping[str, str]) -> Body:
    content = source.read(int(headers["content-length"]))
    given = {name: headers[name] for name in DIGESTS if name in headers}
    for name, checksum in given.items():
        digest = DIGESTS[name]()
        digest.update(content)
        if base64.b64encode(digest.digest()).decode() != checksum:
            raise RefusedError("BadDigest", "the checksum did not match")
    if not given:
        raise RefusedError("InvalidRequest", "a checksum is expected, in a header or in a trailer")
    return Body(size=len(content), checksum=given, content=content)


def _digest_chunks(stream: io.BufferedIOBase, digest: Digest) -> int:
    size, last = 0, MIN_CHUNK
    while chunk_bytes := int(stream.readline().partition(b";")[0], 16):
        if last < MIN_CHUNK:
            raise RefusedError(
                "InvalidChunkSizeError", "Only the last chunk is allowed to have a size less than 8192 bytes"
            )
        chunk = stream.read(chunk_bytes)
        digest.update(chunk)
        stream.readline()
        size, last = size + len(chunk), chunk_bytes
    return size


def _trailer(stream: io.BufferedIOBase) -> str:
    """The trailer's one line; the empty line behind it is read as well."""
    line = stream.readline().decode().strip()
    stream.readline()
    return line
