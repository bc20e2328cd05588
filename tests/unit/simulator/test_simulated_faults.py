import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from infra.simulator import Fault, SimulatedTelesign
from infra.simulator.faults import EVERYWHERE, KINDS, ONLY

Start = Callable[..., SimulatedTelesign]
Get = Callable[..., requests.Response]
Link = Callable[[SimulatedTelesign], str]
BREAKS = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)


def download(telesign: SimulatedTelesign, link: Link, **fault: Any) -> requests.Response:
    url = link(telesign)
    telesign.faults.add(Fault(where="download", **fault))
    return requests.get(url, timeout=5)


@pytest.mark.parametrize("kind", ["401", "403", "404", "429", "500", "503"])
def test_a_status_fault_answers_with_that_status(
    start: Start, get: Get, everything: dict[str, str], kind: str
) -> None:
    telesign = start(calls=1)
    telesign.faults.add(Fault(where="list", kind=kind, retry_after=7))
    answer = get(telesign, **everything)
    assert answer.status_code == int(kind)
    assert answer.headers["Retry-After"] == "7"


def test_a_fault_is_injected_as_often_as_reported_and_counted(
    start: Start, get: Get, everything: dict[str, str]
) -> None:
    telesign = start(calls=1)
    telesign.faults.add(Fault(where="list", kind="500", times=2))
    assert [get(telesign, **everything).status_code for _ in range(4)] == [500, 500, 200, 200]
    assert telesign.faults.injected == {"500": 2}


def test_faults_can_be_cleared(start: Start, get: Get, everything: dict[str, str]) -> None:
    telesign = start(calls=1)
    telesign.faults.add(Fault(where="list", kind="500"))
    telesign.faults.clear()
    assert get(telesign, **everything).ok


def test_the_same_seed_injects_the_same_faults(start: Start, get: Get, everything: dict[str, str]) -> None:
    runs = []
    for _ in range(2):
        telesign = start(calls=1)
        telesign.faults.add(Fault(where="list", kind="500", probability=0.5))
        runs.append([get(telesign, **everything).status_code for _ in range(20)])
    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 500}


def test_a_fault_can_be_for_one_call(start: Start, get: Get) -> None:
    telesign = start(calls=2)
    one, other = (call.reference_id for call in telesign.truth())
    telesign.faults.add(Fault(where="call", kind="503", reference_id=one))
    assert get(telesign, f"/{one}").status_code == 503
    assert get(telesign, f"/{other}").status_code == 200


def test_a_fault_never_hides_a_mistake_of_the_client(start: Start, get: Get) -> None:
    telesign = start(calls=1)
    telesign.faults.add(Fault(where="list", kind="500"))
    assert get(telesign).status_code == 400
    assert not telesign.faults.injected


@pytest.mark.parametrize("kind", ["reset", "reset_midway", "short_body"])
def test_a_broken_download_is_an_error_of_the_connection(start: Start, link: Link, kind: str) -> None:
    with pytest.raises(BREAKS):
        download(start(), link, kind=kind)


def test_a_time_out_ends_when_the_server_stops(start: Start, link: Link) -> None:
    telesign = start()
    url = link(telesign)
    telesign.faults.add(Fault(where="download", kind="timeout"))
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(requests.get, url, timeout=30)
        while not telesign.faults.injected:
            threading.Event().wait(0.005)
        telesign.stop()
        assert isinstance(pending.exception(timeout=5), requests.ConnectionError)


def test_a_time_out_can_be_limited(start: Start, link: Link) -> None:
    with pytest.raises(requests.ConnectionError):
        download(start(), link, kind="timeout", seconds=0.01)


def test_a_dripping_download_is_whole(start: Start, link: Link) -> None:
    answer = download(start(), link, kind="drip", seconds=0.05)
    assert int(answer.headers["Content-Length"]) == len(answer.content)


def test_an_unframed_download_has_no_length(start: Start, link: Link) -> None:
    plain = requests.get(link(telesign := start()), timeout=5).content
    unframed = download(telesign, link, kind="no_length", times=1)
    assert "Content-Length" not in unframed.headers
    assert unframed.content == plain


def test_a_chunked_download_is_whole_and_has_no_length(start: Start, link: Link) -> None:
    plain = requests.get(link(telesign := start()), timeout=5).content
    chunked = download(telesign, link, kind="chunked", times=1)
    assert "Content-Length" not in chunked.headers
    assert chunked.content == plain


def test_a_long_download_goes_on_after_the_recording(start: Start, link: Link) -> None:
    plain = requests.get(link(telesign := start()), timeout=5).content
    longer = download(telesign, link, kind="long_body").content
    assert longer.startswith(plain)
    assert len(longer) > len(plain)


@pytest.mark.parametrize(
    ("kind", "content_type", "begins"),
    [
        ("html", "text/html; charset=utf-8", b"<!DOCTYPE html>"),
        ("wrong_bytes", "audio/x-wav", b"ID3"),
        ("empty", "audio/x-wav", b""),
    ],
)
def test_a_wrong_body_comes_with_success(
    start: Start, link: Link, kind: str, content_type: str, begins: bytes
) -> None:
    answer = download(start(), link, kind=kind)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, content_type)
    assert answer.content.startswith(begins)
    assert not answer.content.startswith(b"RIFF")


def test_a_link_can_expire_early(start: Start, link: Link) -> None:
    assert b"AccessDenied" in download(start(), link, kind="expired_link").content


def test_a_list_can_be_no_json(start: Start, get: Get, everything: dict[str, str]) -> None:
    telesign = start()
    telesign.faults.add(Fault(where="list", kind="bad_json"))
    with pytest.raises(requests.JSONDecodeError):
        get(telesign, **everything).json()


@pytest.mark.parametrize("kind", ["repeated_token", "expired_token"])
def test_token_faults_spare_the_first_page(
    start: Start, get: Get, everything: dict[str, str], kind: str
) -> None:
    telesign = start()
    telesign.faults.add(Fault(where="list", kind=kind, times=1))
    token = get(telesign, **everything, pagesize="5").json()["token"]
    answer = get(telesign, token=token)
    if kind == "expired_token":
        assert answer.status_code == 400
    else:
        assert answer.json()["token"] == token
    assert get(telesign, token=token).json()["token"] != token


def test_a_fault_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown fault 'fire'"):
        Fault(where="list", kind="fire")
    with pytest.raises(ValueError, match="does not apply"):
        Fault(where="list", kind="wrong_bytes")


def test_every_fault_leaves_the_server_in_service(
    start: Start, get: Get, link: Link, everything: dict[str, str]
) -> None:
    telesign = start()
    url, call = link(telesign), f"/{telesign.truth()[0].reference_id}"
    ask: dict[str, Callable[[], object]] = {
        "list": lambda: get(telesign, **everything),
        "call": lambda: get(telesign, call),
        "download": lambda: requests.get(url, timeout=5),
    }
    for kind in KINDS:
        for where in ONLY.get(kind, EVERYWHERE):
            telesign.faults.add(Fault(where=where, kind=kind, times=1, seconds=0.001))
            try:
                ask[where]()
            except requests.RequestException:
                continue
    telesign.faults.clear()
    assert get(telesign, **everything).ok
    assert requests.get(url, timeout=5).ok
