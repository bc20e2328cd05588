"""Reference ids and file names: what becomes of one in a key, an item, a message and a path of the API."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from datetime import UTC, datetime
from itertools import combinations
from typing import TYPE_CHECKING
from urllib.parse import unquote

from hypothesis import given
from hypothesis import strategies as st

from call_archive.model.call import unlisted_call
from call_archive.model.message import VisitMessage
from call_archive.model.object_key import Origin, segment
from call_archive.provider.parse import parse_call, parse_page
from call_archive.storage.ledger_items import call_from_item, call_to_item
from tests.badinput.cases import cases
from tests.badinput.names import NAMES
from tests.unit.factories import NOW, a_file

if TYPE_CHECKING:
    from call_archive.provider.client import Telesign
    from call_archive.storage.ledger import Ledger
    from tests.raw_server import RawServer

KIND = "names"
SAFE = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~%")


def origin(reference_id: str = "CALL", file_name: str = "a.wav") -> Origin:
    return Origin(reference_id=reference_id, file_name=file_name, recorded_at=NOW)


@cases(KIND, "name", NAMES)
def test_a_name_is_one_harmless_segment_of_a_key(name: str) -> None:
    made = segment(name)
    assert set(made) <= SAFE
    assert made.strip(".")
    assert len(made) <= 200
    assert "~" in made or unquote(made) == name


@cases(KIND, "name", NAMES)
def test_a_key_has_six_segments_and_fits_into_s3(name: str) -> None:
    for key in (origin(file_name=name).recording_key, origin(name, name).transcript_key):
        assert len(key.split("/")) == 6
        assert len(key.encode()) <= 1024


def test_no_two_of_these_names_share_a_key() -> None:
    keys = {name: origin(file_name=value).recording_key for name, value in NAMES.items()}
    assert [pair for pair in combinations(keys, 2) if keys[pair[0]] == keys[pair[1]]] == []


def test_no_two_of_these_ids_share_a_folder() -> None:
    assert len({origin(value).recording_key for value in NAMES.values()}) == len(NAMES)


@cases(KIND, "name", NAMES)
def test_an_id_and_a_name_come_back_from_their_row_their_message_and_their_item(name: str) -> None:
    (row,) = parse_page({"call_recordings": {"reference_id": name, "file_name": name}}).rows
    assert (row.reference_id, row.file_name) == (name, name)
    (row,) = parse_call([{"file_name": name}], name)
    assert (row.reference_id, row.file_name) == (name, name)
    message = VisitMessage(reference_id=name)
    assert VisitMessage.from_json(message.to_json()) == message
    call = unlisted_call(name, now=NOW)
    assert call_from_item(call_to_item(call)) == call


def test_all_of_these_ids_are_calls_of_their_own_in_the_ledger_with_all_of_these_files(
    ledger: Ledger,
) -> None:
    ids, files = list(NAMES.values()), {name: a_file() for name in list(NAMES.values())[:99]}
    assert ledger.write_many([unlisted_call(each, now=NOW) for each in ids]) == [True] * len(ids)
    assert ledger.read_many(ids).keys() == set(ids)
    assert ledger.write(replace(unlisted_call("CALL", now=NOW), files=files))
    read = ledger.read("CALL")
    assert read
    assert read.files == files


@cases(KIND, "name", {name: value for name, value in NAMES.items() if value.strip(".")})
def test_an_id_is_one_segment_of_the_path_that_is_asked_for(
    raw_server: RawServer, client: Telesign, name: str
) -> None:
    raw_server.answers(b"[]")
    client.call(name)
    (target,) = raw_server.targets()
    path = target.decode().removeprefix("/v2/call_recording/")
    assert set(path) <= SAFE
    assert unquote(path) == name


TWINS = {
    "an accent composed and apart": ("caf\u00e9", "cafe\u0301"),
    "a ligature and its letters": ("\ufb01", "fi"),
    "capitals and small letters": ("A", "a"),
    "Latin and Cyrillic": ("a", "а"),
    "a blank and a plus": ("a b", "a+b"),
    "a blank and its encoding": ("a b", "a%20b"),
    "a slash and its encoding": ("a/b", "a%2Fb"),
    "two cases of an encoding": ("a%2fb", "a%2Fb"),
    "a slash and a backslash": ("a/b", "a\\b"),
    "a name and the same with a NUL": ("a", "a\0"),
    "a name and the same with a blank": ("a", "a "),
    "a name and the same with a BOM": ("a", "\ufeffa"),
    "a name and the same with a mark of direction": ("a", "a\u200e"),
    "a dot and its encoding": (".", "%2E"),
    "two dots and their encoding": ("..", "%2E%2E"),
    "long names, their last letters apart": ("a" * 500 + "b", "a" * 500 + "c"),
    "long names, their first letters apart": ("b" + "a" * 500, "c" + "a" * 500),
    "a long name and the longer": ("a" * 201, "a" * 202),
    "a long name and its own segment": ("a" * 201, segment("a" * 201)),
    "a long name of blanks and the encoding": (" " * 100, "%20" * 100),
}


@cases(KIND, "first,second", {f"twins: {name}": pair for name, pair in TWINS.items()})
def test_twins_have_keys_of_their_own(first: str, second: str) -> None:
    assert origin(file_name=first).recording_key != origin(file_name=second).recording_key
    assert origin(first).recording_key != origin(second).recording_key


ANY = st.text(min_size=1) | st.text("./%~\\ aA\u0301\u00e9", min_size=1) | st.text("a", min_size=190).map(str)


@given(ANY, ANY)
def test_two_names_share_a_key_only_if_they_are_one(first: str, second: str) -> None:
    one, other = origin(file_name=first), origin(file_name=second)
    assert (one.recording_key == other.recording_key) is (first == second)
    assert (one.transcript_key == other.transcript_key) is (first == second)


@given(ANY)
def test_the_forms_of_a_name_have_keys_of_their_own(name: str) -> None:
    forms = {unicodedata.normalize(form, name) for form in ("NFC", "NFD", "NFKC", "NFKD")}
    forms |= {name, name.upper(), name.lower(), name.casefold()}
    assert len({origin(file_name=form).recording_key for form in forms}) == len(forms)


@given(ANY, ANY, st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)))
def test_every_key_is_ascii_and_fits_into_s3(reference_id: str, file_name: str, moment: datetime) -> None:
    made = Origin(reference_id=reference_id, file_name=file_name, recorded_at=moment.replace(tzinfo=UTC))
    for key in (made.recording_key, made.transcript_key):
        assert key.isascii()
        assert len(key) <= 1024
        assert len(key.split("/")) == 6


# --- What no name can be

NO_NAMES = {
    "an empty id": "",
    "an id of 901 bytes": "a" * 901,
    "an id of 451 accents": "é" * 451,
    "an id of a megabyte": "a" * 10**6,
}


@cases(KIND, "name", NO_NAMES)
def test_what_cannot_be_an_id_is_an_unreadable_row(name: str) -> None:
    page = parse_page({"call_recordings": [{"reference_id": name}, {"reference_id": "GOOD"}]})
    assert ([row.reference_id for row in page.rows], page.unreadable) == (["GOOD"], 1)


HALVES = {
    "the first of the high halves": "\ud800",
    "the last of the low halves": "\udfff",
    "a high half in a name": "a\ud83d.wav",
    "a wrong byte": "\udcff",
}


@cases(KIND, "half", HALVES)
def test_half_a_surrogate_pair_is_stored_as_its_escape_everywhere(half: str) -> None:
    (row,) = parse_page({"call_recordings": {"reference_id": half, "file_name": half}}).rows
    assert row.file_name == row.reference_id == half.encode("utf-8", "backslashreplace").decode()
    assert origin(row.reference_id, row.file_name).recording_key.isascii()
