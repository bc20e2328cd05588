"""Downloads behind signed links. Links come from outside: they are checked, used byte for byte, never printed.

`http.client` and not requests: it neither follows redirects nor honours proxies, sends the request target as
it is, and lets us choose the address to connect to, so that a name cannot turn into a private address.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import certifi

from call_archive.errors import PermanentError, RetryableError, UnfitBodyError

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT_SECONDS = 20
"""To connect, and between two reads."""
SLOWEST = 256 * 1024
"""Bytes a second below which a download is given up, after a start of GRACE_SECONDS."""
GRACE_SECONDS = 30
LARGEST_BODY = 5 * 1024**3
"""The most that S3 takes in one PUT: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html"""
PIECE = 64 * 1024
"""What a read gives, in bytes. botocore makes each read a chunk: S3 refuses chunks below 8 KiB before the last, and
botocore copies what is left of a chunk once for each 16 KiB that it sends.
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html"""
HEADER_SIZE = 12
LONGEST_URL = 8192
UNFIT_TYPES = ("text/", "application/json", "application/xml", "application/xhtml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A signed url, taken apart but not changed."""

    host: str
    port: int
    secure: bool
    target: str


class Download:
    """A recording being downloaded: read once, from its first byte to its last."""

    def __init__(self, response: http.client.HTTPResponse, header: bytes, size: int, deadline: float) -> None:
        self._response = response
        self._header = header
        self._deadline = deadline
        self._left = size
        self.size = size
        self.trouble: RetryableError | None = None
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

    def _next(self, most: int) -> bytes:
        if self._header:
            piece, self._header = self._header[:most], self._header[most:]
            return piece
        try:
            piece = self._response.read1(most)
        except (OSError, http.client.HTTPException) as error:
            raise self._failed(f"the download broke off ({type(error).__name__})") from None
        if not piece:
            raise self._failed(f"the download ended {self._left} bytes short of {self.size}")
        if time.monotonic() > self._deadline:
            raise self._failed("the download is too slow")
        return piece

    def _failed(self, text: str) -> RetryableError:
        self.trouble = RetryableError(text)
        return self.trouble


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

        RetryableError when the link has expired or the server is in trouble, UnfitBodyError when what is
        served is no recording, PermanentError when the link points where we must not go.
        """
        link = parse_link(url, hosts=self._hosts, loopback=self._loopback)
        began = time.monotonic()
        connection, response = self._request(link)
        done = False
        try:
            size = _checked_size(response)
            deadline = began + min(seconds, GRACE_SECONDS + size / SLOWEST)
            download = Download(response, _checked_header(response, size), size, deadline)
            yield download
            done = len(download) == 0 and not response.will_close
        except (OSError, http.client.HTTPException) as error:
            raise RetryableError(f"the download broke off ({type(error).__name__})") from None
        finally:
            if done:
                response.close()  # read1() of older Pythons leaves it open, and the connection useless
            else:  # what is left in the connection would be taken for the next answer
                connection.close()
                self._idle().pop((link.host, link.port), None)

    def _request(self, link: Link) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        idle = self._idle().get((link.host, link.port))
        if idle is not None:
            try:
                return idle, _sent(idle, link)
            except (OSError, http.client.HTTPException):
                idle.close()  # the server closed it while it lay idle: that says nothing about the link
        fresh = _Connection(link, self._context() if link.secure else None, loopback=self._loopback)
        try:
            response = _sent(fresh, link)
        except (OSError, http.client.HTTPException) as error:
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

    def __init__(self, link: Link, tls: ssl.SSLContext | None, *, loopback: bool) -> None:
        super().__init__(link.host, link.port, timeout=TIMEOUT_SECONDS, blocksize=256 * 1024)
        self._loopback_allowed = loopback
        self._tls = tls

    def connect(self) -> None:
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        addresses = [str(address[4][0]) for address in found]
        check_addresses(self.host, addresses, loopback=self._loopback_allowed)
        self.sock = socket.create_connection((addresses[0], self.port), TIMEOUT_SECONDS)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is not None:
            self.sock = self._tls.wrap_socket(self.sock, server_hostname=self.host)


def parse_link(url: str, *, hosts: frozenset[str], loopback: bool) -> Link:
    """Takes a signed url apart; PermanentError, which names at most its host, when we must not go there."""
    if len(url) > LONGEST_URL or not all("!" <= character <= "~" for character in url) or "\\" in url:
        raise PermanentError("the provider's link is not a url")
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        raise PermanentError("the provider's link is not a url") from None
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc:
        raise PermanentError("the provider's link is not a plain https url")
    secure = parts.scheme == "https"
    if not (loopback and _is_loopback(host)):
        if not secure:
            raise PermanentError("the provider's link is not https")
        if port not in (None, 443):
            raise PermanentError("the provider's link names a port of its own")
        if not any(host == suffix or host.endswith(f".{suffix}") for suffix in hosts):
            raise PermanentError(
                f"the provider's link points to {host[:100]}, which is not among recording_hosts"
            )
    target = url.split("#", 1)[0].split("://", 1)[1][len(parts.netloc) :]
    return Link(
        host=host,
        port=port or (443 if secure else 80),
        secure=secure,
        target=target if target.startswith("/") else f"/{target}",
    )


def check_addresses(host: str, addresses: list[str], *, loopback: bool) -> None:
    """PermanentError unless every address of the name is public, or loopback where that is allowed."""
    for text in addresses:
        address = ip_address(text.split("%", 1)[0])
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        address = mapped or address
        if loopback and address.is_loopback and _is_loopback(host):
            continue
        if not address.is_global or address.is_multicast:
            raise PermanentError(f"the provider's link points to {host[:100]}, which has a private address")


def is_loopback_url(url: str) -> bool:
    return _is_loopback(urlsplit(url).hostname or "")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _sent(connection: http.client.HTTPConnection, link: Link) -> http.client.HTTPResponse:
    connection.request("GET", link.target, headers={"Accept-Encoding": "identity"})
    return connection.getresponse()


def _checked_size(response: http.client.HTTPResponse) -> int:
    """The body's length in bytes, once status and type say that it may be a recording."""
    if response.status == HTTPStatus.FORBIDDEN:
        raise RetryableError("the recording's link is refused or has expired (403)")
    if response.status != HTTPStatus.OK:
        raise RetryableError(f"the recording's host answered {response.status}")
    kind = (response.getheader("Content-Type") or "").strip().lower()
    if kind.startswith(UNFIT_TYPES):
        raise UnfitBodyError(f"the recording's host served {kind.split(';')[0][:60]} instead of audio")
    if (response.getheader("Content-Encoding") or "identity").lower() != "identity":
        raise RetryableError("the recording's host encoded the body, which we did not ask for")
    if response.length is None:
        raise RetryableError("the recording's host sent no Content-Length")
    if response.length == 0:
        raise UnfitBodyError("the recording is empty (0 bytes)")
    if response.length > LARGEST_BODY:
        raise PermanentError(f"the recording has {response.length} bytes, more than S3 takes in one PUT")
    return response.length


def _checked_header(response: http.client.HTTPResponse, size: int) -> bytes:
    header = response.read(min(HEADER_SIZE, size))
    if len(header) < min(HEADER_SIZE, size):
        raise RetryableError(f"the download ended before its first {HEADER_SIZE} bytes")
    if header[:4] not in (b"RIFF", b"RF64") or header[8:12] != b"WAVE":
        raise UnfitBodyError("the recording is not a WAVE file")
    return header
