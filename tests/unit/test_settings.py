from datetime import UTC, datetime, timedelta

import pytest

from call_archive.errors import ConfigError
from call_archive.settings import Settings

ENVIRONMENT = {
    "TABLE_NAME": "ledger",
    "BUCKET_NAME": "archive",
    "FETCH_QUEUE_URL": "https://sqs.example/fetch",
    "WINDOWS_QUEUE_URL": "https://sqs.example/windows",
    "SECRET_ID": "telesign",
    "PROVIDER_URL": "https://provider.example",
    "RECORDING_HOSTS": "One.example, two.example,",
    "REQUESTS_PER_SECOND": "2.5",
    "ARCHIVE_FROM": "2026-01-02T03:04:05",
    "OVERLAP_SECONDS": "900",
    "RECHECK_DAYS": "7",
    "FETCH_QUEUE_TARGET": "1000",
    "TRANSCRIPT_GRACE_SECONDS": "600",
    "TRANSCRIPT_DEADLINE_SECONDS": "86400",
    "RETRY_DEADLINE_SECONDS": "604800",
    "TRANSCRIPT_FAILURES": "Failed,no_speech",
    "LEASE_SECONDS": "1200",
}


def mistakes(**changes: str) -> str:
    with pytest.raises(ConfigError) as caught:
        Settings.from_env({**ENVIRONMENT, **changes})
    return str(caught.value)


def test_numbers_are_read_as_what_they_measure() -> None:
    settings = Settings.from_env(ENVIRONMENT)
    assert (settings.overlap, settings.recheck, settings.policy.transcript_deadline) == (
        timedelta(minutes=15),
        timedelta(days=7),
        timedelta(hours=24),
    )


def test_the_archive_begins_at_a_moment_in_utc() -> None:
    assert Settings.from_env(ENVIRONMENT).archive_from == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_lists_are_read_in_lower_case_and_without_empty_words() -> None:
    settings = Settings.from_env(ENVIRONMENT)
    assert (settings.recording_hosts, settings.policy.transcript_failures) == (
        frozenset({"one.example", "two.example"}),
        frozenset({"failed", "no_speech"}),
    )


def test_what_else_lies_in_the_environment_is_not_looked_at() -> None:
    assert Settings.from_env({**ENVIRONMENT, "HOME": "/"}) == Settings.from_env(ENVIRONMENT)


def test_every_missing_variable_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        Settings.from_env({})
    assert [name for name in ENVIRONMENT if f"{name} is missing" not in str(caught.value)] == []


def test_missing_and_wrong_variables_are_reported_together() -> None:
    told = mistakes(OVERLAP_SECONDS="soon", ARCHIVE_FROM="yesterday", RECHECK_DAYS="-1")
    assert [name for name in ENVIRONMENT if name in told] == [
        "ARCHIVE_FROM",
        "OVERLAP_SECONDS",
        "RECHECK_DAYS",
    ]


NUMBERS = [
    "REQUESTS_PER_SECOND",
    "OVERLAP_SECONDS",
    "RECHECK_DAYS",
    "FETCH_QUEUE_TARGET",
    "TRANSCRIPT_GRACE_SECONDS",
    "TRANSCRIPT_DEADLINE_SECONDS",
    "RETRY_DEADLINE_SECONDS",
    "LEASE_SECONDS",
]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("text", ["", "0", "-1", "nan", "inf", "ten"])
def test_a_number_is_above_nought_and_finite(name: str, text: str) -> None:
    assert f"{name} is wrong" in mistakes(**{name: text})


@pytest.mark.parametrize("name", [name for name in NUMBERS if name.endswith(("SECONDS", "DAYS"))])
def test_a_duration_longer_than_time_itself_is_a_mistake(name: str) -> None:
    assert f"{name} is wrong" in mistakes(**{name: "1e300"})


def test_a_count_is_at_least_one() -> None:
    assert "FETCH_QUEUE_TARGET is wrong" in mistakes(FETCH_QUEUE_TARGET="0.5")


@pytest.mark.parametrize(
    "name", ["TABLE_NAME", "BUCKET_NAME", "SECRET_ID", "PROVIDER_URL", "FETCH_QUEUE_URL"]
)
def test_an_empty_name_is_a_mistake(name: str) -> None:
    assert f"{name} is wrong" in mistakes(**{name: ""})
