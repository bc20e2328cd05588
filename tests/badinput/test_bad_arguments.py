"""The command line: what cannot be meant ends in one line and an exit code, before anything is changed."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.cli import find_deployment as deployments
from infra.cli import main
from infra.connection import Connection
from tests.badinput.cases import cases
from tests.badinput.names import NAMES
from tests.badinput.words import MOMENTS, PROVIDERS, WORDS

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
    monkeypatch.setattr("infra.local.demo.demonstration.demonstrate", forbidden)


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive that knows no call."""
    knows_nothing = SimpleNamespace(ledger=SimpleNamespace(read=lambda _: None))
    monkeypatch.setattr(deployments, "find_deployment", lambda **_named: knows_nothing)


@cases(KIND, "arguments", WORDS)
def test_words_that_cannot_be_meant_are_refused_before_anything_is_looked_for(
    run: Run, undeployed: None, arguments: list[str]
) -> None:
    del undeployed
    run.refused(*arguments)


@cases(KIND, "url", {f"a provider {name}": url for name, url in PROVIDERS.items()})
def test_a_provider_that_cannot_be_read_is_refused_and_its_secret_not_repeated(
    run: Run, undeployed: None, url: str
) -> None:
    del undeployed
    said = run.refused("local", "up", "--provider-url", url, "--customer-id", "C", "--api-key", "K3Y")
    assert "sEcReT" not in said
    assert "K3Y" not in said


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
