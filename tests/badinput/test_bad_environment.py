"""The functions' environment, which is written by a deployment and may be changed by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from call_archive.errors import ConfigError
from call_archive.settings import Settings
from tests.badinput.cases import cases

KIND = "environment"
GOOD = {
    "TABLE_NAME": "ledger",
    "BUCKET_NAME": "archive",
    "FETCH_QUEUE_URL": "https://sqs.example/fetch",
    "WINDOWS_QUEUE_URL": "https://sqs.example/windows",
    "SECRET_ID": "telesign",
    "PROVIDER_URL": "https://provider.example",
    "RECORDING_HOSTS": "one.example,two.example",
    "REQUESTS_PER_SECOND": "2.5",
    "ARCHIVE_FROM": "2026-01-02T03:04:05",
    "OVERLAP_SECONDS": "900",
    "RECHECK_DAYS": "7",
    "FETCH_QUEUE_TARGET": "1000",
    "TRANSCRIPT_GRACE_SECONDS": "600",
    "TRANSCRIPT_DEADLINE_SECONDS": "86400",
    "RETRY_DEADLINE_SECONDS": "604800",
    "TRANSCRIPT_FAILURES": "failed",
    "LEASE_SECONDS": "1200",
}
NUMBERS = [name for name in GOOD if name.endswith(("_SECONDS", "_DAYS", "_SECOND", "_TARGET"))]
NAMES = ["TABLE_NAME", "BUCKET_NAME", "FETCH_QUEUE_URL", "WINDOWS_QUEUE_URL", "SECRET_ID"]


def mistakes(**changes: str) -> str:
    """What is said of an environment with these changes: one line that names each of them and no other."""
    with pytest.raises(ConfigError) as caught:
        Settings.from_env({**GOOD, **changes})
    text = str(caught.value)
    assert [name for name in GOOD if f"{name} is " in text] == [name for name in GOOD if name in changes]
    assert text.isprintable()
    assert len(text) < 120 + 200 * len(changes)
    return text


@cases(KIND, "name", {f"{name} is missing": name for name in GOOD})
def test_a_variable_that_is_missing_is_named(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Settings.from_env({each: text for each, text in GOOD.items() if each != name})
    assert str(caught.value) == f"the function's environment is wrong: {name} is missing"


NO_NUMBERS = {
    "empty": "",
    "a blank": " ",
    "a word": "many",
    "true": "true",
    "nought": "0",
    "minus nought": "-0",
    "negative": "-1",
    "a comma": "1,5",
    "two numbers": "1 2",
    "hex": "0x10",
    "with a unit": "10s",
    "NaN": "NaN",
    "infinity": "inf",
    "negative infinity": "-Infinity",
    "a huge exponent": "1e400",
    "a tiny exponent": "1e-320",
    "400 digits": "9" * 400,
    "5,000 digits": "9" * 5000,
    "a NUL": "1\0",
    "a line feed within": "1\n2",
    "a fraction of Unicode": "½",
    "a list": "[1]",
}


@cases(KIND, "text", {f"a number that is {name}": text for name, text in NO_NUMBERS.items()})
@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_is_one_within_bounds(name: str, text: str) -> None:
    assert f"{name} is wrong" in mistakes(**{name: text})


@cases(
    KIND, "text", {"names that are empty": "", "names that are a blank": " ", "names that are a tab": "\t"}
)
@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_not_blank(name: str, text: str) -> None:
    assert "it is empty" in mistakes(**{name: text})


URLS = {
    "empty": "",
    "a blank": " ",
    "without a scheme": "provider.example",
    "of no host": "https://",
    "of another scheme": "ftp://provider.example",
    "unencrypted": "http://provider.example",
    "unencrypted to a private address": "http://10.0.0.1",
    "unencrypted to what only begins as loopback": "http://127.0.0.1.evil.example",
    "with a line feed": "https://provider\n.example",
    "with a wrong port": "https://provider.example:99999",
    "with half an address": "https://[::1",
    "with credentials and an odd host": "https://cust0mer:sEcReT@℀.example",
    "with credentials": "https://cust0mer:sEcReT@provider.example",
}


@cases(KIND, "text", {f"a provider's url that is {name}": text for name, text in URLS.items()})
def test_the_providers_url_is_one_that_credentials_may_be_sent_to(text: str) -> None:
    assert "sEcReT" not in mistakes(PROVIDER_URL=text)


MOMENTS = {
    "empty": "",
    "a day": "2026-01-01",
    "with a zone": "2026-01-01T00:00:00Z",
    "with fractions": "2026-01-01T00:00:00.5",
    "with a blank": "2026-01-01 00:00:00",
    "of Feb 30": "2026-02-30T00:00:00",
    "of a leap second": "2016-12-31T23:59:60",
    "of hour 24": "2026-01-01T24:00:00",
    "of year 0": "0000-01-01T00:00:00",
    "of year 1": "0001-01-01T00:00:00",
    "before all calls": "1999-12-31T23:59:59",
    "after all calls": "2100-01-01T00:00:00",
    "of year 9999": "9999-12-31T23:59:59",
    "of year 10000": "10000-01-01T00:00:00",
    "an epoch": "1772366400",
    "a word": "now",
    "of a kilobyte": "2" * 1000,
}


@cases(KIND, "text", {f"a beginning that is {name}": text for name, text in MOMENTS.items()})
def test_the_beginning_is_a_moment_of_our_time(text: str) -> None:
    assert "ARCHIVE_FROM is wrong" in mistakes(ARCHIVE_FROM=text)


@cases(
    KIND,
    "text",
    {
        "hosts that are empty": "",
        "hosts that are blank": " ",
        "hosts that are commas": ",,",
        "hosts, tabs": "\t,",
    },
)
def test_there_is_a_host_that_links_may_point_to(text: str) -> None:
    assert "RECORDING_HOSTS is wrong" in mistakes(RECORDING_HOSTS=text)


def test_all_mistakes_are_reported_at_once() -> None:
    wrong = dict.fromkeys([*NUMBERS, *NAMES, "PROVIDER_URL", "ARCHIVE_FROM", "RECORDING_HOSTS"], "")
    assert mistakes(**wrong).count(" is wrong (") == len(wrong)


@given(st.dictionaries(st.sampled_from(list(GOOD)), st.text(max_size=30) | st.floats().map(str)))
def test_any_environment_is_settings_that_can_be_worked_with_or_an_error_of_ours(
    changes: dict[str, str],
) -> None:
    try:
        settings = Settings.from_env({**GOOD, **changes})
    except ConfigError as error:
        assert "the function's environment is wrong: " in str(error)  # noqa: PT017 - some are good
        return
    assert 1e-6 <= settings.requests_per_second <= 1e6
    assert settings.archive_from - settings.overlap - settings.recheck
