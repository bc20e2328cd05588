import json
from datetime import UTC, datetime
from typing import Any

import pytest

from call_archive.provider.budget import Budget
from infra.config import FETCHERS_SHARE, LISTER_CONCURRENCY, Config, ConfigError
from infra.context import is_of_the_cdk

LEAST = {"archive_from": "2026-01-31"}


def problems_of(**context: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        Config.from_context({**LEAST, **context})
    return list(caught.value.problems)


def test_the_shipped_settings_are_the_defaults_said_aloud(shipped_context: dict[str, Any]) -> None:
    assert Config.from_context(shipped_context) == Config.from_context(
        {"archive_from": shipped_context["archive_from"]}
    )


def test_each_setting_is_in_the_shipped_cdk_json(shipped_context: dict[str, Any]) -> None:
    ours = {key for key in shipped_context if not is_of_the_cdk(key)}
    assert ours == set(Config.__dataclass_fields__)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("tick_minutes", 10, 10),
        ("max_requests_per_second", 2.5, 2.5),
        ("recording_hosts", ["a.example"], ("a.example",)),
        ("transcript_failures", ["failed", "rejected"], ("failed", "rejected")),
        ("consumers", {"audio": "recordings/", "all": ""}, {"audio": "recordings/", "all": ""}),
        ("tags", {"team": "voice"}, {"team": "voice"}),
    ],
)
def test_a_value_means_the_same_from_cdk_json_and_as_text_from_the_command_line(
    key: str, value: object, expected: object
) -> None:
    for given in (value, json.dumps(value)):
        assert getattr(Config.from_context({**LEAST, key: given}), key) == expected


@pytest.mark.parametrize(
    "text", ["2026-01-31", "2026-01-31T00:00:00", "2026-01-31T00:00:00Z", "2026-01-31T00:00:00+00:00"]
)
def test_archive_from_is_a_date_or_a_time_in_utc(text: str) -> None:
    config = Config.from_context({"archive_from": text})
    assert config.archive_from == datetime(2026, 1, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    "url",
    [
        "https://rest-ww.telesign.com",
        "https://telesign.example:8443",
        "http://127.0.0.1:8080",
        "http://localhost:1",
        "https://[::1]:8443",
        "http://[::1]",
    ],
)
def test_a_provider_may_be_any_https_host_or_this_machine(url: str) -> None:
    assert Config.from_context({**LEAST, "provider_url": url}).provider_url == url


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("archive_from", "", "from when on"),
        ("archive_from", None, "from when on"),
        ("archive_from", "soon", "no date and no time"),
        ("archive_from", "2026-02-30", "no date and no time"),
        ("archive_from", "2026-01-31T00:00:00+02:00", "not in UTC"),
        ("archive_from", "1999-12-31", "before 2000-01-01"),
        ("archive_from", 20260131, "give text"),
        ("stack", "call archive", "no stack name"),
        ("stack", "1st", "no stack name"),
        ("stack", "a" * 129, "no stack name"),
        ("provider_url", "", "no valid host"),
        ("provider_url", "rest-ww.telesign.com", "no valid host"),
        ("provider_url", "http://rest-ww.telesign.com", "begin with https://"),
        ("provider_url", "ftp://rest-ww.telesign.com", "begin with https://"),
        ("provider_url", "https://rest-ww.telesign.com/", "goes on after the host"),
        ("provider_url", "https://rest-ww.telesign.com/v2", "goes on after the host"),
        ("provider_url", "https://rest-ww.telesign.com?", "goes on after the host"),
        ("provider_url", "https://rest-ww.telesign.com?a=b", "goes on after the host"),
        ("provider_url", "https://rest-ww.telesign.com#a", "goes on after the host"),
        ("provider_url", "https://user:word@rest-ww.telesign.com", "user name or password"),
        ("provider_url", "https://@rest-ww.telesign.com", "user name or password"),
        ("provider_url", "https://rest_ww.telesign.com", "no valid host"),
        ("provider_url", "https://telesign.com:99999", "no url"),
        ("provider_url", "https://telesign.com:0", "port from 1"),
        ("provider_url", "https://[::1", "no url"),
        ("provider_url", "http://127.0.0.1.example.com", "begin with https://"),
        ("recording_hosts", [], "at least one"),
        ("recording_hosts", ["https://tlsn.io"], "no host suffix"),
        ("recording_hosts", ["*.tlsn.io"], "no host suffix"),
        ("recording_hosts", [".tlsn.io"], "no host suffix"),
        ("recording_hosts", ["tlsn.io:443"], "no host suffix"),
        ("recording_hosts", ["io"], "no host suffix"),
        ("recording_hosts", ["a,b.example"], "no host suffix"),
        ("recording_hosts", "tlsn.io", "list of texts"),
        ("recording_hosts", [1], "list of texts"),
        ("max_requests_per_second", 0.9, "from 1 to"),
        ("max_requests_per_second", "many", "a number"),
        ("max_requests_per_second", "nan", "a number"),
        ("max_requests_per_second", "inf", "a number"),
        ("max_requests_per_second", True, "a number"),
        ("fetcher_concurrency", 1, "from 2 to 1000"),
        ("fetcher_concurrency", 1001, "from 2 to 1000"),
        ("fetcher_concurrency", 2.5, "a whole number"),
        ("tick_minutes", 0, "from 1 to 60"),
        ("tick_minutes", "-5", "from 1 to 60"),
        ("overlap_minutes", 0, "from 1"),
        ("recheck_days", 0, "from 1"),
        ("fetch_queue_target", 0, "from 10"),
        ("transcript_grace_seconds", 86_400, "shorter than transcript_deadline_hours"),
        ("transcript_deadline_hours", 0, "from 1"),
        ("retry_deadline_days", 0, "from 1"),
        ("transcript_failures", ["a b"], "no status"),
        ("transcript_failures", {"a": "b"}, "list of texts"),
        ("log_retention_days", 100, "one of 1, 3, 5"),
        ("consumers", {"Audio": ""}, "no consumer name"),
        ("consumers", {"a" * 41: ""}, "no consumer name"),
        ("consumers", {"audio": "other/"}, "must be"),
        ("consumers", {"audio": "/recordings/"}, "must be"),
        ("consumers", {"audio": 1}, "map of texts"),
        ("consumers", "{", "map of texts"),
        ("consumers", [], "map of texts"),
        ("alarm_email", "operator", "no e-mail address"),
        ("alarm_email", "a@b.example, c@d.example", "no e-mail address"),
        ("tags", {"aws:x": "y"}, "keeps for itself"),
        ("tags", {"": "y"}, "none AWS accepts"),
        ("tags", {"x": "y" * 257}, "none AWS accepts"),
        ("tick_minute", 5, "did you mean tick_minutes?"),
        ("colour", "red", "no such setting"),
    ],
)
def test_a_wrong_setting_is_refused_with_one_sentence_that_names_it(
    key: str, value: object, says: str
) -> None:
    (problem,) = problems_of(**{key: value})
    assert problem.startswith(f"{key}: ")
    assert says in problem
    assert problem.endswith((".", "?"))


def test_all_problems_are_reported_at_once() -> None:
    found = problems_of(archive_from="soon", tick_minutes=0, consumers={"A": "x", "b": "y"}, colour="red")
    assert [problem.split(":")[0] for problem in found] == [
        "archive_from",
        "tick_minutes",
        "consumers",
        "consumers",
        "colour",
    ]


def test_a_password_in_the_provider_url_is_not_repeated() -> None:
    (problem,) = problems_of(provider_url="https://user:hunter2@telesign.com")
    assert "hunter2" not in problem


@pytest.mark.parametrize(
    "key",
    ["@aws-cdk/core:a", "@aws-cdk-containers/b:c", "aws:cdk:d", "availability-zones:account=1", "cli-e"],
)
def test_what_the_cdk_itself_keeps_in_the_context_is_no_unknown_setting(key: str) -> None:
    assert Config.from_context({**LEAST, key: True})


@pytest.mark.parametrize("concurrency", [2, 3, 7, 1000])
@pytest.mark.parametrize("budget", [1, 20, 50])
def test_the_functions_parts_add_up_to_the_budget(budget: float, concurrency: int) -> None:
    config = Config.from_context(
        {**LEAST, "max_requests_per_second": budget, "fetcher_concurrency": concurrency}
    )
    fetchers = config.fetcher_requests_per_second * concurrency
    listers = config.lister_requests_per_second * LISTER_CONCURRENCY
    assert fetchers == pytest.approx(budget * FETCHERS_SHARE)
    assert fetchers + listers == pytest.approx(budget)


def test_the_smallest_budget_lets_a_lister_wait_for_the_next_page() -> None:
    config = Config.from_context({**LEAST, "max_requests_per_second": 1})
    slept: list[float] = []
    budget = Budget(config.lister_requests_per_second, now=lambda: 0.0, sleep=slept.append)
    for _page in range(2):
        budget.wait()
    assert slept == pytest.approx([0, 10])


def test_a_slow_tick_raises_no_false_alarm() -> None:
    config = Config.from_context({**LEAST, "tick_minutes": 60})
    assert config.listing_lag_alarm_seconds > 3600
    assert config.gauge_period_minutes >= 60
