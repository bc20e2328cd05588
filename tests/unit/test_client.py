"""The provider's client, against the simulated provider and against a server that says anything."""

from __future__ import annotations

import base64
import gzip
import io
import json
import time
import zlib
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from call_archive import telemetry
from call_archive.errors import ArchiveError, RefusedError, RetryableError, StaleTokenError, UnknownCallError
from call_archive.model.window import Window
from call_archive.provider import client as telesign
from call_archive.provider.budget import MAX_PATIENCE_SECONDS, Budget
from call_archive.provider.client import Telesign
from call_archive.provider.credentials import Credentials
from call_archive.provider.parse import Page
from infra.simulator import Fault
from tests.debugging import logged_at_debug

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from infra.simulator import SimulatedTelesign
    from tests.raw_server import RawServer
    from tests.unit.conftest import StartTelesign

    Connect = Callable[..., Telesign]

WINDOW = Window(start=datetime(2026, 2, 28, tzinfo=UTC), end=datetime(2026, 3, 2, tzinfo=UTC))
SECRET_KEY = "sEcReT/+key=="
SECRET_TOKEN = "gAAAA-t0ken_that_is=="


@pytest.fixture
def connect() -> Iterator[Connect]:
    clients = []

    def connect(url: str, *, customer_id: str = "customer", api_key: str = SECRET_KEY) -> Telesign:
        credentials = Credentials(customer_id=customer_id, api_key=api_key)
        client = Telesign(url, credentials=lambda _renew: credentials, requests_per_second=1e6)
        clients.append(client)
        return client

    yield connect
    for client in clients:
        client._session().close()


@pytest.fixture
def connect_to(connect: Connect) -> Callable[[SimulatedTelesign], Telesign]:
    def to(provider: SimulatedTelesign) -> Telesign:
        options = provider.options
        return connect(provider.api_url, customer_id=options.customer_id, api_key=options.api_key)

    return to


def all_pages(client: Telesign) -> list[Page]:
    pages = [client.first_page(WINDOW)]
    while pages[-1].token is not None:
        pages.append(client.next_page(pages[-1].token))
    return pages


def document(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def ask(client: Telesign, question: str) -> object:
    """One of the three requests that the client makes, by name."""
    match question:
        case "first page":
            return client.first_page(WINDOW)
        case "next page":
            return client.next_page(SECRET_TOKEN)
        case _:
            return client.call("CALL")


QUESTIONS = ("first page", "next page", "call")


# --- Listing


def test_the_pages_of_a_window_hold_every_recording_once(
    start_telesign: StartTelesign, connect_to: Callable[[SimulatedTelesign], Telesign]
) -> None:
    provider = start_telesign(calls=230)
    pages = all_pages(connect_to(provider))
    listed = [(row.reference_id, row.recorded_at) for page in pages for row in page.rows]
    assert sorted(listed) == sorted(
        (file.reference_id, file.created_at) for call in provider.truth() for file in call.files
    )
    assert [len(page.rows) for page in pages[:-1]] == [100] * (len(pages) - 1)
    assert len(pages) > 2


def test_a_token_travels_alone(
    start_telesign: StartTelesign, connect_to: Callable[[SimulatedTelesign], Telesign]
) -> None:
    provider = start_telesign(calls=120)
    all_pages(connect_to(provider))
    assert [request.query_keys for request in provider.requests] == [
        ("start_date_time", "end_date_time", "pagesize"),
        ("token",),
    ]


def test_a_row_in_progress_has_no_file_name_and_no_link(
    start_telesign: StartTelesign, connect_to: Callable[[SimulatedTelesign], Telesign]
) -> None:
    rows = [row for page in all_pages(connect_to(start_telesign())) for row in page.rows]
    in_progress = [row for row in rows if row.status == "recording"]
    assert in_progress
    assert {(row.file_name, row.url) for row in in_progress} == {(None, None)}


def test_a_window_that_the_provider_knows_nothing_of_is_an_empty_page(
    start_telesign: StartTelesign, connect_to: Callable[[SimulatedTelesign], Telesign]
) -> None:
    client = connect_to(start_telesign(calls=0, empty_is_404=True))
    assert client.first_page(WINDOW) == Page(rows=(), token=None, unreadable=0)


def test_a_window_that_the_provider_calls_a_bad_request_is_refused(
    raw_server: RawServer, connect: Connect
) -> None:
    raw_server.answers(status=400)
    with pytest.raises(RefusedError, match="400"):
        connect(raw_server.url).first_page(WINDOW)


@pytest.mark.parametrize("status", [400, 404])
def test_a_token_that_is_no_longer_accepted_is_stale(
    raw_server: RawServer, connect: Connect, status: int
) -> None:
    raw_server.answers(b"<html>", status=status)
    with pytest.raises(StaleTokenError, match=str(status)):
        connect(raw_server.url).next_page(SECRET_TOKEN)


def test_an_expired_token_is_stale(
    start_telesign: StartTelesign, connect_to: Callable[[SimulatedTelesign], Telesign]
) -> None:
    provider = start_telesign(calls=120)
    provider.faults.add(Fault(where="list", kind="expired_token"))
    with pytest.raises(StaleTokenError):
        all_pages(connect_to(provider))


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        (document(call_recordings=[{"reference_id": "A"}, {"reference_id": "B"}]), ["A", "B"]),
        (document(call_recordings={"reference_id": "A"}), ["A"]),
        (document(call_recordings=None), []),
        (document(call_recordings=[]), []),
        (document(call_recordings={}), []),
        (document(), []),
    ],
)
def test_recordings_come_as_a_list_as_one_object_as_null_or_not_at_all(
    raw_server: RawServer, connect: Connect, body: bytes, rows: list[str]
) -> None:
    raw_server.answers(body)
    page = connect(raw_server.url).first_page(WINDOW)
    assert ([row.reference_id for row in page.rows], page.unreadable) == (rows, 0)


def test_one_row_typed_as_an_object_is_read_from_the_simulated_provider(
    start_telesign: StartTelesign, connect_to: Callable[[SimulatedTelesign], Telesign]
) -> None:
    provider = start_telesign(calls=1, single_row_as_object=True)
    assert len(connect_to(provider).first_page(WINDOW).rows) == 1


@pytest.mark.parametrize("token", [None, "", 7, [], {"token": "x"}, False])
def test_a_token_that_is_no_text_ends_the_list(
    raw_server: RawServer, connect: Connect, token: object
) -> None:
    raw_server.answers(document(call_recordings=[{"reference_id": "A"}], token=token))
    assert connect(raw_server.url).first_page(WINDOW).token is None


def test_an_empty_page_with_a_live_token_goes_on(raw_server: RawServer, connect: Connect) -> None:
    raw_server.answers(document(call_recordings=[], token=SECRET_TOKEN))
    assert connect(raw_server.url).first_page(WINDOW).token == SECRET_TOKEN


@pytest.mark.parametrize(
    "entry", [None, 7, "A", [], {}, {"reference_id": ""}, {"reference_id": 5}, {"reference_id": "x" * 5000}]
)
def test_a_row_that_names_no_call_is_counted_and_spares_its_neighbours(
    raw_server: RawServer, connect: Connect, entry: object
) -> None:
    raw_server.answers(document(call_recordings=[entry, {"reference_id": "A"}]))
    page = connect(raw_server.url).first_page(WINDOW)
    assert ([row.reference_id for row in page.rows], page.unreadable) == (["A"], 1)


def test_a_reference_id_too_long_for_a_message_is_an_unreadable_row(
    raw_server: RawServer, connect: Connect
) -> None:
    raw_server.answers(document(call_recordings=[{"reference_id": "x" * 1025}]))
    page = connect(raw_server.url).first_page(WINDOW)
    assert (page.rows, page.unreadable) == ((), 1)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-02-28T10:00:00", datetime(2026, 2, 28, 10, tzinfo=UTC)),
        (" 2026-02-28T10:00:00 ", datetime(2026, 2, 28, 10, tzinfo=UTC)),
        ("2026-02-28T10:00:00Z", datetime(2026, 2, 28, 10, tzinfo=UTC)),
        ("2026-02-28T10:00:00+02:00", datetime(2026, 2, 28, 8, tzinfo=UTC)),
        ("2026-02-28T10:00:00.999", datetime(2026, 2, 28, 10, tzinfo=UTC)),
        ("yesterday", None),
        ("", None),
        (None, None),
        (1.5, None),
        ({}, None),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-14:00", None),
        ("0001-01-01T00:00:00", None),
        ("1999-12-31T23:59:59", None),
        ("2101-01-01T00:00:00", None),
    ],
)
def test_a_date_is_utc_to_the_second_or_no_date(
    raw_server: RawServer, connect: Connect, text: object, moment: datetime | None
) -> None:
    raw_server.answers(document(call_recordings=[{"reference_id": "A", "date": text}]))
    (row,) = connect(raw_server.url).first_page(WINDOW).rows
    assert row.recorded_at == moment


def test_half_a_surrogate_pair_in_a_name_becomes_text_that_the_ledger_can_hold(
    raw_server: RawServer, connect: Connect
) -> None:
    raw_server.answers(b'{"call_recordings": [{"reference_id": "A", "file_name": "\\ud800.wav"}]}')
    (row,) = connect(raw_server.url).first_page(WINDOW).rows
    assert row.file_name == "\\ud800.wav"


# --- One call


def test_a_call_is_all_of_its_files_with_links(
    start_telesign: StartTelesign, connect_to: Callable[[SimulatedTelesign], Telesign]
) -> None:
    provider = start_telesign()
    call = next(call for call in provider.truth() if len(call.files) > 1)
    rows = connect_to(provider).call(call.reference_id)
    assert len(rows) == len(call.files)
    assert {bool(row.url) for row in rows if row.status == "available"} == {True}


def test_an_unknown_call_is_said_to_be_unknown(
    start_telesign: StartTelesign, connect_to: Callable[[SimulatedTelesign], Telesign]
) -> None:
    with pytest.raises(UnknownCallError):
        connect_to(start_telesign(calls=0)).call("NOBODY")


def test_a_hostile_reference_id_stays_one_segment_of_the_path(
    raw_server: RawServer, connect: Connect
) -> None:
    raw_server.answers(b"[]")
    connect(raw_server.url).call("../a b?c#d/é%2f")
    assert raw_server.targets() == [b"/v2/call_recording/..%2Fa%20b%3Fc%23d%2F%C3%A9%252f"]


@pytest.mark.parametrize("reference_id", [".", ".."])
def test_a_reference_id_that_would_be_another_path_is_never_asked_for(
    raw_server: RawServer, connect: Connect, reference_id: str
) -> None:
    with pytest.raises(UnknownCallError):
        connect(raw_server.url).call(reference_id)
    assert raw_server.requests == []


def test_a_call_that_is_a_bad_request_is_asked_for_again(raw_server: RawServer, connect: Connect) -> None:
    raw_server.answers(status=400)
    with pytest.raises(RetryableError, match="400"):
        connect(raw_server.url).call("CALL")


def test_asked_by_id_rows_that_name_another_call_are_left_out(
    raw_server: RawServer, connect: Connect
) -> None:
    entries = [{"reference_id": "OTHER", "file_name": "a.wav"}, {"file_name": "b.wav"}, 7, None]
    raw_server.answers(json.dumps(entries).encode())
    rows = connect(raw_server.url).call("CALL")
    assert [(row.reference_id, row.file_name) for row in rows] == [("CALL", "b.wav")]


def test_an_id_written_as_a_dashed_uuid_is_the_same_call(raw_server: RawServer, connect: Connect) -> None:
    raw_server.answers(json.dumps([{"reference_id": "aabbccdd-0011-2233-4455-66778899aabb"}]).encode())
    rows = connect(raw_server.url).call("AABBCCDD00112233445566778899AABB")
    assert [row.reference_id for row in rows] == ["AABBCCDD00112233445566778899AABB"]


def test_a_call_may_come_as_one_object(raw_server: RawServer, connect: Connect) -> None:
    raw_server.answers(document(file_name="a.wav", status="available"))
    (row,) = connect(raw_server.url).call("CALL")
    assert (row.file_name, row.status) == ("a.wav", "available")


@pytest.mark.parametrize("transcribe", ["text", [], 7])
def test_a_transcript_of_no_known_form_is_there_but_not_finished(
    raw_server: RawServer, connect: Connect, transcribe: object
) -> None:
    raw_server.answers(json.dumps([{"file_name": "a.wav", "transcribe": transcribe}]).encode())
    (row,) = connect(raw_server.url).call("CALL")
    assert row.transcribe is not None
    assert row.transcribe["transcription"]


# --- Answers that are none


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b'{"call_recordings": [',
        b"\xff\xfe\x00",
        b"7",
        b'"text"',
        b"[" * 100_000,
        b'{"call_recordings":' * 50_000,
        b"9" * 5000,
    ],
    ids=["empty", "html", "cut", "bytes", "number", "text", "deep lists", "deep objects", "long number"],
)
def test_an_answer_that_cannot_be_read_is_asked_for_again(
    raw_server: RawServer, connect: Connect, question: str, body: bytes
) -> None:
    raw_server.answers(body)
    with pytest.raises(RetryableError):
        ask(connect(raw_server.url), question)


@pytest.mark.parametrize("body", [b"[]", b"null", b'{"call_recordings": "text"}', b'{"call_recordings": 7}'])
def test_a_page_that_is_none_is_asked_for_again(raw_server: RawServer, connect: Connect, body: bytes) -> None:
    raw_server.answers(body)
    with pytest.raises(RetryableError):
        connect(raw_server.url).first_page(WINDOW)


def test_not_a_number_spoils_at_most_its_own_answer(raw_server: RawServer, connect: Connect) -> None:
    raw_server.answers(b'{"call_recordings": [{"reference_id": "A", "date": NaN, "status": Infinity}]}')
    try:
        page = connect(raw_server.url).first_page(WINDOW)
    except RetryableError:
        return
    assert [(row.reference_id, row.recorded_at) for row in page.rows] == [("A", None)]


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_huge_answer_is_given_up_before_it_is_read(
    raw_server: RawServer, connect: Connect, monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    monkeypatch.setattr(telesign, "MAX_ANSWER_BYTES", 100_000)
    raw_server.says(
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n" + b" " * 300_000, then="silence"
    )
    with pytest.raises(RetryableError, match="too large"):
        ask(connect(raw_server.url), question)


def test_an_answer_that_drips_is_given_up_before_its_end(
    raw_server: RawServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telesign, "MAX_ANSWER_SECONDS", 0.1)
    drops = [b" "] * 300
    raw_server.says(b"HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n", *drops, gap_seconds=0.01, then="close")
    with pytest.raises(RetryableError, match="too slow"):
        connect(raw_server.url).first_page(WINDOW)
    assert raw_server.pieces_sent < len(drops)


# --- Trouble


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 204, 301, 302, 307, 308, 418])
def test_any_other_status_is_tried_again(
    raw_server: RawServer, connect: Connect, question: str, status: int
) -> None:
    raw_server.answers(status=status, headers={"Location": "/elsewhere"})
    with pytest.raises(RetryableError, match=str(status)) as caught:
        ask(connect(raw_server.url), question)
    assert not isinstance(caught.value, (RefusedError, StaleTokenError))


def test_a_redirect_is_not_followed(raw_server: RawServer, connect: Connect) -> None:
    raw_server.answers(status=302, headers={"Location": f"{raw_server.url}/elsewhere"})
    with pytest.raises(RetryableError):
        connect(raw_server.url).first_page(WINDOW)
    assert len(raw_server.requests) == 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        ("0.5", 0.5),
        ("0", 0),
        ("-5", 0),
        ("soon", 0),
        ("nan", 0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured_where_it_is_a_number(
    raw_server: RawServer, connect: Connect, status: int, header: str, seconds: float
) -> None:
    raw_server.answers(status=status, headers={"Retry-After": header})
    with pytest.raises(RetryableError) as caught:
        connect(raw_server.url).call("CALL")
    assert caught.value.retry_after_seconds == seconds


@pytest.mark.parametrize("header", ["99999999", "inf", "1e400", "Sun, 06 Nov 2095 08:49:37 GMT"])
def test_retry_after_is_bounded(raw_server: RawServer, connect: Connect, header: str) -> None:
    raw_server.answers(status=503, headers={"Retry-After": header})
    with pytest.raises(RetryableError) as caught:
        connect(raw_server.url).call("CALL")
    assert 0 < caught.value.retry_after_seconds <= telesign.MAX_RETRY_AFTER_SECONDS


def test_too_many_requests_hold_the_next_one_back(raw_server: RawServer, connect: Connect) -> None:
    raw_server.answers(status=429, headers={"Retry-After": "3000"})
    client = connect(raw_server.url)
    with pytest.raises(RetryableError, match="429"):
        client.call("CALL")
    slept: list[float] = []
    client._budget._sleep = slept.append
    try:
        client.call("CALL")
    except RetryableError as error:
        held_back = sum(slept) + ("pause" in str(error)) * error.retry_after_seconds
    assert held_back > 1


@pytest.mark.parametrize("kind", ["reset", "reset_midway", "short_body"])
@pytest.mark.parametrize("where", ["list", "call"])
def test_a_connection_that_breaks_is_tried_again(
    start_telesign: StartTelesign,
    connect_to: Callable[[SimulatedTelesign], Telesign],
    kind: str,
    where: Any,
) -> None:
    provider = start_telesign()
    provider.faults.add(Fault(where=where, kind=kind))
    client = connect_to(provider)
    reference_id = provider.truth()[0].reference_id
    ask = partial(client.first_page, WINDOW) if where == "list" else partial(client.call, reference_id)
    with pytest.raises(RetryableError):
        ask()


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_silent_provider_is_given_up(
    raw_server: RawServer, connect: Connect, monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    monkeypatch.setattr(telesign, "TIMEOUTS_SECONDS", (5, 0.05))
    raw_server.says(then="silence")
    with pytest.raises(RetryableError, match="cannot be reached"):
        ask(connect(raw_server.url), question)


def test_a_provider_that_is_not_there_is_tried_again(
    start_telesign: StartTelesign, connect_to: Callable[[SimulatedTelesign], Telesign]
) -> None:
    provider = start_telesign()
    client = connect_to(provider)
    provider.stop()
    with pytest.raises(RetryableError, match="cannot be reached"):
        client.first_page(WINDOW)
    provider.start()
    assert client.first_page(WINDOW).rows


# --- Credentials


def test_refused_credentials_are_read_anew_once(start_telesign: StartTelesign, connect: Connect) -> None:
    options = (provider := start_telesign(calls=1)).options
    asked: list[bool] = []

    def credentials(renew: bool) -> Credentials:  # noqa: FBT001 - the client's own form
        asked.append(renew)
        return Credentials(
            customer_id=options.customer_id, api_key=options.api_key if renew else "the old key"
        )

    client = connect(provider.api_url)
    client._credentials = credentials
    assert client.first_page(WINDOW).rows
    assert asked == [False, True]


@pytest.mark.parametrize("status", [401, 403])
def test_credentials_that_stay_refused_are_an_operators_matter(
    raw_server: RawServer, connect: Connect, status: int
) -> None:
    raw_server.answers(status=status)
    with pytest.raises(RefusedError, match="secret"):
        connect(raw_server.url).first_page(WINDOW)
    assert len(raw_server.requests) == {401: 2, 403: 1}[status]


@pytest.mark.parametrize("api_key", ["a/b+c==", "schlüssel", "ключ-鍵-🔑", "with:colon"])
def test_any_key_is_sent_as_basic_credentials_in_utf_8(
    raw_server: RawServer, connect: Connect, api_key: str
) -> None:
    raw_server.answers(document())
    connect(raw_server.url, customer_id="Kündin", api_key=api_key).first_page(WINDOW)
    expected = base64.b64encode(f"Kündin:{api_key}".encode())
    assert b"Authorization: Basic " + expected in raw_server.requests[0].split(b"\r\n")


def test_the_documented_headers_are_sent(raw_server: RawServer, connect: Connect) -> None:
    raw_server.answers(document())
    connect(raw_server.url).first_page(WINDOW)
    assert b"Content-Type: application/json" in raw_server.requests[0].split(b"\r\n")
    assert raw_server.targets() == [
        b"/v2/call_recording?start_date_time=2026-02-28T00%3A00%3A00&end_date_time=2026-03-02T00%3A00%3A00&pagesize=100"
    ]


def test_the_environments_proxies_and_netrc_have_no_say(
    raw_server: RawServer, connect: Connect, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    raw_server.answers(document())
    connect(raw_server.url).first_page(WINDOW)
    assert base64.b64encode(f"customer:{SECRET_KEY}".encode()) in raw_server.requests[0]


def test_no_error_reports_a_url_a_token_or_a_credential(
    raw_server: RawServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telesign, "TIMEOUTS_SECONDS", (5, 0.05))
    for status in (400, 401, 403, 404, 429, 500):
        raw_server.answers(b"no such url", status=status)
    raw_server.answers(b"no JSON")
    raw_server.says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", then="close")
    raw_server.says(then="reset")
    raw_server.says(then="silence")
    client = connect(raw_server.url)
    texts = []
    for _ in range(12):
        client._budget = Budget(1e6)
        with pytest.raises(ArchiveError) as caught:
            client.next_page(SECRET_TOKEN)
        texts.append(f"{caught.value!r} {caught.value.__cause__!r}")
        assert caught.value.__suppress_context__ or caught.value.__context__ is None
    encoded = base64.b64encode(f"customer:{SECRET_KEY}".encode()).decode()
    for secret in (SECRET_TOKEN, SECRET_KEY, encoded, "127.0.0.1", "token="):
        assert not [text for text in texts if secret in text]


def test_no_library_logs_a_token_because_of_an_odd_header(raw_server: RawServer, connect: Connect) -> None:
    raw_server.says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nno header\r\nServer: x\r\n\r\n{}")
    log = io.StringIO()
    telemetry.limit_library_logs()
    with logged_at_debug(log):
        connect(raw_server.url).next_page(SECRET_TOKEN)
    assert SECRET_TOKEN.rstrip("=") not in log.getvalue()


def test_credentials_links_and_tokens_are_not_in_what_prints(raw_server: RawServer, connect: Connect) -> None:
    raw_server.answers(
        document(call_recordings=[{"reference_id": "A", "url": "https://link"}], token=SECRET_TOKEN)
    )
    page = connect(raw_server.url).first_page(WINDOW)
    printed = repr(page) + repr(Credentials(customer_id="customer", api_key=SECRET_KEY))
    assert not [secret for secret in (SECRET_TOKEN, SECRET_KEY, "https://link") if secret in printed]


# --- The budget


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def test_requests_are_spaced_by_the_budget() -> None:
    clock = Clock()
    budget = Budget(4, now=clock, sleep=clock.sleep)
    for _ in range(4):
        budget.wait()
    assert clock.slept == [0, 0.25, 0.25, 0.25]


def test_unused_time_does_not_add_up_to_a_burst() -> None:
    clock = Clock()
    budget = Budget(4, now=clock, sleep=clock.sleep)
    budget.wait()
    clock.now += 3600
    for _ in range(3):
        budget.wait()
    assert clock.slept == [0, 0, 0.25, 0.25]


def test_a_pause_holds_every_request_back() -> None:
    clock = Clock()
    budget = Budget(4, now=clock, sleep=clock.sleep)
    budget.pause(30)
    budget.wait()
    budget.wait()
    assert clock.slept == [30, 0.25]


def test_a_shorter_pause_does_not_end_a_longer_one() -> None:
    clock = Clock()
    budget = Budget(4, now=clock, sleep=clock.sleep)
    budget.pause(30)
    budget.pause(1)
    budget.wait()
    assert clock.slept == [30]


def test_a_turn_that_is_too_far_off_is_planned_anew_and_costs_no_turn() -> None:
    clock = Clock()
    budget = Budget(1, now=clock, sleep=lambda _seconds: None)
    refused: list[float] = []
    for _ in range(70):
        try:
            budget.wait()
        except RetryableError as error:
            refused.append(error.retry_after_seconds)
    assert min(refused) >= MAX_PATIENCE_SECONDS
    assert len(refused) == 70 - MAX_PATIENCE_SECONDS - 1


def test_a_shared_pause_lasts_a_minute_at_most(raw_server: RawServer, connect: Connect) -> None:
    raw_server.answers(status=429, headers={"Retry-After": "3000"})
    client = connect(raw_server.url)
    with pytest.raises(RetryableError) as caught:
        client.call("CALL")
    slept: list[float] = []
    client._budget._sleep = slept.append
    client._budget.wait()
    assert caught.value.retry_after_seconds == 3000
    assert 1 < slept[0] <= 60


def test_the_budget_is_stored_by_threads_together() -> None:
    """The real clock: ten requests at 100 a second cannot be over in less than 90 ms."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    budget = Budget(100)
    began = time.monotonic()
    with ThreadPoolExecutor(10) as pool:
        for done in [pool.submit(budget.wait) for _ in range(10)]:
            done.result()
    assert timedelta(seconds=time.monotonic() - began) >= timedelta(milliseconds=90)


# --- Bodies in pieces


@pytest.mark.parametrize("length", ["told", "chunked", "closed"])
@pytest.mark.parametrize("piece", [1, 7, 1000])
@pytest.mark.parametrize("encoding", ["identity", "gzip", "deflate"])
def test_an_answer_is_whole_however_it_comes(
    raw_server: RawServer, connect: Connect, length: str, piece: int, encoding: str
) -> None:
    body = document(call_recordings=[{"reference_id": "A", "file_name": "a.wav" * 9}])
    if encoding != "identity":
        body = gzip.compress(body) if encoding == "gzip" else zlib.compress(body)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\n".encode()
    pieces = [body[at : at + piece] for at in range(0, len(body), piece)]
    match length:
        case "told":
            raw_server.says(head + b"Content-Length: %d\r\n\r\n" % len(body), *pieces, gap_seconds=0.001)
        case "chunked":
            chunks = [b"%x\r\n%s\r\n" % (len(each), each) for each in pieces]
            raw_server.says(
                head + b"Transfer-Encoding: chunked\r\n\r\n", *chunks, b"0\r\n\r\n", gap_seconds=0.001
            )
        case _:
            raw_server.says(head + b"\r\n", *pieces, then="close", gap_seconds=0.001)
    page = connect(raw_server.url).first_page(WINDOW)
    assert [row.reference_id for row in page.rows] == ["A"]


@pytest.mark.parametrize("there", [0, 1, 20])
@pytest.mark.parametrize("then", ["close", "reset"])
@pytest.mark.parametrize("length", ["told", "chunked"])
def test_an_answer_that_ends_early_is_tried_again(
    raw_server: RawServer, connect: Connect, there: int, then: Any, length: str
) -> None:
    body = document(call_recordings=[{"reference_id": "A"}])
    if length == "told":
        raw_server.says(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + body[:there], then=then)
    else:
        raw_server.says(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n" + body[:there], then=then
        )
    with pytest.raises(RetryableError):
        connect(raw_server.url).first_page(WINDOW)


def test_a_cut_body_that_reads_like_an_empty_page_is_not_believed(
    raw_server: RawServer, connect: Connect
) -> None:
    raw_server.says(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}", then="close")
    with pytest.raises(RetryableError):
        connect(raw_server.url).first_page(WINDOW)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_an_answer_that_is_wrongly_encoded_is_tried_again(
    raw_server: RawServer, connect: Connect, encoding: str
) -> None:
    raw_server.answers(b'{"no": "gzip"}', headers={"Content-Encoding": encoding})
    with pytest.raises(RetryableError):
        connect(raw_server.url).first_page(WINDOW)


def test_a_small_answer_that_unpacks_to_a_huge_one_is_given_up(
    raw_server: RawServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telesign, "MAX_ANSWER_BYTES", 1_000_000)
    raw_server.answers(gzip.compress(b" " * 50_000_000), headers={"Content-Encoding": "gzip"})
    with pytest.raises(RetryableError, match="too large"):
        connect(raw_server.url).first_page(WINDOW)


def test_answers_share_a_connection(raw_server: RawServer, connect: Connect) -> None:
    raw_server.answers(document())
    client = connect(raw_server.url)
    for _ in range(5):
        client.first_page(WINDOW)
    assert (raw_server.connections, len(raw_server.requests)) == (1, 5)
