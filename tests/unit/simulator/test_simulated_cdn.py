import hashlib
import socket
from collections.abc import Callable
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
import requests

from infra.simulator import SimulatedTelesign

Start = Callable[..., SimulatedTelesign]
Link = Callable[[SimulatedTelesign], str]


def raw_status(url: str) -> int:
    """Ask for the target exactly as given, which no client library promises."""
    parts = urlsplit(url)
    target = url.removeprefix(f"http://{parts.netloc}")
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=5) as connection:
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        return int(connection.recv(100).split()[1])


def test_a_link_gives_the_recording(start: Start, link: Link) -> None:
    telesign = start()
    answer = requests.get(link(telesign), timeout=5)
    truth = {file.sha256: file for call in telesign.truth() for file in call.files}
    assert hashlib.sha256(answer.content).hexdigest() in truth
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    assert answer.headers["Content-Type"] == "audio/x-wav"


def test_a_link_looks_like_cloudfronts(start: Start, link: Link) -> None:
    url = link(start())
    signature = url.partition("Signature=")[2].partition("&")[0]
    assert signature.endswith("__")
    assert {"-", "~"} <= set(signature)
    assert not set("+/=%") & set(signature)


def test_a_link_is_good_to_the_second_it_expires(
    start: Start, link: Link, advance: Callable[[float], None]
) -> None:
    url = link(start(link_lifetime_seconds=30))
    advance(30)
    assert raw_status(url) == 200
    advance(1)
    assert raw_status(url) == 403


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("_&Key", "%5F&Key"),
        ("Expires=1", "Expires=2"),
        ("Expires=1", "Expires=%E2%80%991"),
        (".wav", ".mp3"),
        ("&Key-Pair-Id=", "&Key-Pair-Id=X"),
        ("?", "??"),
    ],
)
def test_a_link_changed_by_a_byte_is_denied(start: Start, link: Link, old: str, new: str) -> None:
    url = link(start())
    assert old in url
    assert raw_status(url.replace(old, new, 1)) == 403


def test_a_path_without_a_signature_is_denied(start: Start, link: Link) -> None:
    assert raw_status(link(start()).partition("?")[0]) == 403


def test_credentials_sent_to_the_cdn_are_refused_and_seen(start: Start, link: Link) -> None:
    telesign = start()
    answer = requests.get(link(telesign), auth=("any", "one"), timeout=5)
    assert answer.status_code == 400
    assert [seen.has_authorization for seen in telesign.requests if seen.server == "cdn"] == [True]


def test_a_link_of_a_deleted_recording_is_denied(start: Start, link: Link) -> None:
    telesign = start(calls=1)
    url = link(telesign)
    telesign._history.delete(telesign.truth()[0].reference_id, telesign.options.now())
    assert raw_status(url) == 403


def test_links_can_begin_with_the_address_of_a_proxy(start: Start, link: Link) -> None:
    url = link(start(public_cdn_url="https://recordings.example/"))
    assert url.startswith("https://recordings.example/call_recording/")


def test_a_large_recording_is_streamed(start: Start, link: Link) -> None:
    size = 64 * 1024**2 + 1
    with requests.get(link(start(calls=1, file_bytes=size)), stream=True, timeout=5) as answer:
        assert sum(len(chunk) for chunk in answer.iter_content(1024**2)) == size


def test_a_connection_is_stored_for_the_next_request(start: Start, link: Link) -> None:
    parts = urlsplit(link(start()))
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    ports = set()
    for _ in range(3):
        connection.request("GET", f"{parts.path}?{parts.query}")
        ports.add(connection.sock.getsockname())
        assert connection.getresponse().read()
    connection.close()
    assert len(ports) == 1


def test_a_server_started_again_keeps_its_address(start: Start, link: Link) -> None:
    telesign = start()
    url = link(telesign)
    telesign.stop()
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=5)
    telesign.start()
    assert requests.get(url, timeout=5).ok
