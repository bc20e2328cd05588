"""Signed links: where they may point. They come from outside, and are used byte for byte or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from call_archive.errors import PermanentError

LONGEST_URL = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A signed url, taken apart but not changed."""

    host: str
    port: int
    secure: bool
    target: str


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
