"""What `local up` accepts as a provider, before anything is started."""

import json
from datetime import UTC, datetime

import pytest

from infra.config import Config
from infra.errors import InputError
from infra.local.deploy import Plan
from infra.local.provider import Provider, checked_hosts, checked_url, provider_from_options


def test_without_any_option_the_simulated_provider_is_meant() -> None:
    assert provider_from_options(None, None, None) is None


def test_a_key_in_the_environment_alone_asks_for_no_provider() -> None:
    assert provider_from_options(None, None, "key") is None


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        (("https://h", None, None), "--customer-id and --api-key"),
        (("https://h", "c", None), "give --api-key"),
        ((None, "c", "k"), "give --provider-url"),
        (("https://h", "c", ""), "give --api-key"),
    ],
)
def test_a_part_of_the_options_names_the_others(given: tuple[str | None, ...], missing: str) -> None:
    with pytest.raises(InputError, match=missing):
        provider_from_options(*given)


def test_a_provider_never_shows_its_key() -> None:
    provider = provider_from_options("http://localhost:8080/", "c", "k/+=")
    assert provider == Provider(url="http://localhost:8080", customer_id="c", api_key="k/+=")
    assert "k/+=" not in repr(provider)


@pytest.mark.parametrize("url", ["https://rest-ww.telesign.com", "http://127.0.0.1:8080", "http://[::1]:1"])
def test_an_encrypted_or_loopback_url_is_taken(url: str) -> None:
    assert checked_url(url) == url


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://example.com", "unencrypted"),
        ("http://127.0.0.1.example.com", "unencrypted"),
        ("ftp://127.0.0.1", "must be http"),
        ("127.0.0.1:8080", "must be http"),
        ("https://:80", "must be http"),
        ("https://h:port", "not a url"),
        ("https://u:p@h", "no credentials"),
        ("https://h/v2", "must end after the host"),
        ("https://h?x=1", "must end after the host"),
    ],
)
def test_another_url_is_refused_in_a_sentence_that_does_not_repeat_it(url: str, why: str) -> None:
    with pytest.raises(InputError, match=why) as refused:
        checked_url(url)
    assert url not in str(refused.value)


def test_recordings_may_always_come_from_this_machine() -> None:
    assert checked_hosts([]) == ("127.0.0.1", "localhost")


def test_recording_hosts_are_suffixes_in_lower_case() -> None:
    assert checked_hosts([".TLSN.io", "tlsn.io"]) == ("127.0.0.1", "localhost", "tlsn.io")


@pytest.mark.parametrize("host", ["", ".", "io", "*.tlsn.io", "https://tlsn.io", "tlsn.io:443", "a b.c"])
def test_a_recording_host_that_is_no_name_is_refused(host: str) -> None:
    with pytest.raises(InputError, match="--recording-host"):
        checked_hosts([host])


def test_a_plan_is_settings_that_the_stack_takes() -> None:
    plan = Plan(
        provider=Provider(url="http://127.0.0.1:8080", customer_id="c", api_key="k"),
        archive_from=datetime(2026, 1, 31, 12, tzinfo=UTC),
        recording_hosts=checked_hosts(["tlsn.io"]),
        transcript_grace_seconds=10,
    )
    context = dict(value.split("=", 1) for value in plan.context() if value != "-c")
    config = Config.from_context(context)
    assert config.archive_from == plan.archive_from
    assert config.recording_hosts == plan.recording_hosts
    assert config.tick_minutes == 1
    assert json.loads(context["consumers"]) == {"all": ""}


def test_a_plan_holds_no_credential() -> None:
    plan = Plan(
        provider=Provider(url="http://127.0.0.1:8080", customer_id="customer", api_key="secret"),
        archive_from=datetime(2026, 1, 31, tzinfo=UTC),
    )
    assert not any("secret" in value or "customer" in value for value in plan.context())
