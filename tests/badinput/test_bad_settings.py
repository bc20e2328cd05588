"""The settings of cdk.json, and of -c, where every value is a text: each mistake is one sentence that names it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.config import Config, ConfigError
from tests.badinput.cases import cases

KIND = "settings"
LEAST = {"archive_from": "2026-01-31"}


def problems_of(context: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        Config.from_context(LEAST | context)
    return list(caught.value.problems)


TEXTS = ("stack", "provider_url", "archive_from", "alarm_email")
LISTS = ("recording_hosts", "transcript_failures")
MAPS = ("consumers", "tags")
NUMBERS = {
    "max_requests_per_second": (1, 10_000),
    "fetcher_concurrency": (2, 1000),
    "function_timeout_seconds": (180, 900),
    "tick_minutes": (1, 60),
    "overlap_minutes": (1, 1440),
    "recheck_days": (1, 90),
    "fetch_queue_target": (10, 100_000),
    "transcript_grace_seconds": (1, 86_400),
    "transcript_deadline_hours": (1, 720),
    "retry_deadline_days": (1, 365),
    "log_retention_days": (1, 3653),
}
NO_NUMBERS: dict[str, Any] = {
    "true": True,
    "false": False,
    "an empty text": "",
    "a word": "many",
    "the word true": "true",
    "NaN": float("nan"),
    "NaN in a text": "NaN",
    "infinity": float("inf"),
    "infinity in a text": "-Infinity",
    "400 digits": 10**400,
    "5,000 digits": 10**5000,
    "5,000 digits in a text": "9" * 5000,
    "a huge exponent": "1e400",
    "hex": "0x10",
    "a comma": "1,5",
    "a unit": "5m",
    "a list": [5],
    "an object": {"value": 5},
    "negative": -5,
    "nought": 0,
}


@cases(KIND, "value", {f"a number that is {name}": value for name, value in NO_NUMBERS.items()})
@pytest.mark.parametrize("key", NUMBERS)
def test_a_number_is_one_in_its_range(key: str, value: object) -> None:
    low, high = NUMBERS[key]
    (problem,) = problems_of({key: value})
    assert problem.startswith(f"{key}: give a")
    assert f"from {low} to {high}, not " in problem
    assert problem.isprintable()


@cases(
    KIND,
    "key,value",
    {
        f"{key} of {value}": (key, value)
        for key, (low, high) in NUMBERS.items()
        for value in (low / 2, high + 1)
    },
)
def test_a_number_beyond_its_range_is_reported_the_range(key: str, value: float) -> None:
    assert f"{key}: give a" in problems_of({key: value})[0]


NO_TEXTS: dict[str, Any] = {
    "a number": 7,
    "true": True,
    "a fraction": 1.5,
    "a list": ["a"],
    "an object": {"a": "b"},
    "a line feed within": "a\nb",
    "a NUL": "a\0b",
    "an escape sequence": "\x1b[31mred",
    "a megabyte": "é" * 10**6,
    "half a surrogate pair": "\ud83d",
    "right to left": "\u202egpj",
}


@cases(KIND, "value", {f"a text that is {name}": value for name, value in NO_TEXTS.items()})
@pytest.mark.parametrize("key", TEXTS)
def test_a_text_is_one_that_its_setting_takes(key: str, value: object) -> None:
    (problem,) = problems_of({key: value})
    assert problem.startswith(f"{key}: ")
    assert problem.isprintable()
    assert len(problem) < 400


SHAPES: dict[str, Any] = {
    "a number": 7,
    "true": True,
    "a word": "a.example",
    "an empty text": "",
    "a list of numbers": [1, 2],
    "a list of lists": [["a"]],
    "a list of null": [None],
    "an object of numbers": {"a": 1},
    "an object of null": {"a": None},
    "an object of objects": {"a": {"b": "c"}},
    "JSON that is cut": '["a.example"',
    "JSON in single quotes": "['a.example']",
    "JSON too deep": "[" * 100_000,
    "JSON of 5,000 digits": "9" * 5000,
    "JSON of a number": "7",
    "JSON of null": "null",
}


@cases(KIND, "value", {f"a list or map that is {name}": value for name, value in SHAPES.items()})
@pytest.mark.parametrize("key", LISTS + MAPS)
def test_a_list_or_a_map_is_one(key: str, value: object) -> None:
    (problem,) = problems_of({key: value})
    assert problem.startswith(f"{key}: give a ")
    assert problem.isprintable()
    assert len(problem) < 200


ITEMS: dict[str, tuple[str, Any]] = {
    "a host with a scheme": ("recording_hosts", ["https://tlsn.io"]),
    "a host with a path": ("recording_hosts", ["tlsn.io/x"]),
    "a host with a port": ("recording_hosts", ["tlsn.io:443"]),
    "a host with a user": ("recording_hosts", ["user@tlsn.io"]),
    "a host with a star": ("recording_hosts", ["*.tlsn.io"]),
    "a host that begins with a dot": ("recording_hosts", [".tlsn.io"]),
    "a host that ends in a dot": ("recording_hosts", ["tlsn.io."]),
    "a host in capitals": ("recording_hosts", ["TLSN.io"]),
    "a host with a blank": ("recording_hosts", ["tlsn.io "]),
    "a host with a comma": ("recording_hosts", ["tlsn.io,evil.example"]),
    "a host with an underscore": ("recording_hosts", ["a_b.tlsn.io"]),
    "a host with two dots": ("recording_hosts", ["a..tlsn.io"]),
    "a host with a hyphen first": ("recording_hosts", ["-a.tlsn.io"]),
    "a host of IPv6": ("recording_hosts", ["[::1]"]),
    "a host that is empty": ("recording_hosts", [""]),
    "a host that is a top-level domain": ("recording_hosts", ["com"]),
    "a host that is a homograph": ("recording_hosts", ["tеlesign.com"]),
    "a host of a megabyte": ("recording_hosts", ["a." * 500_000 + "io"]),
    "a host with a line feed": ("recording_hosts", ["tlsn.io\n"]),
    "no host": ("recording_hosts", []),
    "a status in capitals": ("transcript_failures", ["Failed"]),
    "a status with a blank": ("transcript_failures", ["not done"]),
    "a status with a comma": ("transcript_failures", ["a,b"]),
    "a status that is empty": ("transcript_failures", [""]),
    "a status of 65 letters": ("transcript_failures", ["a" * 65]),
    "a status with a line feed": ("transcript_failures", ["failed\n"]),
    "a consumer in capitals": ("consumers", {"Search": ""}),
    "a consumer with a blank": ("consumers", {"my search": ""}),
    "a consumer with a digit first": ("consumers", {"1st": ""}),
    "a consumer with an underscore": ("consumers", {"a_b": ""}),
    "a consumer that is empty": ("consumers", {"": ""}),
    "a consumer of 41 letters": ("consumers", {"a" * 41: ""}),
    "a consumer of an emoji": ("consumers", {"\U0001f4de": ""}),
    "a consumer with a line feed": ("consumers", {"a\n": ""}),
    "a prefix of another folder": ("consumers", {"a": "audio/"}),
    "a prefix with a slash first": ("consumers", {"a": "/recordings/"}),
    "a prefix without its slash": ("consumers", {"a": "recordings"}),
    "a prefix in capitals": ("consumers", {"a": "Recordings/"}),
    "a prefix with a star": ("consumers", {"a": "recordings/*"}),
    "a prefix with a blank": ("consumers", {"a": "recordings/my call"}),
    "a prefix that is not encoded": ("consumers", {"a": "recordings/2026/é"}),
    "a prefix with a line feed": ("consumers", {"a": "recordings/\n"}),
    "a prefix of a megabyte": ("consumers", {"a": "recordings/" + "a" * 10**6}),
    "a tag that AWS keeps": ("tags", {"AWS:x": "y"}),
    "a tag that is empty": ("tags", {"": "y"}),
    "a tag with a star": ("tags", {"a*": "y"}),
    "a tag of 129 letters": ("tags", {"a" * 129: "y"}),
    "a tag's value of 257 letters": ("tags", {"a": "y" * 257}),
    "a tag's value with a NUL": ("tags", {"a": "\0"}),
    "an address without at": ("alarm_email", "operator.example"),
    "an address without a domain": ("alarm_email", "operator@"),
    "an address without a dot": ("alarm_email", "operator@example"),
    "an address with a blank": ("alarm_email", "an operator@example.com"),
    "two addresses": ("alarm_email", "a@example.com,b@example.com"),
    "an address with a line feed": ("alarm_email", "a@example.com\nb@example.com"),
    "a stack with a blank": ("stack", "Call Archive"),
    "a stack with an underscore": ("stack", "Call_Archive"),
    "a stack with a digit first": ("stack", "1Archive"),
    "a stack that is empty": ("stack", ""),
    "a stack of 129 letters": ("stack", "a" * 129),
    "a stack with an accent": ("stack", "Archivé"),
    "a beginning on Feb 30": ("archive_from", "2026-02-30"),
    "a beginning in another form": ("archive_from", "31.01.2026"),
    "a beginning in another zone": ("archive_from", "2026-01-31T00:00:00-05:00"),
    "a beginning in year 1": ("archive_from", "0001-01-01"),
    "a beginning in year 1999": ("archive_from", "1999-12-31T23:59:59"),
    "a beginning in year 2100": ("archive_from", "2100-01-01"),
    "a beginning in year 9999": ("archive_from", "9999-12-31"),
    "a beginning in year 10000": ("archive_from", "10000-01-01"),
    "a beginning of an epoch": ("archive_from", "1772366400"),
    "a provider without a scheme": ("provider_url", "rest-ww.telesign.com"),
    "a provider with a path": ("provider_url", "https://rest-ww.telesign.com/v2"),
    "a provider with a password": ("provider_url", "https://cust0mer:sEcReT@telesign.com"),
    "a provider with a password and an odd host": ("provider_url", "https://cust0mer:sEcReT@℀.example"),
    "a provider with half an address": ("provider_url", "https://[::1"),
    "a provider with a line feed": ("provider_url", "https://telesign.com\n.evil.example"),
    "a provider that is a homograph": ("provider_url", "https://tеlesign.com"),
    "a log retention that AWS has not": ("log_retention_days", 100),
    "a grace longer than its deadline": ("transcript_grace_seconds", 86_400),
    "a concurrency of a fraction": ("fetcher_concurrency", 2.5),
    "a tick of a fraction in a text": ("tick_minutes", "2.5"),
}


@cases(KIND, "key,value", ITEMS)
def test_a_mistake_is_one_sentence_that_names_its_setting(key: str, value: object) -> None:
    (problem,) = problems_of({key: value})
    assert problem.startswith(f"{key}: ")
    assert problem.endswith(".")
    assert problem.isprintable()
    assert len(problem) < 300
    assert "sEcReT" not in problem


@cases(
    KIND,
    "key",
    {
        "a setting that is no setting": "colour",
        "a setting in capitals": "STACK",
        "a setting with a hyphen": "tick-minutes",
        "a setting with a blank": "stack ",
        "a setting that is empty": "",
        "a setting with a line feed": "sta\nck",
        "a setting of a megabyte": "s" * 10**6,
        "a setting in Cyrillic": "stаck",
    },
)
def test_a_setting_that_there_is_not_is_reported_with_what_there_is(key: str) -> None:
    (problem,) = problems_of({key: "x"})
    assert "there is no such setting; " in problem
    assert problem.isprintable()
    assert len(problem) < 600


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=6,
)


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from([*TEXTS, *LISTS, *MAPS, *NUMBERS]), JSON | JSON.map(json.dumps)))
def test_any_settings_are_a_config_or_name_what_is_wrong(context: dict[str, Any]) -> None:
    try:
        config = Config.from_context(LEAST | context)
    except ConfigError as error:
        assert {problem.split(":")[0] for problem in error.problems} <= {*context}  # noqa: PT017
        return
    assert config.lease_seconds >= 240
