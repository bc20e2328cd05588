"""Where a link's host leads: what a resolver may answer, and to which addresses we go."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from call_archive.errors import ArchiveError, PermanentError, RetryableError
from call_archive.provider.link import check_addresses
from tests.badinput.cases import cases

if TYPE_CHECKING:
    from collections.abc import Callable

    from call_archive.provider.download import Downloads

KIND = "addresses"
LINK = "https://a.tlsn.io/x.wav?Expires=1&Signature=s&Key-Pair-Id=k"
PUBLIC = "13.32.0.1"


# --- Addresses


NOT_PUBLIC = {
    "the first private one": "10.255.255.255",
    "the last of 172.16/12": "172.31.255.255",
    "the last of 100.64/10": "100.127.255.255",
    "loopback that is not .1": "127.255.255.254",
    "this network": "0.1.2.3",
    "Azure's and AWS's metadata": "169.254.169.254",
    "ECS's credentials": "169.254.170.2",
    "EKS's credentials": "169.254.170.23",
    "the metadata address of EC2 in IPv6": "fd00:ec2::254",
    "a documentation network": "203.0.113.9",
    "a benchmark network": "198.19.255.255",
    "reserved space": "240.0.0.1",
    "multicast": "224.0.0.251",
    "broadcast": "255.255.255.255",
    "IPv6 unspecified": "::",
    "IPv6 loopback": "::1",
    "IPv6 loopback with a zone": "::1%lo",
    "link-local with a zone": "fe80::1%eth0",
    "site-local, which is deprecated": "fec0::1",
    "unique local": "fdff::1",
    "multicast of all nodes": "ff02::1",
    "multicast of global scope": "ff0e::1",
    "mapped private": "::ffff:192.168.0.1",
    "mapped metadata in hex": "::ffff:a9fe:a9fe",
    "mapped loopback with a zone": "::ffff:127.0.0.1%eth0",
    "compatible loopback, which is deprecated": "::7f00:1",
    "compatible private": "::a00:1",
    "translated by SIIT": "::ffff:0:a00:1",
    "NAT64 to private": "64:ff9b::c0a8:1",
    "NAT64 to metadata": "64:ff9b::a9fe:a9fe",
    "NAT64 of a local prefix": "64:ff9b:1::a00:1",
    "6to4 to private": "2002:c0a8:101::1",
    "6to4 to loopback": "2002:7f00:1::1",
    "Teredo": "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "benchmarks in IPv6": "2001:2::1",
    "documentation in IPv6": "2001:db8:ffff::1",
    "discard only": "100::1",
    "not assigned, 200::/7": "200::1",
    "not assigned, 4000::/3": "4000::1",
    "segment routing": "5f00::1",
}


@cases(KIND, "address", NOT_PUBLIC)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    with pytest.raises(PermanentError, match=r"points to a\.tlsn\.io, which has a private address"):
        check_addresses("a.tlsn.io", [address], loopback=False)


@cases(KIND, "address", NOT_PUBLIC)
def test_an_address_that_is_not_public_is_refused_behind_a_public_one(address: str) -> None:
    with pytest.raises(PermanentError):
        check_addresses("a.tlsn.io", [PUBLIC, address], loopback=True)


@cases(
    KIND,
    "address",
    {
        "IPv4": "13.32.0.1",
        "IPv6": "2600:9000:2000::1",
        "IPv6, the highest": "3ffe::1",
        "mapped public": "::ffff:13.32.0.1",
        "NAT64 to public": "64:ff9b::d20:1",
        "6to4 to public": "2002:d20:1::1",
    },
)
def test_a_public_address_is_good(address: str) -> None:
    check_addresses("a.tlsn.io", [address], loopback=False)


@given(st.ip_addresses(v=4).filter(lambda address: not address.is_global))
def test_no_private_address_is_good_in_any_of_its_forms(address: Any) -> None:
    number = int(address)
    high, low = f"{number >> 16:x}", f"{number & 0xFFFF:x}"
    for form in (
        str(address),
        f"::ffff:{high}:{low}",
        f"::{high}:{low}",
        f"64:ff9b::{high}:{low}",
        f"64:ff9b:1::{high}:{low}",
        f"2002:{high}:{low}::1",
    ):
        with pytest.raises(PermanentError):
            check_addresses("a.tlsn.io", [form], loopback=False)


# --- Names


def found(*addresses: str) -> Callable[..., list[Any]]:
    """A resolver's answer to every name."""
    return lambda _host, port, **_kind: [(0, socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses]


def failing(error: Exception) -> Callable[..., list[Any]]:
    def fails(*_asked: object, **_kind: object) -> list[Any]:
        raise error

    return fails


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The addresses that are connected to, none of which answers."""
    connected: list[Any] = []

    def connect(address: tuple[str, int], *_rest: object, **_more: object) -> socket.socket:
        connected.append(address[0])
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", connect)
    return connected


@cases(
    KIND,
    "resolver,error,says,connects",
    {
        "no answer": (found(), RetryableError, "cannot be reached", []),
        "no such name": (failing(socket.gaierror(-2, "no")), RetryableError, "gaierror", []),
        "the resolver is down": (failing(socket.gaierror(-3, "no")), RetryableError, "gaierror", []),
        "the resolver is slow": (failing(TimeoutError()), RetryableError, "TimeoutError", []),
        "the resolver cannot read the name": (
            failing(UnicodeEncodeError("idna", "x", 0, 1, "no")),
            RetryableError,
            "cannot be reached",
            [],
        ),
        "an answer that is no address": (found("a.tlsn.io"), RetryableError, "cannot be reached", []),
        "private alone": (found("10.0.0.1"), PermanentError, "private", []),
        "public, then private": (found(PUBLIC, "10.0.0.1"), PermanentError, "private", []),
        "private, then public": (found("10.0.0.1", PUBLIC), PermanentError, "private", []),
        "IPv4 public, IPv6 loopback": (found(PUBLIC, "::1"), PermanentError, "private", []),
        "a private one behind 99 public ones": (
            found(*[PUBLIC] * 99, "10.0.0.1"),
            PermanentError,
            "private",
            [],
        ),
        "public, and silent": (found(PUBLIC), RetryableError, "TimeoutError", [PUBLIC]),
        "a hundred public ones, all silent": (
            found(*[PUBLIC] * 100),
            RetryableError,
            "TimeoutError",
            [PUBLIC] * 4,
        ),
    },
)
def test_what_a_resolver_answers_has_one_outcome(
    downloads: Downloads,
    monkeypatch: pytest.MonkeyPatch,
    tried: list[Any],
    resolver: Callable[..., list[Any]],
    error: type[ArchiveError],
    says: str,
    connects: list[str],
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    with pytest.raises(error, match=says) as caught, downloads.open(LINK, seconds=60):
        pytest.fail("a download was opened")
    assert tried == connects
    assert "Signature" not in repr(caught.value)


def test_a_name_that_changes_its_answer_is_asked_once_and_only_what_was_checked_is_connected_to(
    downloads: Downloads, monkeypatch: pytest.MonkeyPatch, tried: list[Any]
) -> None:
    answers = iter([PUBLIC, "169.254.169.254"])
    monkeypatch.setattr(socket, "getaddrinfo", lambda *asked, **_kind: found(next(answers))(*asked))
    with pytest.raises(RetryableError), downloads.open(LINK, seconds=60):
        pytest.fail("a download was opened")
    assert (tried, list(answers)) == ([PUBLIC], ["169.254.169.254"])
