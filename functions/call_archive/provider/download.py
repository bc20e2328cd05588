"""Downloads behind signed links. Links come from outside: they are checked, used byte for byte, never printed.

`http.client` and not requests: it neither follows redirects nor honours proxies, sends the request target as
it is, and lets us choose the address to connect to, so that a name cannot turn into a private address.
"""

from __future__ import annotations

import hashlib
import http.client
import socket
import ssl
import threading
import time
from contextlib import contextmanager
from http import HTTPStatus
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Protocol, cast

import certifi
from urllib3.util import wait_for_read

from call_archive.errors import InvalidBodyError, PermanentError, RetryableError
from call_archive.provider.header_deadline import DeadlineResponse
from call_archive.provider.link import Link, check_addresses, parse_link

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT_SECONDS = 20
"""To connect, and between two reads."""
MAX_ADDRESSES = 4
"""Tried of a host, each for TIMEOUT_SECONDS."""
MIN_BYTES_PER_SECOND = 256 * 1024
"""Bytes a second below which a download is given up, after a start of GRACE_SECONDS."""
GRACE_SECONDS = 30
MAX_BODY_BYTES = 5 * 1024**3
"""The most that S3 takes in one PUT: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html"""
PIECE = 64 * 1024
"""What a read gives, in bytes. botocore makes each read a chunk: S3 refuses chunks below 8 KiB before the last, and
botocore copies what is left of a chunk once for each 16 KiB that it sends.
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html"""
HEADER_SIZE = 12
MAX_SPOOL_BYTES = 400 * 1024**2
"""Of a body that is spooled to disk because its length is unknown; a function has 512 MB of it."""


class Body(Protocol):
    def read(self, most: int, /) -> bytes: ...
    def read1(self, most: int, /) -> bytes: ...


class Download:
    """A recording being downloaded: read once, from its first byte to its last."""

    def __init__(self, body: Body, header: bytes, size: int, deadline: float) -> None:
        self._body = body
        self._header = header
        self._deadline = deadline
        self._left = size
        self.size = size
        self.error: RetryableError | None = None
        """Why reading failed, whatever the reader made of it."""

    def __len__(self) -> int:
        """What is left, in bytes: botocore takes the upload's length from here."""
        return self._left

    def read(self, most: int = PIECE) -> bytes:
        """The next bytes: as many as asked for, PIECE at most, fewer only at the end."""
        missing = min(most, PIECE, self._left) if most >= 0 else min(PIECE, self._left)
        pieces = []
        while missing:
            piece = self._next(missing)
            pieces.append(piece)
            missing -= len(piece)
            self._left -= len(piece)
        return b"".join(pieces)

    def sha256(self) -> str:
        """Reads all of it; its SHA-256 in hex."""
        digest = hashlib.sha256()
        while piece := self.read():
            digest.update(piece)
        return digest.hexdigest()

    def _next(self, most: int) -> bytes:
        if self._header:
            piece, self._header = self._header[:most], self._header[most:]
            return piece
        try:
            piece = self._body.read1(most)
        except (OSError, http.client.HTTPException) as error:
            raise self._failed(f"the download broke off ({type(error).__name__})") from None
        if not piece:
            raise self._failed(f"the download ended {self._left} bytes short of {self.size}")
        if time.monotonic() > self._deadline:
            raise self._failed("the download is too slow")
        return piece

    def _failed(self, text: str) -> RetryableError:
        self.error = RetryableError(text)
        return self.error


class Downloads:
    """Opens signed links that point where links may point; keeps one connection a thread and host."""

    def __init__(self, *, hosts: frozenset[str], loopback: bool) -> None:
        self._hosts = hosts
        self._loopback = loopback
        self._local = threading.local()
        self._tls: ssl.SSLContext | None = None

    @contextmanager
    def open(self, url: str, *, seconds: float) -> Iterator[Download]:
        """A download of at most `seconds`, its status, type, length and first bytes checked.

        RetryableError when the link has expired or the server fails, InvalidBodyError when what is
        served is no recording, PermanentError when the link points where we must not go.
        """
        link = parse_link(url, hosts=self._hosts, loopback=self._loopback)
        began = time.monotonic()
        connection, response = self._request(link)
        done = False
        try:
            _check_status(response)
            with _body(response, deadline=began + seconds) as (body, size):
                deadline = began + min(seconds, GRACE_SECONDS + size / MIN_BYTES_PER_SECOND)
                header = _checked_header(body, size, response.getheader("Content-Type"))
                download = Download(body, header, size, deadline)
                yield download
            done = len(download) == 0 and not response.will_close
        except (OSError, http.client.HTTPException) as error:
            raise RetryableError(f"the download broke off ({type(error).__name__})") from None
        finally:
            response.close()  # read1() of older Pythons leaves it open, and the connection useless
            if not done:  # what is left in the connection would be taken for the next answer
                connection.close()
                self._idle().pop((link.host, link.port), None)

    def _request(self, link: Link) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        idle = self._idle().pop((link.host, link.port), None)
        if idle is not None:
            try:
                if _is_quiet(idle):
                    response = _sent(idle, link)
                    self._idle()[link.host, link.port] = idle
                    return idle, response
            except (OSError, http.client.HTTPException):
                pass  # the server closed it while it lay idle: that says nothing about the link
            idle.close()
        fresh = _Connection(link, self._context() if link.secure else None, loopback=self._loopback)
        try:
            response = _sent(fresh, link)
        except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: an odd answer of DNS
            fresh.close()
            raise RetryableError(f"the recording's host cannot be reached ({type(error).__name__})") from None
        self._idle()[link.host, link.port] = fresh
        return fresh, response

    def _idle(self) -> dict[tuple[str, int], http.client.HTTPConnection]:
        if not hasattr(self._local, "idle"):
            self._local.idle = {}
        idle: dict[tuple[str, int], http.client.HTTPConnection] = self._local.idle
        return idle

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context(cafile=certifi.where())
        return self._tls


class _Connection(http.client.HTTPConnection):
    """Connects only to addresses that were checked, over TLS when the link says so."""

    response_class = DeadlineResponse

    def __init__(self, link: Link, tls: ssl.SSLContext | None, *, loopback: bool) -> None:
        super().__init__(link.host, link.port, timeout=TIMEOUT_SECONDS, blocksize=256 * 1024)
        self._loopback_allowed = loopback
        self._tls = tls

    def connect(self) -> None:
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        addresses = [str(address[4][0]) for address in found]
        check_addresses(self.host, addresses, loopback=self._loopback_allowed)
        self.sock = _connected(addresses, self.port)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is not None:
            self.sock = self._tls.wrap_socket(self.sock, server_hostname=self.host)


def _connected(addresses: list[str], port: int) -> socket.socket:
    """A connection to the first of the addresses that takes one; a name may have any number of them."""
    if not addresses:
        raise OSError("the host has no address")
    *others, last = addresses[:MAX_ADDRESSES]
    for address in others:
        try:
            return socket.create_connection((address, port), TIMEOUT_SECONDS)
        except OSError:
            continue
    return socket.create_connection((last, port), TIMEOUT_SECONDS)


def _is_quiet(connection: http.client.HTTPConnection) -> bool:
    """Nothing has come since the last answer: neither its end, nor bytes to be taken for the next one."""
    return connection.sock is not None and not wait_for_read(connection.sock, timeout=0)


def _sent(connection: http.client.HTTPConnection, link: Link) -> http.client.HTTPResponse:
    connection.request("GET", link.target, headers={"Accept-Encoding": "identity"})
    return connection.getresponse()


def _check_status(response: http.client.HTTPResponse) -> None:
    if response.status == HTTPStatus.FORBIDDEN:
        raise RetryableError("the recording's link is refused or has expired (403)")
    if HTTPStatus.MULTIPLE_CHOICES <= response.status < HTTPStatus.BAD_REQUEST:
        raise PermanentError(f"the provider's link redirects ({response.status}), which is not followed")
    if response.status != HTTPStatus.OK:
        raise RetryableError(f"the recording's host answered {response.status}")
    if (response.getheader("Content-Encoding") or "identity").lower() != "identity":
        raise RetryableError("the recording's host encoded the body, which we did not ask for")


@contextmanager
def _body(response: http.client.HTTPResponse, *, deadline: float) -> Iterator[tuple[Body, int]]:
    """The body and its length in bytes, which S3 wants to know before the first of them."""
    if response.length is not None:
        yield response, response.length
    elif response.chunked:  # ends with a mark of its own, so it is whole once read to its end
        with TemporaryFile() as spool:
            yield cast("Body", spool), _spool(response, spool, deadline)
    else:
        raise RetryableError(
            "the recording's host sent no length, so a complete body cannot be distinguished from a cut one"
        )


def _spool(response: http.client.HTTPResponse, spool: IO[bytes], deadline: float) -> int:
    """Spools a body of unknown length to the function's disk; its length in bytes."""
    size = 0
    while piece := response.read1(PIECE):
        size += spool.write(piece)
        if size > MAX_SPOOL_BYTES or time.monotonic() > deadline:
            raise RetryableError("the download of unknown length is too large or too slow")
    spool.seek(0)
    return size


def _checked_header(body: Body, size: int, kind: str | None) -> bytes:
    """The first bytes, which must be a WAVE file's: they decide, and not the type that the host gives them."""
    if size == 0:
        raise InvalidBodyError("the recording is empty (0 bytes)")
    if size > MAX_BODY_BYTES:
        raise PermanentError(f"the recording has {size} bytes, more than S3 takes in one PUT")
    header = body.read(min(HEADER_SIZE, size))
    if len(header) < min(HEADER_SIZE, size):
        raise RetryableError(f"the download ended before its first {HEADER_SIZE} bytes")
    if header[:4] not in (b"RIFF", b"RF64") or header[8:12] != b"WAVE":
        kind = (kind or "none").split(";")[0].strip()[:60]
        raise InvalidBodyError(f"the recording's host served no WAVE file (its type: {kind!r})")
    return header
