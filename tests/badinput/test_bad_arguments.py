"""The command line: what cannot be meant ends in one line and an exit code, before anything is changed."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.cli import deployment as deployments
from infra.cli import main
from infra.connection import Connection
from tests.badinput.cases import cases
from tests.badinput.names import NAMES

if TYPE_CHECKING:
    from pathlib import Path

KIND = "arguments"


class Run:
    """Runs the command; what it wrote."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        code = main.run(list(arguments))
        out, err = self._capsys.readouterr()
        return code, out, err

    def refused(self, *arguments: str, code: int = 2) -> str:
        """The one line of an error, on the screen and not in the output."""
        got, out, err = self(*arguments)
        err = err.removeprefix("Stopped; nothing of it is left running.\n")
        assert (got, out) == (code, ""), err
        assert err.startswith("call-archive: ")
        assert err.removesuffix("\n").isprintable(), ascii(err)
        assert len(err) < 500
        return err


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(capsys)


@pytest.fixture
def undeployed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No archive is running here, and none may be looked for on AWS or started."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("CALL_ARCHIVE_API_KEY", raising=False)

    def forbidden(*_given: object, **_named: object) -> None:
        pytest.fail("the archive was looked for")

    monkeypatch.setattr(deployments, "find_deployment", forbidden)
    monkeypatch.setattr("infra.local.up.bring_up", forbidden)
    monkeypatch.setattr("infra.local.demonstration.demonstrate", forbidden)


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive that knows no call."""
    knows_nothing = SimpleNamespace(ledger=SimpleNamespace(read=lambda _: None))
    monkeypatch.setattr(deployments, "find_deployment", lambda **_named: knows_nothing)


WORDS: dict[str, list[str]] = {
    "an empty verb": [""],
    "a blank verb": [" "],
    "a verb in capitals": ["STATUS"],
    "half a verb": ["stat"],
    "a verb with a line feed": ["status\n"],
    "a verb of a path": ["../status"],
    "an option before the verb": ["--json", "status"],
    "an option of one hyphen": ["status", "-json"],
    "half an option": ["status", "--js"],
    "an option with a value it does not take": ["status", "--json=yes"],
    "an option without its value": ["status", "--stack"],
    "an option twice, the second without its value": ["status", "--stack", "A", "--stack"],
    "an option of another verb": ["status", "--wait"],
    "a word too many": ["status", "now"],
    "a separator and a word": ["status", "--", "--json"],
    "no id to show": ["show"],
    "no id to show, as JSON": ["show", "--json"],
    "two ids to show": ["show", "A", "B"],
    "no start to find from": ["find", "--end", "2026-03-01"],
    "an empty start": ["find", "--start", "", "--end", "2026-03-01"],
    "a backfill of one end": ["backfill", "2026-03-01"],
    "a backfill of three ends": ["backfill", "2026-03-01", "2026-03-02", "2026-03-03"],
    "a time-out of a word": ["backfill", "2026-03-01", "2026-03-01", "--wait", "--timeout", "long"],
    "a time-out below nought": ["backfill", "2026-03-01", "2026-03-01", "--wait", "--timeout", "-0.1"],
    "an empty time-out": ["backfill", "2026-03-01", "2026-03-01", "--wait", "--timeout", ""],
    "a time-out with a unit": ["backfill", "2026-03-01", "2026-03-01", "--wait", "--timeout", "10s"],
    "no such part of local": ["local", "sideways"],
    "no calls": ["local", "--calls", "0"],
    "calls below nought": ["local", "--calls", "-1"],
    "too many calls": ["local", "--calls", "100001"],
    "calls of a fraction": ["local", "--calls", "1.5"],
    "calls of a word": ["local", "--calls", "many"],
    "a seed of a word": ["local", "--seed", "x"],
    "a seed of a fraction": ["local", "--seed", "0.5"],
    "a folder that is not there": ["local", "--audio", "/nowhere/at/all"],
    "an empty folder's name": ["local", "--audio", ""],
    "a port below nought": ["local", "up", "--port", "-1"],
    "a port that is too high": ["local", "up", "--port", "65536"],
    "a port of a word": ["local", "up", "--port", "http"],
    "a port of a fraction": ["local", "up", "--port", "80.5"],
    "local down of something": ["local", "down", "all"],
    "a provider without credentials": ["local", "up", "--provider-url", "https://telesign.com"],
    "a provider without a key": [
        "local",
        "up",
        "--provider-url",
        "https://telesign.com",
        "--customer-id",
        "C",
    ],
    "a customer without a provider": ["local", "up", "--customer-id", "C"],
    "a host with a scheme": ["local", "up", "--recording-host", "https://tlsn.io"],
    "a host with a port": ["local", "up", "--recording-host", "tlsn.io:443"],
    "a host with a star": ["local", "up", "--recording-host", "*.tlsn.io"],
    "a host of a top-level domain": ["local", "up", "--recording-host", "com"],
    "an empty host": ["local", "up", "--recording-host", ""],
    "a host of dots": ["local", "up", "--recording-host", "..."],
    "a host with a line feed": ["local", "up", "--recording-host", "tlsn.io\n"],
    "a second host that is none": ["local", "up", "--recording-host", "tlsn.io", "--recording-host", "a b"],
}


@cases(KIND, "arguments", WORDS)
def test_words_that_cannot_be_meant_are_refused_before_anything_is_looked_for(
    run: Run, undeployed: None, arguments: list[str]
) -> None:
    del undeployed
    run.refused(*arguments)


PROVIDERS = {
    "empty": "",
    "a word": "telesign",
    "without a scheme": "rest-ww.telesign.com",
    "of another scheme": "ftp://rest-ww.telesign.com",
    "of a file": "file:///etc/passwd",
    "without a host": "https://",
    "with a path": "https://rest-ww.telesign.com/v2",
    "with a query": "https://rest-ww.telesign.com?x=sEcReT",
    "with a fragment": "https://rest-ww.telesign.com#x",
    "with a password": "https://cust0mer:sEcReT@rest-ww.telesign.com",
    "with a password and an odd host": "https://cust0mer:sEcReT@℀.example",
    "with a wrong port": "https://rest-ww.telesign.com:99999",
    "with half an address": "https://[::1",
    "with a line feed": "https://rest-ww.telesign\n.com",
    "with a blank": "https://rest-ww.telesign.com ",
    "unencrypted": "http://rest-ww.telesign.com",
    "unencrypted to a private address": "http://192.168.0.1:8080",
    "unencrypted to what only begins as loopback": "http://127.0.0.1.evil.example",
    "a homograph": "https://tеlesign.com",
}


@cases(KIND, "url", {f"a provider {name}": url for name, url in PROVIDERS.items()})
def test_a_provider_that_cannot_be_read_is_refused_and_its_secret_not_repeated(
    run: Run, undeployed: None, url: str
) -> None:
    del undeployed
    said = run.refused("local", "up", "--provider-url", url, "--customer-id", "C", "--api-key", "K3Y")
    assert "sEcReT" not in said
    assert "K3Y" not in said


MOMENTS = {
    "a blank": " ",
    "a word": "today",
    "a day and a word": "2026-03-01 noon",
    "a day of Feb 30": "2026-02-30",
    "a leap day that is none": "2026-02-29",
    "month 0": "2026-00-01",
    "day 32": "2026-01-32",
    "hour 24": "2026-03-01T24:00:00",
    "a leap second": "2016-12-31T23:59:60",
    "without seconds": "2026-03-01T12:00",
    "with fractions": "2026-03-01T12:00:00.000",
    "in another zone": "2026-03-01T12:00:00+01:00",
    "in the zone that is not known": "2026-03-01T12:00:00-00:00",
    "with a zone's name": "2026-03-01T12:00:00 UTC",
    "with a small z": "2026-03-01T12:00:00z",
    "with a small t": "2026-03-01t12:00:00",
    "in the basic form": "20260301T120000Z",
    "as the US write it": "03/01/2026",
    "as an epoch": "1772366400",
    "as a week": "2026-W09-7",
    "as a range": "2026-03-01/2026-03-02",
    "year 0": "0000-01-01",
    "year 1": "0001-01-01",
    "year 1999": "1999-12-31T23:59:59",
    "year 2100": "2100-01-01",
    "year 9999": "9999-12-31",
    "year 10000": "10000-01-01",
    "a negative year": "-2026-03-01",
    "in Arabic digits": "٢٠٢٦-٠٣-٠١",
    "in full-width digits": "２０２６-０３-０１",
    "with a line feed": "2026-03-01\n",
    "with an escape sequence": "\x1b[31m2026-03-01",
    "right to left": "\u202e2026-03-01",
    "half a surrogate pair": "\udcff",
    "of a megabyte": "2" * 10**6,
}


@cases(KIND, "moment", {f"a time of {name}": moment for name, moment in MOMENTS.items()})
@pytest.mark.parametrize(
    "arguments",
    [("find", "--end=2026-03-01", "--start"), ("backfill", "2026-03-01", "--")],
    ids=["find", "backfill"],
)
def test_what_is_no_time_is_refused_in_one_line(
    run: Run, undeployed: None, arguments: tuple[str, ...], moment: str
) -> None:
    del undeployed
    run.refused(*arguments, moment, *(["--json"] if arguments[0] == "find" else []))


@cases(KIND, "name", {f"to show {name}": value for name, value in NAMES.items()})
def test_a_call_that_nobody_knows_is_said_to_be_unknown_in_one_line(
    run: Run, deployed: None, name: str
) -> None:
    del deployed
    run.refused("show", "--json", "--", name, code=1)


NO_IDS = {
    "an empty id": "",
    "an id of 901 bytes": "a" * 901,
    "an id of a megabyte": "a" * 10**6,
    "an id of wrong bytes": "\udcff",
    "an id of half a pair": "A\ud83d",
}


@cases(KIND, "name", NO_IDS)
def test_what_cannot_be_an_id_is_refused(run: Run, deployed: None, name: str) -> None:
    del deployed
    assert "reference id" in run.refused("show", "--", name)


ENVIRONMENTS: dict[str, dict[str, str]] = {
    "an endpoint that is no url": {"AWS_ENDPOINT_URL": "nonsense"},
    "an endpoint without a scheme": {"AWS_ENDPOINT_URL": "127.0.0.1:4566"},
    "an endpoint with half an address": {"AWS_ENDPOINT_URL": "https://[::1"},
    "an endpoint that is a blank": {"AWS_ENDPOINT_URL": " "},
    "a region that is none": {"AWS_REGION": "not a region"},
    "a region with a slash": {"AWS_REGION": "eu/central"},
    "a profile that is not there": {"AWS_PROFILE": "nobody"},
    "no region": {"AWS_REGION": "", "AWS_DEFAULT_REGION": ""},
    "attempts that are none": {"AWS_MAX_ATTEMPTS": "many"},
    "a retry mode that is none": {"AWS_RETRY_MODE": "eager"},
}


@cases(KIND, "environment", ENVIRONMENTS)
def test_an_environment_of_aws_that_cannot_be_used_is_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    nothing = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    for name, text in {**nothing, "AWS_REGION": "eu-central-1", **environment}.items():
        monkeypatch.setenv(name, text)
    code, out, err = run("status", "--aws", "--json")
    assert code in (1, 2), err
    assert out == ""
    assert err.startswith("call-archive: ")
    assert len(err.strip().splitlines()) == 1


STACKS = {
    "empty": "",
    "a blank": " ",
    "of another name": "Other",
    "with a blank": "Call Archive",
    "with a line feed": "Call\nArchive",
    "with an accent": "Archivé",
    "of wrong bytes": "\udcff",
    "of 129 letters": "a" * 129,
    "of a megabyte": "a" * 10**6,
    "of an address": "arn:aws:cloudformation:eu-central-1:1:stack/x/y",
}


@cases(KIND, "stack", {f"a stack {name}": stack for name, stack in STACKS.items()})
def test_a_stack_that_is_not_there_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch, stack: str) -> None:
    def unknown(_connection: Connection, _name: str) -> dict[str, str]:
        raise ClientError({"Error": {"Code": "ValidationError", "Message": "no"}}, "DescribeStacks")

    monkeypatch.setattr(Connection, "stack_outputs", unknown)
    assert " stack" in run.refused("status", "--aws", "--json", "--stack", stack)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.sampled_from(["status", "find", "show", "backfill", "local"]),
    st.lists(
        st.text(max_size=8) | st.sampled_from(["--json", "--aws", "--start", "--wait", "up"]), max_size=4
    ),
)
def test_any_words_end_in_an_exit_code(run: Run, undeployed: None, verb: str, words: list[str]) -> None:
    del undeployed
    try:
        code, _, _ = run(verb, *words)
    except pytest.fail.Exception:
        return  # they were understood
    assert code in (0, 1, 2)
