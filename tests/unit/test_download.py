"""Downloads over real sockets: what goes out byte for byte, what comes in checked, where links may point."""

from __future__ import annotations

import hashlib
import socket
import ssl
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from call_archive.errors import ArchiveError, InvalidBodyError, PermanentError, RetryableError
from call_archive.provider import download as module
from call_archive.provider.download import Downloads
from call_archive.provider.link import Link, check_addresses, is_loopback_url, parse_link
from infra.local.embedded_aws.certificate import Certificate, write_certificate
from infra.simulator import Fault
from tests.raw_server import RawServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from infra.simulator import SimulatedTelesign
    from tests.unit.conftest import StartTelesign

HOSTS = frozenset({"tlsn.io", "telesign.com"})
WAV = b"RIFF\x24\0\0\0WAVEfmt " + b"\0" * 28
MIN_CHUNK = 8 * 1024
SIGNED = "/call_recording/a%2fb%2Fc_1.wav?Expires=17&Signature=aB-_~~0&Key-Pair-Id=K2;x=%zz"


@pytest.fixture
def downloads() -> Iterator[Downloads]:
    opened = Downloads(hosts=HOSTS, loopback=True)
    yield opened
    for connection in opened._idle().values():
        connection.close()


def fetched(downloads: Downloads, url: str, *, seconds: float = 60) -> bytes:
    with downloads.open(url, seconds=seconds) as download:
        return b"".join(iter(download.read, b""))


def link_of(provider: SimulatedTelesign) -> tuple[str, str]:
    """A link to an available recording, and the SHA-256 of what it serves."""
    now = provider.options.now()
    files = (file for call in provider.truth() for file in call.files)
    file = next(file for file in files if file.status_at(now) == "available")
    return provider._cdn._links.sign(file.file_name, now), file.sha256


# --- What goes out


@pytest.mark.parametrize(
    "target", [SIGNED, "/", "/?a=b", "/a?b?c=/../..//", "/a;b/./../c", "/%E2%80%99", "/a=b=="]
)
def test_the_target_of_a_link_is_sent_byte_for_byte(
    raw_server: RawServer, downloads: Downloads, target: str
) -> None:
    raw_server.answers(WAV)
    fetched(downloads, raw_server.url + target)
    assert raw_server.targets() == [target.encode()]


@pytest.mark.parametrize(
    ("written", "sent"), [("", b"/"), ("?a=b", b"/?a=b"), ("/a#fragment", b"/a"), ("/a?b#c?d", b"/a?b")]
)
def test_a_link_without_a_path_asks_for_the_root_and_a_fragment_stays_here(
    raw_server: RawServer, downloads: Downloads, written: str, sent: bytes
) -> None:
    raw_server.answers(WAV)
    fetched(downloads, raw_server.url + written)
    assert raw_server.targets() == [sent]


def test_neither_credentials_nor_a_wish_for_encoding_goes_with_a_link(
    raw_server: RawServer, downloads: Downloads
) -> None:
    raw_server.answers(WAV)
    fetched(downloads, raw_server.url + SIGNED)
    headers = dict(line.lower().split(b": ", 1) for line in raw_server.requests[0].split(b"\r\n")[1:])
    assert set(headers) == {b"host", b"accept-encoding"}
    assert headers[b"accept-encoding"] == b"identity"


def test_the_environments_proxies_have_no_say(
    raw_server: RawServer, downloads: Downloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    raw_server.answers(WAV)
    assert fetched(downloads, raw_server.url) == WAV


# --- What comes in


def test_a_signed_link_of_the_simulated_provider_gives_the_bytes_it_holds(
    start_telesign: StartTelesign, downloads: Downloads
) -> None:
    url, sha256 = link_of(provider := start_telesign())
    with downloads.open(url, seconds=60) as download:
        assert download.sha256() == sha256
    (request,) = provider.requests
    assert (request.status, request.has_authorization) == (200, False)


@pytest.mark.parametrize("content_type", ["audio/x-wav", "application/octet-stream", "text/plain", ""])
def test_the_first_bytes_decide_and_not_the_type(
    raw_server: RawServer, downloads: Downloads, content_type: str
) -> None:
    raw_server.answers(WAV, headers={"Content-Type": content_type})
    assert fetched(downloads, raw_server.url) == WAV


def test_a_wave_file_of_64_bit_sizes_is_a_recording(raw_server: RawServer, downloads: Downloads) -> None:
    raw_server.answers(b"RF64" + WAV[4:])
    assert fetched(downloads, raw_server.url) == b"RF64" + WAV[4:]


@pytest.mark.parametrize("status", [403, 404, 410, 429, 500, 502, 503, 201, 204, 206])
def test_a_status_that_may_pass_is_tried_again(
    raw_server: RawServer, downloads: Downloads, status: int
) -> None:
    raw_server.answers(WAV, status=status)
    with pytest.raises(RetryableError, match=str(status)):
        fetched(downloads, raw_server.url)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_final_and_not_followed(
    raw_server: RawServer, downloads: Downloads, status: int
) -> None:
    raw_server.answers(status=status, headers={"Location": f"{raw_server.url}/elsewhere"})
    with pytest.raises(PermanentError, match=str(status)):
        fetched(downloads, raw_server.url)
    assert len(raw_server.requests) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x",
        b"<!DOCTYPE html><html>",
        b"ID3\x04" + b"\x55" * 4092,
        b"RIFF",
        b"RIFF\0\0\0\0AVI fmt ",
        b"WAVE" * 9,
    ],
    ids=["empty", "one byte", "html", "mp3", "cut header", "avi", "no riff"],
)
def test_a_body_that_is_no_recording_is_invalid(
    raw_server: RawServer, downloads: Downloads, body: bytes
) -> None:
    raw_server.answers(body, headers={"Content-Type": "audio/x-wav"})
    with pytest.raises(InvalidBodyError):
        fetched(downloads, raw_server.url)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("html", InvalidBodyError),
        ("empty", InvalidBodyError),
        ("wrong_bytes", InvalidBodyError),
        ("expired_link", RetryableError),
        ("404", RetryableError),
        ("503", RetryableError),
        ("no_length", RetryableError),
        ("long_body", RetryableError),
        ("reset", RetryableError),
        ("reset_midway", RetryableError),
        ("short_body", RetryableError),
    ],
)
def test_each_fault_of_the_simulated_host_has_its_consequence_and_the_next_try_works(
    start_telesign: StartTelesign, downloads: Downloads, kind: str, error: type[ArchiveError]
) -> None:
    url, sha256 = link_of(provider := start_telesign())
    provider.faults.add(Fault(where="download", kind=kind, times=1))
    with pytest.raises(error) as caught:
        fetched(downloads, url)
    assert type(caught.value) is error
    assert hashlib.sha256(fetched(downloads, url)).hexdigest() == sha256


def test_a_body_of_reported_chunks_is_whole_and_its_size_is_known(
    raw_server: RawServer, downloads: Downloads
) -> None:
    body = WAV + b"\1" * 100_000
    chunks = b"".join(
        b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (body[:5], body[5:70_000], body[70_000:])
    )
    raw_server.says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
    with downloads.open(raw_server.url, seconds=60) as download:
        assert (download.size, len(download)) == (len(body), len(body))
        assert b"".join(iter(download.read, b"")) == body


def test_a_body_of_chunks_that_breaks_off_is_tried_again(raw_server: RawServer, downloads: Downloads) -> None:
    raw_server.says(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(WAV) + WAV, then="close"
    )
    with pytest.raises(RetryableError):
        fetched(downloads, raw_server.url)


def test_a_body_whose_end_is_only_the_connections_is_not_believed(
    raw_server: RawServer, downloads: Downloads
) -> None:
    raw_server.says(b"HTTP/1.1 200 OK\r\n\r\n" + WAV, then="close")
    with pytest.raises(RetryableError, match="no length"):
        fetched(downloads, raw_server.url)


def test_an_encoded_body_is_tried_again(raw_server: RawServer, downloads: Downloads) -> None:
    raw_server.answers(WAV, headers={"Content-Encoding": "gzip"})
    with pytest.raises(RetryableError, match="encoded"):
        fetched(downloads, raw_server.url)


def test_a_body_too_large_for_one_put_is_final(raw_server: RawServer, downloads: Downloads) -> None:
    raw_server.answers(WAV, headers={"Content-Length": str(module.MAX_BODY_BYTES + 1)})
    with pytest.raises(PermanentError, match=str(module.MAX_BODY_BYTES + 1)):
        fetched(downloads, raw_server.url)


@pytest.mark.parametrize("there", [0, 5, 12, 30, len(WAV) - 1])
@pytest.mark.parametrize("then", ["close", "reset"])
def test_a_body_that_ends_early_is_tried_again(
    raw_server: RawServer, downloads: Downloads, there: int, then: Any
) -> None:
    raw_server.says(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(WAV) + WAV[:there], then=then)
    with pytest.raises(RetryableError):
        fetched(downloads, raw_server.url)


def test_the_download_keeps_its_error_for_whoever_meets_another_error(
    raw_server: RawServer, downloads: Downloads
) -> None:
    raw_server.says(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + WAV, then="close")
    with downloads.open(raw_server.url, seconds=60) as download:
        with pytest.raises(RetryableError) as caught:
            b"".join(iter(download.read, b""))
        assert download.error is caught.value
        assert f"{999 - len(WAV)} bytes short of 999" in str(caught.value)


def test_a_silent_host_is_given_up(
    raw_server: RawServer, downloads: Downloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.05)
    raw_server.says(then="silence")
    with pytest.raises(RetryableError, match="TimeoutError"):
        fetched(downloads, raw_server.url)


def test_a_host_that_falls_silent_midway_is_given_up(
    raw_server: RawServer, downloads: Downloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.05)
    raw_server.says(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + WAV, then="silence")
    with pytest.raises(RetryableError, match="TimeoutError"):
        fetched(downloads, raw_server.url)


class Clock:
    """Each look at it is so many seconds after the one before."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 0.0, step

    def monotonic(self) -> float:
        self.now += self.step
        return self.now


def test_a_download_that_drips_past_its_time_is_given_up(
    raw_server: RawServer, downloads: Downloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "time", Clock(10))
    raw_server.says(
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + WAV,
        *[b"\0"] * 500,
        gap_seconds=0.01,
        then="close",
    )
    with pytest.raises(RetryableError, match="too slow"):
        fetched(downloads, raw_server.url, seconds=10_000)
    assert raw_server.pieces_sent < 500


def test_a_download_has_no_more_time_than_it_is_given(raw_server: RawServer, downloads: Downloads) -> None:
    raw_server.answers(WAV)
    with pytest.raises(RetryableError, match="too slow"):
        fetched(downloads, raw_server.url, seconds=-1)


def test_a_large_body_has_time_by_its_size(
    raw_server: RawServer, downloads: Downloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "time", clock := SimpleNamespace(now=0.0))
    clock.monotonic = lambda: clock.now
    raw_server.answers(WAV + b"\0" * 3 * module.MIN_BYTES_PER_SECOND)
    with downloads.open(raw_server.url, seconds=10_000) as download:
        clock.now = module.GRACE_SECONDS + 3
        while len(download) > 1000:
            download.read(1000)
        clock.now += 1
        with pytest.raises(RetryableError, match="too slow"):
            download.read()


def test_a_body_of_unknown_length_has_bounds_of_size(
    raw_server: RawServer, downloads: Downloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_SPOOL_BYTES", 20)
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(WAV), WAV)
    raw_server.says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
    with pytest.raises(RetryableError, match="too large"):
        fetched(downloads, raw_server.url)


# --- Reading


@pytest.mark.parametrize("most", [16 * 1024, 64 * 1024, 1024 * 1024, -1])
def test_every_read_but_the_last_is_a_chunk_that_s3_takes(
    raw_server: RawServer, downloads: Downloads, most: int
) -> None:
    body = WAV + b"\7" * 300_000
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    raw_server.says(head, *[body[at : at + 1000] for at in range(0, len(body), 1000)])
    pieces = []
    with downloads.open(raw_server.url, seconds=60) as download:
        while piece := download.read(most):
            pieces.append(piece)
    assert b"".join(pieces) == body
    assert min(len(piece) for piece in pieces[:-1]) >= MIN_CHUNK
    assert max(len(piece) for piece in pieces) <= module.PIECE


def test_the_length_is_what_is_left(raw_server: RawServer, downloads: Downloads) -> None:
    raw_server.answers(WAV)
    with downloads.open(raw_server.url, seconds=60) as download:
        assert (download.size, len(download)) == (len(WAV), len(WAV))
        assert download.read(20) == WAV[:20]
        assert (download.size, len(download)) == (len(WAV), len(WAV) - 20)
        assert download.read(0) == b""
        assert download.read() == WAV[20:]
        assert download.read() == b""


# --- Connections


def test_ten_downloads_are_ten_requests_on_one_connection(
    raw_server: RawServer, downloads: Downloads
) -> None:
    raw_server.answers(WAV)
    assert [fetched(downloads, f"{raw_server.url}/{number}") for number in range(10)] == [WAV] * 10
    assert raw_server.targets() == [b"/%d" % number for number in range(10)]
    assert raw_server.connections == 1


def test_a_stored_connection_that_went_stale_is_replaced(raw_server: RawServer, downloads: Downloads) -> None:
    raw_server.answers(WAV, then="close")
    raw_server.answers(WAV, then="reset")
    raw_server.answers(WAV)
    assert [fetched(downloads, raw_server.url) for _ in range(3)] == [WAV] * 3
    assert (raw_server.connections, len(raw_server.requests)) == (3, 3)


def test_a_connection_that_the_host_closes_is_not_stored(raw_server: RawServer, downloads: Downloads) -> None:
    raw_server.answers(WAV, headers={"Connection": "close"}, then="close")
    fetched(downloads, raw_server.url)
    assert not downloads._idle()


def test_what_is_left_of_one_answer_is_not_taken_for_the_next(
    raw_server: RawServer, downloads: Downloads
) -> None:
    raw_server.answers(WAV + b"\1" * 1000)
    with downloads.open(raw_server.url, seconds=60) as download:
        download.read(20)
    assert fetched(downloads, raw_server.url) == WAV + b"\1" * 1000
    assert raw_server.connections == 2


def test_an_error_answers_body_is_not_taken_for_the_next(raw_server: RawServer, downloads: Downloads) -> None:
    raw_server.answers(b"<Error>", status=403)
    raw_server.answers(WAV)
    with pytest.raises(RetryableError):
        fetched(downloads, raw_server.url)
    assert fetched(downloads, raw_server.url) == WAV


def test_a_fresh_connection_that_fails_is_not_tried_twice(
    raw_server: RawServer, downloads: Downloads
) -> None:
    raw_server.says(then="reset")
    with pytest.raises(RetryableError):
        fetched(downloads, raw_server.url)
    assert len(raw_server.requests) == 1


def test_a_connection_that_the_host_wants_closed_is_closed_with_its_error(
    raw_server: RawServer, downloads: Downloads
) -> None:
    raw_server.answers(b"x" * 1000, status=500, headers={"Connection": "close"}, then="silence")
    with pytest.raises(RetryableError) as caught:
        fetched(downloads, raw_server.url)
    closed = raw_server.hung_up.wait(2)
    assert caught.value  # which keeps what it passed through
    assert closed


# --- TLS


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return write_certificate(tmp_path)


@pytest.fixture
def tls_server(certificate: Certificate) -> Iterator[RawServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    plain = socket.create_server(("127.0.0.1", 0))
    with RawServer(_socket=context.wrap_socket(plain, server_side=True)) as server:
        yield server


def secure(server: RawServer) -> str:
    return server.url.replace("http://", "https://")


def test_recordings_come_over_tls(
    tls_server: RawServer, downloads: Downloads, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("certifi.where", lambda: str(certificate.bundle))
    tls_server.answers(WAV, then="close")
    assert [fetched(downloads, secure(tls_server)) for _ in range(2)] == [WAV, WAV]


def test_a_host_that_no_authority_vouches_for_is_reported_nothing(
    tls_server: RawServer, downloads: Downloads
) -> None:
    tls_server.answers(WAV)
    with pytest.raises(RetryableError, match="SSLCertVerificationError"):
        fetched(downloads, secure(tls_server))
    assert tls_server.requests == []


# --- Where links may point


@pytest.mark.parametrize(
    ("url", "host", "port", "target"),
    [
        (f"https://tlsn.io{SIGNED}", "tlsn.io", 443, SIGNED),
        (f"https://call-recording-stg.tlsn.io{SIGNED}", "call-recording-stg.tlsn.io", 443, SIGNED),
        ("https://A.TLSN.IO/x", "a.tlsn.io", 443, "/x"),
        ("https://a.tlsn.io./x", "a.tlsn.io", 443, "/x"),
        ("https://a.tlsn.io:443/x", "a.tlsn.io", 443, "/x"),
        ("https://a.tlsn.io:/x", "a.tlsn.io", 443, "/x"),
        ("HTTPS://a.tlsn.io/x", "a.tlsn.io", 443, "/x"),
        ("https://a.tlsn.io/@evil.example/x", "a.tlsn.io", 443, "/@evil.example/x"),
        ("https://a.tlsn.io", "a.tlsn.io", 443, "/"),
        ("https://a.tlsn.io?x", "a.tlsn.io", 443, "/?x"),
    ],
)
def test_a_link_to_an_allowed_host_is_taken_apart(url: str, host: str, port: int, target: str) -> None:
    assert parse_link(url, hosts=HOSTS, loopback=False) == Link(
        host=host, port=port, secure=True, target=target
    )


@pytest.mark.parametrize("loopback", [False, True])
@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "/x",
        "//tlsn.io/x",
        "https:///x",
        "https://",
        "https:tlsn.io/x",
        "http://a.tlsn.io/x",
        "ftp://a.tlsn.io/x",
        "file:///etc/passwd",
        "javascript://tlsn.io/x",
        "https://eviltlsn.io/x",
        "https://tlsn.io.evil.example/x",
        "https://evil.example/tlsn.io",
        "https://evil.example?.tlsn.io",
        "https://evil.example#.tlsn.io",
        "https://user@a.tlsn.io/x",
        "https://user:word@a.tlsn.io/x",
        "https://a.tlsn.io@evil.example/x",
        "https://a.tlsn.io:80/x",
        "https://a.tlsn.io:8443/x",
        "https://a.tlsn.io:99999/x",
        "https://a.tlsn.io:x/x",
        "https://93.184.216.34/x",
        "https://[2606:4700::1111]/x",
        "https://[::1/x",
        "https://10.0.0.1/x",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:127.0.0.1]/x",
        "https://2130706433/x",
        "https://0x7f.1/x",
        "https://localhost.evil.example/x",
        "https://evil.example\\.tlsn.io/x",
        "https://a.tlsn.io\\@evil.example/x",
        "https://evil.example/\\.tlsn.io",
        "https://a.tlsn.io/a b",
        " https://a.tlsn.io/x",
        "https://a.tlsn.io/x\r\nHost: evil",
        "https://a.tlsn.io/x\n",
        "https://a.tlsn.io/\t",
        "https://a.tlsn.io/\0",
        "https://a.tlsn.io/é",
        "https://a.tlsn。io/x",
        "https://a.tlsn.io/" + "x" * 9000,
        "https://tlsn.io%2eevil.example/x",
        "https://*.tlsn.io.example/x",
        "https://.../x",
    ],
)
def test_any_other_link_is_final_and_its_error_reports_no_url(url: str, loopback: bool) -> None:  # noqa: FBT001
    with pytest.raises(PermanentError) as caught:
        parse_link(url, hosts=HOSTS, loopback=loopback)
    assert "://" not in str(caught.value)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("http://127.0.0.1:8080/x", "127.0.0.1", 8080),
        ("http://localhost/x", "localhost", 80),
        ("https://localhost:8443/x", "localhost", 8443),
        ("http://[::1]:9/x", "::1", 9),
        ("http://127.1.2.3/x", "127.1.2.3", 80),
    ],
)
def test_a_link_to_this_machine_is_good_where_the_provider_is_on_it_and_nowhere_else(
    url: str, host: str, port: int
) -> None:
    link = parse_link(url, hosts=HOSTS, loopback=True)
    assert (link.host, link.port) == (host, port)
    with pytest.raises(PermanentError):
        parse_link(url, hosts=HOSTS | {host}, loopback=False)


@pytest.mark.parametrize(
    "url", ["https://a..tlsn.io/x", f"https://{'a' * 64}.tlsn.io/x", "https://.tlsn.io/x"]
)
def test_a_host_that_no_name_can_be_is_an_error_of_ours(downloads: Downloads, url: str) -> None:
    with pytest.raises(ArchiveError):
        fetched(downloads, url)


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://127.0.0.1:1", True),
        ("http://localhost", True),
        ("http://[::1]:1", True),
        ("https://rest-ww.telesign.com", False),
        ("https://127.0.0.1.example", False),
        ("", False),
    ],
)
def test_a_provider_on_this_machine_is_known_by_its_url(url: str, loopback: bool) -> None:  # noqa: FBT001
    assert is_loopback_url(url) is loopback


PRIVATE = [
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "127.0.0.1",
    "0.0.0.0",  # noqa: S104 - nothing listens: an address that must be refused
    "169.254.169.254",
    "169.254.170.2",
    "224.0.0.1",
    "239.255.255.250",
    "255.255.255.255",
    "192.0.2.1",
    "198.18.0.1",
    "::",
    "::1",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "ff0e::1",
    "2001:db8::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_public_is_refused_beside_any_other(address: str) -> None:
    with pytest.raises(PermanentError, match="private"):
        check_addresses("a.tlsn.io", ["13.32.0.1", address], loopback=False)


@pytest.mark.parametrize("address", ["64:ff9b::a00:1", "64:ff9b::7f00:1", "2002:a00:1::1", "2002:7f00:1::"])
def test_a_private_address_inside_a_translated_one_is_refused(address: str) -> None:
    with pytest.raises(PermanentError, match="private"):
        check_addresses("a.tlsn.io", [address], loopback=False)


@pytest.mark.parametrize("address", ["13.32.0.1", "2600:9000::1", "::ffff:13.32.0.1"])
def test_a_public_address_is_good(address: str) -> None:
    check_addresses("a.tlsn.io", [address], loopback=False)


def test_loopback_is_good_only_for_a_host_that_says_so_itself() -> None:
    check_addresses("localhost", ["127.0.0.1", "::1"], loopback=True)
    for host, loopback in (("a.tlsn.io", True), ("localhost", False)):
        with pytest.raises(PermanentError):
            check_addresses(host, ["127.0.0.1"], loopback=loopback)
    with pytest.raises(PermanentError):
        check_addresses("localhost", ["10.0.0.1"], loopback=True)


def resolving(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[Any]:
    """Lets every name have these addresses; the addresses that are connected to, none of which answers."""
    connected: list[Any] = []

    def found(_host: str, port: int, **_kind: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    def connect(address: tuple[str, int], *_rest: object, **_more: object) -> socket.socket:
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", found)
    monkeypatch.setattr(socket, "create_connection", connect)
    return connected


def test_a_name_that_turns_into_a_private_address_is_never_connected_to(
    downloads: Downloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected = resolving(monkeypatch, "13.32.0.1", "169.254.169.254")
    with pytest.raises(PermanentError, match="private"):
        fetched(downloads, f"https://a.tlsn.io{SIGNED}")
    assert connected == []


def test_only_the_addresses_that_were_checked_are_connected_to(
    downloads: Downloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected = resolving(monkeypatch, "13.32.0.1", "13.32.0.2")
    with pytest.raises(RetryableError, match="cannot be reached"):
        fetched(downloads, f"https://a.tlsn.io{SIGNED}")
    assert connected == [("13.32.0.1", 443), ("13.32.0.2", 443)]


def test_no_error_reports_a_link(raw_server: RawServer, downloads: Downloads) -> None:
    for status in (403, 404, 302, 500):
        raw_server.answers(status=status, headers={"Location": "https://evil.example/secret"})
    raw_server.answers(b"<html>")
    raw_server.says(then="reset")
    texts = []
    for _ in range(6):
        with pytest.raises(ArchiveError) as caught:
            fetched(downloads, raw_server.url + SIGNED)
        texts.append(f"{caught.value!r} {caught.value.__cause__!r}")
    assert not [
        text for text in texts for part in ("Signature", "Expires", "evil", "127.0.0.1") if part in text
    ]
