"""Signed links: where they may point. They come from outside, and are used byte for byte or not at all."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from call_archive.errors import PermanentError

MAX_URL = 8192
NAT64 = IPv6Network("64:ff9b::/96")
"""https://www.rfc-editor.org/rfc/rfc6052"""
GLOBAL_UNICAST, DOCUMENTATION = IPv6Network("2000::/3"), IPv6Network("3fff::/20")
"""Python calls all that is not reserved global, in IPv6 also what leads to private IPv4 addresses.
https://www.iana.org/assignments/ipv6-address-space"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A signed url, parsed but not changed."""

    host: str
    port: int
    secure: bool
    target: str = field(repr=False)
    """Path and query, which hold the signature."""


def parse_link(url: str, *, hosts: frozenset[str], loopback: bool) -> Link:
    """Parses a signed url; PermanentError, which names at most its host, when we must not go there."""
    if len(url) > MAX_URL or not all("!" <= character <= "~" for character in url) or "\\" in url:
        raise PermanentError("the provider's link is not a url")
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
        host.encode("idna")  # as the resolver will: UnicodeError, a ValueError, for an impossible name
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
        address = _embedded(address) if isinstance(address, IPv6Address) else address
        if loopback and address.is_loopback and _is_loopback(host):
            continue
        if not _is_public(address):
            raise PermanentError(f"the provider's link points to {host[:100]}, which has a private address")


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    assigned = isinstance(address, IPv4Address) or (
        address in GLOBAL_UNICAST and address not in DOCUMENTATION
    )
    return assigned and address.is_global and not address.is_multicast


def _embedded(address: IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 address leads to (mapped, 6to4, NAT64), or itself."""
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def is_loopback_url(url: str) -> bool:
    return _is_loopback(urlsplit(url).hostname or "")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
