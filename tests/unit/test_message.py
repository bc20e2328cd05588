import json
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from call_archive.errors import MalformedMessageError
from call_archive.model.message import VisitMessage, WindowMessage
from call_archive.model.row import MAX_ID_BYTES
from call_archive.model.window import Window
from tests.unit.factories import NOW, a_window

hops = st.integers(min_value=0, max_value=1000)
NO_OBJECTS = ["", "{", "null", "[]", '"call-1"', "1", "[" * 100_000, "9" * 5000]


@given(reference_id=st.text(min_size=1, max_size=200), hop=hops)
def test_a_visit_message_reads_back(reference_id: str, hop: int) -> None:
    message = VisitMessage(reference_id=reference_id, hop=hop)
    assert VisitMessage.from_json(message.to_json()) == message


def test_a_visit_message_carries_the_call_and_the_hop_and_nothing_else() -> None:
    assert json.loads(VisitMessage(reference_id="call-1", hop=3).to_json()) == {
        "reference_id": "call-1",
        "hop": 3,
    }


def test_a_visit_message_without_a_hop_begins_a_chain() -> None:
    assert VisitMessage.from_json('{"reference_id": "call-1"}').hop == 0


@pytest.mark.parametrize(
    "body",
    [
        *NO_OBJECTS,
        "{}",
        '{"reference_id": null}',
        '{"reference_id": ""}',
        '{"reference_id": 7}',
        json.dumps({"reference_id": "x" * (MAX_ID_BYTES + 1)}),
        json.dumps({"reference_id": "ä" * (MAX_ID_BYTES // 2 + 1)}),
        r'{"reference_id": "\ud83d"}',
        '{"reference_id": "call-1", "hop": -1}',
        '{"reference_id": "call-1", "hop": 1.5}',
        '{"reference_id": "call-1", "hop": true}',
        '{"reference_id": "call-1", "hop": "1"}',
        '{"reference_id": "call-1", "hop": null}',
        '{"reference_id": "call-1", "hop": NaN}',
    ],
    ids=lambda body: body[:40] or "empty",
)
def test_a_malformed_visit_message_is_reported_as_such(body: str) -> None:
    with pytest.raises(MalformedMessageError):
        VisitMessage.from_json(body)


def test_the_longest_reference_id_is_no_malformed_one() -> None:
    reference_id = "x" * MAX_ID_BYTES
    assert VisitMessage.from_json(json.dumps({"reference_id": reference_id})).reference_id == reference_id


@given(
    start=st.datetimes(),
    seconds=st.integers(min_value=0, max_value=86_400),
    recheck=st.booleans(),
    hop=hops,
)
def test_a_window_message_reads_back(start: datetime, seconds: int, recheck: bool, hop: int) -> None:  # noqa: FBT001
    end = min(start, datetime(9999, 12, 30)) + timedelta(seconds=seconds)
    start, end = (each.replace(tzinfo=NOW.tzinfo, microsecond=0) for each in (min(start, end), end))
    message = WindowMessage(window=Window(start=start, end=end, recheck=recheck), hop=hop)
    assert WindowMessage.from_json(message.to_json()) == message


def test_a_window_message_without_more_is_no_second_look() -> None:
    message = WindowMessage.from_json('{"start": "2026-03-01T11:00:01", "end": "2026-03-01T12:00:00"}')
    assert message == WindowMessage(window=a_window())


@pytest.mark.parametrize(
    "body",
    [
        *NO_OBJECTS,
        "{}",
        '{"start": "2026-03-01T12:00:00"}',
        '{"start": "2026-03-01", "end": "2026-03-02"}',
        '{"start": "2026-03-01T12:00:00Z", "end": "2026-03-01T13:00:00Z"}',
        '{"start": "2026-02-30T12:00:00", "end": "2026-03-01T13:00:00"}',
        '{"start": 1, "end": 2}',
        '{"start": null, "end": null}',
        '{"start": "2026-03-01T12:00:01", "end": "2026-03-01T12:00:00"}',
        '{"start": "2026-03-01T12:00:00", "end": "2026-03-01T12:00:00", "hop": -1}',
    ],
    ids=lambda body: body[:40] or "empty",
)
def test_a_malformed_window_message_is_reported_as_such(body: str) -> None:
    with pytest.raises(MalformedMessageError):
        WindowMessage.from_json(body)


@pytest.mark.parametrize("body", ['{"reference_id": "secret', '{"reference_id": 7, "token": "secret"}'])
def test_what_a_malformed_message_holds_is_not_reported(body: str) -> None:
    with pytest.raises(MalformedMessageError) as caught:
        VisitMessage.from_json(body)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("no json", "the message is not JSON"),
        ("[]", "the message is not a JSON object"),
        ("{}", "a visit message needs a reference_id of 1 to 900 bytes of UTF-8"),
        ('{"reference_id": "A", "hop": -1}', "a message's hop is a whole number from 0"),
    ],
)
def test_a_malformed_visit_message_is_reported_what_it_lacks(body: str, text: str) -> None:
    with pytest.raises(MalformedMessageError) as caught:
        VisitMessage.from_json(body)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("{}", "a window message needs start and end, YYYY-MM-DDThh:mm:ss"),
        (
            '{"start": "2026-03-01T12:00:01", "end": "2026-03-01T12:00:00"}',
            "a window message's start is past its end",
        ),
    ],
)
def test_a_malformed_window_message_is_reported_what_it_lacks(body: str, text: str) -> None:
    with pytest.raises(MalformedMessageError) as caught:
        WindowMessage.from_json(body)
    assert str(caught.value) == text


@pytest.mark.parametrize("recheck", ["true", 1, None])
def test_only_a_second_look_that_says_so_is_one(recheck: object) -> None:
    body = {"start": "2026-03-01T11:00:01", "end": "2026-03-01T12:00:00", "recheck": recheck}
    assert not WindowMessage.from_json(json.dumps(body)).window.recheck
