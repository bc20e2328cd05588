import base64
import json
from collections.abc import Callable

import pytest
import requests

from infra.simulator import SimulatedTelesign, TrueFile

Start = Callable[..., SimulatedTelesign]
Get = Callable[..., requests.Response]
Advance = Callable[[float], None]


def pages(telesign: SimulatedTelesign, get: Get, query: dict[str, str]) -> list[list[dict[str, str]]]:
    found = []
    while query:
        page = get(telesign, **query).json()
        found.append(page["call_recordings"])
        query = {"token": page["token"]} if page["token"] else {}
    return found


def files_in(telesign: SimulatedTelesign, status: str) -> list[TrueFile]:
    now = telesign.options.now()
    return [file for call in telesign.truth() for file in call.files if file.status_at(now) == status]


def test_pages_together_list_every_file_once(start: Start, get: Get, everything: dict[str, str]) -> None:
    telesign = start()
    rows = [row for page in pages(telesign, get, everything | {"pagesize": "7"}) for row in page]
    listed = sorted((row["reference_id"], row["date"]) for row in rows)
    truth = [file for call in telesign.truth() for file in call.files]
    assert listed == sorted(
        (file.reference_id, file.created_at.strftime("%Y-%m-%dT%H:%M:%S")) for file in truth
    )


def test_rows_that_appear_while_paging_do_not_move_the_pages(
    start: Start, get: Get, advance: Advance, everything: dict[str, str]
) -> None:
    telesign = start(arrivals_per_minute=60)
    expected = [row["date"] for page in pages(telesign, get, everything) for row in page]
    first = get(telesign, **everything, pagesize="20").json()
    advance(60)
    rest = pages(telesign, get, {"token": first["token"]})
    found = [row["date"] for page in [first["call_recordings"], *rest] for row in page]
    assert found == expected


def test_a_page_holds_fifty_rows_unless_reported(start: Start, get: Get, everything: dict[str, str]) -> None:
    telesign = start(calls=120)
    assert [len(page) for page in pages(telesign, get, everything)][:2] == [50, 50]


def test_both_ends_of_a_range_belong_to_it(start: Start, get: Get) -> None:
    telesign = start(calls=1)
    second = telesign.truth()[0].files[0].created_at.strftime("%Y-%m-%dT%H:%M:%S")
    page = get(telesign, start_date_time=second, end_date_time=second).json()
    assert len(page["call_recordings"]) == 1


def test_a_row_in_progress_has_no_file_name(start: Start, get: Get, everything: dict[str, str]) -> None:
    rows = [row for page in pages(start(), get, everything) for row in page]
    assert {row["status"] for row in rows if "file_name" not in row} == {"recording"}
    assert {row["status"] for row in rows if "file_name" in row} == {"available", "deleted"}


SPAN = {"start_date_time": "2026-02-28T00:00:00", "end_date_time": "2026-03-02T00:00:00"}


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"start_date_time": "2026-02-28T00:00:00"},
        {"end_date_time": "2026-02-28T00:00:00"},
        SPAN | {"start_date_time": "2026-02-28T00:00:00Z"},
        SPAN | {"start_date_time": "2026-02-28 00:00:00"},
        SPAN | {"start_date_time": "2026-02-30T00:00:00"},
        SPAN | {"start_date_time": "2026-03-03T00:00:00"},
        SPAN | {"pagesize": "0"},
        SPAN | {"pagesize": "101"},
        SPAN | {"pagesize": "ten"},
        SPAN | {"page_size": "10"},
        SPAN | {"token": "x"},
        {"token": "gAAAAA=="},
        {"token": ""},
    ],
    ids=str,
)
def test_a_question_outside_the_contract_is_refused(start: Start, get: Get, query: dict[str, str]) -> None:
    assert get(start(calls=1), **query).status_code == 400


def test_a_token_takes_no_other_parameter(start: Start, get: Get) -> None:
    telesign = start()
    token = get(telesign, **SPAN, pagesize="5").json()["token"]
    assert get(telesign, token=token, pagesize="5").status_code == 400
    assert get(telesign, token=token, **SPAN).status_code == 400


def test_a_token_ends_in_a_sign_that_must_be_escaped(start: Start, get: Get) -> None:
    assert get(start(), **SPAN, pagesize="5").json()["token"].endswith("=")


def test_a_token_expires(start: Start, get: Get, advance: Advance) -> None:
    telesign = start(token_lifetime_seconds=60)
    token = get(telesign, **SPAN, pagesize="5").json()["token"]
    advance(60)
    assert get(telesign, token=token).status_code == 200
    advance(1)
    assert get(telesign, token=token).status_code == 400


@pytest.mark.parametrize(("empty_is_404", "status"), [(False, 200), (True, 404)])
def test_an_empty_range_is_answered_in_either_way(
    start: Start, get: Get, *, empty_is_404: bool, status: int
) -> None:
    assert get(start(calls=0, empty_is_404=empty_is_404), **SPAN).status_code == status


def test_a_single_row_can_be_an_object(start: Start, get: Get) -> None:
    page = get(start(calls=1, single_row_as_object=True), **SPAN).json()
    assert page["call_recordings"]["status"] == "available"


def test_a_call_has_a_link_only_while_its_file_is_available(start: Start, get: Get) -> None:
    telesign = start()
    for status in ("recording", "available", "deleted"):
        file = files_in(telesign, status)[0]
        row = next(row for row in get(telesign, f"/{file.reference_id}").json() if row["status"] == status)
        assert ("url" in row) == (status == "available")


def test_a_call_reports_the_transcript_of_the_moment(start: Start, get: Get, advance: Advance) -> None:
    telesign = start()
    for _ in range(4):
        now = telesign.options.now()
        for call in telesign.truth():
            rows = get(telesign, f"/{call.reference_id}").json()
            assert [row.get("transcribe") for row in rows] == [file.transcribe_at(now) for file in call.files]
        advance(10)


def test_a_deleted_recording_keeps_its_transcript_without_the_text(start: Start, get: Get) -> None:
    telesign = start()
    (row,) = get(telesign, f"/{files_in(telesign, 'deleted')[0].reference_id}").json()
    assert row["transcribe"]["transcription"] == [{"status": "completed"}]


@pytest.mark.parametrize("path", ["/00", "/00/11", "/"])
def test_an_unknown_call_is_not_found(start: Start, get: Get, path: str) -> None:
    assert get(start(calls=1), path).status_code == 404


def ask(telesign: SimulatedTelesign, method: str = "GET", **headers: str) -> int:
    key = f"{telesign.options.customer_id}:{telesign.options.api_key}".encode()
    given = {
        "Authorization": "Basic " + base64.b64encode(key).decode(),
        "Content-Type": "application/json",
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    path = f"/v2/call_recording/{telesign.truth()[0].reference_id}"
    answer = requests.request(method, telesign.api_url + path, headers=given, timeout=5, data=None)
    return answer.status_code


def test_a_deletion_removes_a_call_and_may_be_repeated(start: Start, get: Get) -> None:
    telesign = start(calls=1)
    assert [ask(telesign, "DELETE"), ask(telesign, "DELETE")] == [204, 204]
    (row,) = get(telesign, f"/{telesign.truth()[0].reference_id}").json()
    assert row["status"] == "deleted"
    assert "url" not in row


def test_only_basic_authentication_with_the_key_as_it_is_passes(start: Start) -> None:
    telesign = start(calls=1)
    raw = f"{telesign.options.customer_id}:{telesign.options.api_key}"
    decoded = base64.b64encode(
        telesign.options.customer_id.encode() + b":" + base64.b64decode(telesign.options.api_key)
    ).decode()
    assert ask(telesign) == 200
    for wrong in ("", f"Basic {raw}", f"Basic {decoded}", f"Bearer {telesign.options.api_key}"):
        assert ask(telesign, Authorization=wrong) == 401


@pytest.mark.parametrize("content_type", ["", "text/plain"])
def test_the_content_type_is_required_even_on_a_get(start: Start, content_type: str) -> None:
    assert ask(start(calls=1), Content_Type=content_type) == 400


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "HEAD"])
def test_other_methods_are_not_allowed(start: Start, method: str) -> None:
    assert ask(start(calls=1), method) == 405


def test_requests_are_remembered_without_their_secrets(start: Start, get: Get) -> None:
    telesign = start(calls=1)
    get(telesign, **SPAN)
    (seen,) = telesign.requests
    assert (seen.server, seen.method, seen.path, seen.status) == ("api", "GET", "/v2/call_recording", 200)
    assert seen.query_keys == ("start_date_time", "end_date_time")
    assert seen.has_authorization
    assert telesign.options.api_key not in json.dumps(repr(telesign.options))
