"""What must not leak, whom the functions believe, and how long they wait for those they speak to."""

from __future__ import annotations

import dataclasses
import datetime as dt
import importlib
import json
import pkgutil
import socket
import ssl
from contextlib import ExitStack
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from aws_lambda_powertools.utilities.parameters import SecretsProvider, base

import call_archive
from call_archive import fetcher
from call_archive.errors import PermanentError, RetryableError
from call_archive.model.window import Window
from call_archive.provider import client, download
from call_archive.provider.client import Telesign
from call_archive.provider.credentials import Credentials, read_credentials
from call_archive.provider.download import Downloads
from infra.local.embedded_aws.certificate import Certificate, write_certificate
from tests.raw_server import RawServer
from tests.unit.test_entries import CACHED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from call_archive.visit_call import VisitDeps

WAV = b"RIFF\x24\0\0\0WAVEfmt " + b"\0" * 28
WINDOW = Window(
    start=dt.datetime(2026, 3, 1, tzinfo=dt.UTC), end=dt.datetime(2026, 3, 1, 0, 59, 59, tzinfo=dt.UTC)
)
EMPTY_PAGE = b'{"call_recordings": [], "token": null}'

# --- Whom the functions believe


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Certificate:
    """Good for localhost and 127.0.0.1, and trusted by both clients."""
    written = write_certificate(tmp_path)
    monkeypatch.setattr("certifi.where", lambda: str(written.bundle))
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(written.bundle))
    return written


@pytest.fixture
def tls_server(request: pytest.FixtureRequest, certificate: Certificate) -> Iterator[tuple[RawServer, str]]:
    """A server at the loopback address that the test names, and its url."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    listening = socket.create_server((request.param, 0))
    url = f"https://{request.param}:{listening.getsockname()[1]}"
    with RawServer(_socket=context.wrap_socket(listening, server_side=True)) as server:
        yield server, url


def downloaded(url: str) -> bytes:
    with Downloads(hosts=frozenset(), loopback=True).open(url, seconds=60) as body:
        return b"".join(iter(body.read, b""))


def a_client(url: str) -> Telesign:
    credentials = Credentials(customer_id="customer", api_key="key")
    return Telesign(url, credentials=lambda _renew: credentials, requests_per_second=1e6)


ASKED: dict[str, tuple[Callable[[str], object], bytes, object]] = {
    "a recording": (lambda url: downloaded(f"{url}/a.wav"), WAV, WAV),
    "the API": (lambda url: a_client(url).first_page(WINDOW).rows, EMPTY_PAGE, ()),
}


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("tls_server", ["127.0.0.1"], indirect=True)
def test_a_trusted_certificate_for_the_host_is_believed(
    tls_server: tuple[RawServer, str], asked: str
) -> None:
    (ask, body, found), (server, url) = ASKED[asked], tls_server
    server.answers(body, headers={"Connection": "close"}, then="close")
    assert ask(url) == found


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("tls_server", ["127.0.0.2"], indirect=True)
def test_a_trusted_certificate_for_another_host_is_refused_before_anything_is_sent(
    tls_server: tuple[RawServer, str], asked: str
) -> None:
    (ask, body, _), (server, url) = ASKED[asked], tls_server
    server.answers(body, headers={"Connection": "close"}, then="close")
    with pytest.raises(RetryableError, match="SSL"):
        ask(url)
    assert server.requests == []


# --- Where production may connect to


@pytest.fixture
def production(
    aws: None, function_environments: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[VisitDeps]:
    """What the fetcher works with under the environment that the shipped settings give it."""
    del aws
    named = ("TABLE_NAME", "BUCKET_NAME", "FETCH_QUEUE_URL", "WINDOWS_QUEUE_URL", "SECRET_ID")
    for name, text in {**function_environments["fetcher"], **dict.fromkeys(named, "named")}.items():
        monkeypatch.setenv(name, text)
    with ExitStack() as caches:
        for cached in CACHED:
            cached.cache_clear()
            caches.callback(cached.cache_clear)
        yield fetcher.visit_deps()


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "127.0.0.1:8443", "a.localhost", "10.0.0.1", "2130706433"],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_production_settings_follow_no_link_to_this_machine(
    production: VisitDeps, scheme: str, host: str
) -> None:
    with pytest.raises(PermanentError), production.downloads.open(f"{scheme}://{host}/a.wav", seconds=60):
        pass


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "10.0.0.1", "169.254.169.254"])
def test_production_settings_refuse_an_allowed_name_that_leads_to_a_private_address(
    production: VisitDeps, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: [(0, 0, 0, "", (address, 443))])
    with (
        pytest.raises(PermanentError, match="private"),
        production.downloads.open("https://media.telesign.com/a.wav", seconds=60),
    ):
        pass


# --- Bodies without an end


class Clock:
    """Runs a second on each time that it is read."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += 1
        return self.now


ENDLESS = 3000
"""Pieces of a body that goes on and on: many more than there are seconds in any deadline."""
HEADS = {
    "in chunks": (b"Transfer-Encoding: chunked", b"1\r\n \r\n"),
    "with a length": (b"Content-Length: 100000", b" "),
    "until it closes": (b"Connection: close", b" "),
}


@pytest.mark.parametrize("head", HEADS)
def test_an_answer_of_the_api_that_never_ends_has_a_deadline(
    raw_server: RawServer, monkeypatch: pytest.MonkeyPatch, head: str
) -> None:
    monkeypatch.setattr(client, "time", Clock())
    line, piece = HEADS[head]
    raw_server.says(
        b"HTTP/1.1 200 OK\r\n" + line + b"\r\n\r\n", *[piece] * ENDLESS, gap_seconds=0.001, then="close"
    )
    with pytest.raises(RetryableError, match="too slow"):
        a_client(raw_server.url).first_page(WINDOW)
    assert raw_server.pieces_sent < ENDLESS


@pytest.mark.parametrize("head", ["in chunks", "with a length"])
def test_a_recording_that_never_ends_has_a_deadline(
    raw_server: RawServer, monkeypatch: pytest.MonkeyPatch, head: str
) -> None:
    monkeypatch.setattr(download, "time", Clock())
    line, piece = HEADS[head]
    begin = WAV if head == "with a length" else f"{len(WAV):x}\r\n".encode() + WAV + b"\r\n"
    raw_server.says(
        b"HTTP/1.1 200 OK\r\n" + line + b"\r\n\r\n" + begin,
        *[piece] * ENDLESS,
        gap_seconds=0.001,
        then="close",
    )
    with pytest.raises(RetryableError, match="too slow"):
        downloaded(f"{raw_server.url}/a.wav")
    assert raw_server.pieces_sent < ENDLESS


# --- How old a secret may be


def test_a_rotated_key_is_in_use_after_the_five_minutes_that_are_documented(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    del aws
    now = dt.datetime(2026, 3, 1, 12, 0)
    clock = SimpleNamespace(now=lambda: now)
    monkeypatch.setattr(base, "datetime", clock)
    secrets = boto3.client("secretsmanager")
    secrets.create_secret(Name="secret", SecretString=json.dumps({"customer_id": "c", "api_key": "old"}))
    provider = SecretsProvider(boto3_client=secrets)
    assert read_credentials(provider, "secret", renew=False).api_key == "old"
    secrets.put_secret_value(
        SecretId="secret", SecretString=json.dumps({"customer_id": "c", "api_key": "new"})
    )
    now += timedelta(minutes=5)
    assert read_credentials(provider, "secret", renew=False).api_key == "old"
    now += timedelta(seconds=1)
    assert read_credentials(provider, "secret", renew=False).api_key == "new"


# --- What a repr shows

SECRET = {"api_key", "token", "url", "target", "transcribe", "body"}
"""Fields that hold a credential, a page's token, a signed link (`target` is its path and query) or what was said."""
SHOWN = {
    *(
        "archive_from",
        "archived_at",
        "attempts",
        "available_at",
        "bucket",
        "bucket_name",
        "client",
        "customer_id",
    ),
    *("delay_seconds", "downloads", "due_at", "emit", "end", "fetch_queue", "fetch_queue_target"),
    *(
        "fetch_queue_url",
        "file_name",
        "files",
        "first_seen_at",
        "gauge",
        "hop",
        "host",
        "invalid_bodies",
        "key",
    ),
    *(
        "last_error",
        "lease",
        "ledger",
        "missing_since",
        "name",
        "next_visit_at",
        "now",
        "opened_at",
        "overlap",
    ),
    *("policy", "port", "provider", "provider_url", "queue", "random", "reason", "recheck", "recorded_at"),
    *("recording", "recording_hosts", "recordings", "reference_id", "refused", "requests_per_second"),
    *(
        "retry_after",
        "retry_deadline",
        "rows",
        "secret_id",
        "secure",
        "sha256",
        "size",
        "sleep",
        "start",
        "status",
    ),
    *("stored", "table", "table_name", "transcript", "transcript_deadline", "transcript_failures"),
    *(
        "transcript_grace",
        "transcripts",
        "unchanged_visits",
        "unnamed",
        "unreadable",
        "version",
        "version_id",
    ),
    *("visits", "window", "windows_queue", "windows_queue_url", "error"),
}
"""Fields that hold none of these. A field that is new belongs in one of the two."""


def dataclasses_of_the_functions() -> list[Any]:
    names = [each.name for each in pkgutil.walk_packages(call_archive.__path__, "call_archive.")]
    found = {
        each
        for name in names
        for each in vars(importlib.import_module(name)).values()
        if isinstance(each, type)
        and dataclasses.is_dataclass(each)
        and each.__module__.startswith("call_archive")
    }
    return sorted(found, key=lambda each: each.__qualname__)


@pytest.mark.parametrize("kind", dataclasses_of_the_functions(), ids=lambda kind: kind.__qualname__)
def test_no_repr_shows_a_link_a_credential_or_what_was_said(kind: Any) -> None:
    instance = object.__new__(kind)
    for field in dataclasses.fields(kind):
        object.__setattr__(instance, field.name, f"canary-{field.name}")
        assert field.name in SECRET | SHOWN, f"say whether {kind.__qualname__}.{field.name} may be shown"
    shown = f"{instance!r} {instance}"
    queue_address = kind.__module__.endswith("queues")  # a queue's url is a name and no link
    assert not [
        name for name in SECRET if f"canary-{name}" in shown and not (queue_address and name == "url")
    ]
