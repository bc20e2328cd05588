"""The command: what it refuses, what it prints, what its exit code says. AWS is in memory."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from call_archive.errors import RetryableError
from call_archive.model.call import FileStatus, RecordingFile, StoredObject, Transcript, TranscriptStatus
from call_archive.model.message import VisitMessage
from call_archive.model.window import PendingWindow, Window
from call_archive.storage.ledger_items import SCHEMA
from infra.cli import find_deployment as deployments
from infra.cli import main
from infra.cli import wait as waiting
from infra.cli.advice import LAGGING_SECONDS, OLD_SECONDS, advice_on
from infra.cli.time_range import in_words
from infra.connection import Connection
from infra.deployment import Deployment, deployment_of
from infra.errors import InputError
from infra.local.demo.comparison import Comparison
from infra.local.demo.demonstration import Result

if TYPE_CHECKING:
    from collections.abc import Callable

    from call_archive.storage.ledger import Ledger
    from call_archive.storage.queues import Queue
    from tests.unit.conftest import MakeCall

    Bodies = Callable[[Queue], list[dict[str, Any]]]

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
RECORD = [
    "reference_id",
    "file_name",
    "recorded_at",
    "status",
    "reason",
    "key",
    "size",
    "sha256",
    "transcript",
]


class Cli:
    """Runs the command; its exit code, and what it wrote."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.out = self.err = ""

    def __call__(self, *arguments: str) -> int:
        code = main.run(list(arguments))
        self.out, self.err = self._capsys.readouterr()
        return code

    def json(self, *arguments: str, code: int = 0) -> Any:
        assert self(*arguments, "--json") == code, self.err
        return json.loads(self.out)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(capsys)


@pytest.fixture
def deployed(
    ledger: Ledger,
    make_queue: Callable[[str], Queue],
    template: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> Deployment:
    """An archive in memory that every verb finds, with the outputs that the template has."""
    queues = ("FetchQueue", "FetchDlq", "WindowsQueue", "WindowsDlq", "ScheduleDlq")
    texts = {name: output["Value"] for name, output in template["Outputs"].items()}
    outputs = {name: text if isinstance(text, str) else "unused" for name, text in texts.items()}
    assert {f"{queue}Url" for queue in queues} <= outputs.keys()
    outputs |= {f"{queue}Url": make_queue(queue).url for queue in queues} | {"Table": ledger.table}
    deployment = deployment_of("CallArchive", outputs, Connection())
    monkeypatch.setattr(deployments, "find_deployment", lambda **_named: deployment)
    return deployment


@pytest.fixture
def undeployed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive that may not even be looked for."""

    def forbidden(**_named: object) -> Deployment:
        pytest.fail("the archive was looked for")

    monkeypatch.setattr(deployments, "find_deployment", forbidden)


# --- What the demonstration finds


@pytest.mark.parametrize(
    ("found", "code"), [({}, 0), ({"missing": ("a",)}, 1), ({"altered": ("a",)}, 1), ({"extra": ("a",)}, 1)]
)
def test_the_demonstration_ends_with_0_only_if_all_of_it_is_there_and_nothing_else(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, found: dict[str, tuple[str, ...]], code: int
) -> None:
    nothing: dict[str, Any] = {"missing": (), "altered": (), "extra": ()}
    comparison = Comparison(recordings=1, transcripts=1, size=1, deleted_at_source=0, **{**nothing, **found})
    result = Result(comparison=comparison, calls=1, events=2, deploy_seconds=1, archive_seconds=1)
    monkeypatch.setattr("infra.local.demo.demonstration.demonstrate", lambda **_asked: result)
    assert cli("local") == code
    assert all(f"│ {kind}" in cli.out for kind in nothing)


# --- What is asked


@pytest.mark.parametrize(
    "verb", [[], ["local"], ["backfill"], ["status"], ["find"], ["show"], ["verify"], ["local", "up"]]
)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_every_verb_has_a_help_that_needs_no_archive(
    cli: Cli, undeployed: None, verb: list[str], flag: str
) -> None:
    del undeployed
    assert cli(*verb, flag) == 0
    assert cli.out.startswith(f"Usage: {' '.join(['call-archive', *verb])} ")
    assert cli.err == ""


def test_without_a_verb_the_help_is_shown(cli: Cli) -> None:
    assert cli() in (0, 2)
    assert "Usage: call-archive" in cli.out + cli.err
    assert not [verb for verb in main.VERBS if verb not in cli.out + cli.err]


def test_the_version_is_reported(cli: Cli) -> None:
    assert cli("--version") == 0
    assert cli.out.startswith("call-archive 0.")


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["--nonsense"],
        ["status", "extra"],
        ["status", "--nonsense"],
        ["show"],
        ["find"],
        ["find", "--start", "2026-03-01"],
        ["find", "--end", "2026-03-01"],
        ["find", "2026-03-01", "2026-03-02"],
        ["backfill"],
        ["backfill", "2026-03-01"],
        ["backfill", "2026-03-01", "2026-03-02", "2026-03-03"],
        ["backfill", "--timeout", "5"],
        ["backfill", "2026-03-01", "2026-03-02", "--wait", "--timeout", "-1"],
        ["backfill", "2026-03-01", "2026-03-02", "--wait", "--timeout", "soon"],
    ],
)
def test_what_cannot_be_understood_is_one_line_and_exit_code_2(
    cli: Cli, undeployed: None, arguments: list[str]
) -> None:
    del undeployed
    assert cli(*arguments) == 2
    assert cli.out == ""
    assert cli.err.startswith("call-archive: ")


BAD_MOMENTS = [
    "",
    "yesterday",
    "2026",
    "2026-03",
    "2026-13-01",
    "2026-02-30",
    "2026-03-01T25:00:00",
    "2026-03-01T12",
    "2026-03-01T12:00",
    "2026-03-01T12:00:00.5",
    "2026-03-01T12:00:00+02:00",
    "20260301",
    "20260301T120000",
    "2026-W09-7",
    "26-03-01",
    "1999-12-31",
    "2101-01-01",
    "9999-12-31",
    "0001-01-01",
    "٢٠٢٦-٠٣-٠١",
    "2026-03-01\n",
]


@pytest.mark.parametrize("moment", BAD_MOMENTS)
@pytest.mark.parametrize(
    "arguments",
    [
        ["find", "--start", "?", "--end", "2026-03-01"],
        ["find", "--start", "2026-03-01", "--end", "?"],
        ["backfill", "?", "2026-03-01"],
        ["backfill", "2026-03-01", "?"],
    ],
    ids=["find start", "find end", "backfill start", "backfill end"],
)
def test_what_is_no_time_in_utc_to_the_second_is_refused(
    cli: Cli, deployed: Deployment, arguments: list[str], moment: str
) -> None:
    assert cli(*[moment if each == "?" else each for each in arguments]) == 2
    assert cli.err.startswith("call-archive: ")
    assert deployed.ledger.open_windows() == []


@pytest.mark.parametrize("moment", ["2026-03-01T12:00:00", "2026-03-01T12:00:00Z"])
def test_a_time_may_be_written_so(cli: Cli, deployed: Deployment, make_call: MakeCall, moment: str) -> None:
    deployed.ledger.write(make_call(recorded_at=NOON))
    assert len(cli.json("find", "--start", moment, "--end", moment)) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["find", "--start", "2026-03-02", "--end", "2026-03-01"],
        ["find", "--start", "2026-03-01T12:00:01", "--end", "2026-03-01T12:00:00"],
        ["backfill", "2026-03-02", "2026-03-01"],
        ["backfill", "2026-03-01T12:00:01", "2026-03-01T12:00:00", "--wait"],
        ["backfill", "2026-03-01", "2090-01-01"],
        ["backfill", "2090-01-01", "2090-01-01"],
        ["backfill", "2026-03-01", "2026-03-01", "--timeout", "5"],
        ["backfill", "2026-03-01", "2026-03-01", "--wait", "--timeout", "nan"],
        ["backfill", "2026-03-01", "2026-03-01", "--wait", "--timeout", "inf"],
    ],
)
def test_a_range_that_cannot_be_meant_changes_nothing(
    cli: Cli, deployed: Deployment, arguments: list[str]
) -> None:
    assert cli(*arguments) == 2
    assert cli.err.startswith("call-archive: ")
    assert deployed.ledger.open_windows() == []


# --- Errors


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("There is no stack."), 2),
        (NoCredentialsError(), 2),
        (ClientError({"Error": {"Code": "ExpiredToken", "Message": "old"}}, "GetItem"), 2),
        (ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetItem"), 2),
        (ClientError({"Error": {"Code": "InternalFailure", "Message": "no"}}, "GetItem"), 1),
        (RetryableError("the ledger would not read some calls or windows"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_what_an_operator_can_fix_is_one_sentence(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    def fails(**_named: object) -> Deployment:
        raise error

    monkeypatch.setattr(deployments, "find_deployment", fails)
    assert cli("status") == code
    assert cli.err.strip().startswith("call-archive: ")
    assert len(cli.err.strip().splitlines()) == 1


def test_a_bug_shows_as_one(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(**_named: object) -> Deployment:
        raise ZeroDivisionError

    monkeypatch.setattr(deployments, "find_deployment", fails)
    with pytest.raises(ZeroDivisionError):
        cli("status")


def test_a_stack_that_is_no_archive_is_said_to_be_none() -> None:
    with pytest.raises(InputError, match="Other has no output Bucket"):
        deployment_of("Other", {}, Connection())


# --- A ledger of another version


def outputs_of(deployment: Deployment, schema: str) -> dict[str, str]:
    names = [name.replace("_", " ").title().replace(" ", "") for name in vars(deployment)]
    return dict.fromkeys(names, "unused") | {
        "LeaseSeconds": "1200",
        "Consumers": "{}",
        "Table": deployment.table,
        "Schema": schema,
    }


def test_a_stack_with_a_newer_schema_asks_for_another_call_archive(deployed: Deployment) -> None:
    outputs = outputs_of(deployed, str(SCHEMA + 1))
    with pytest.raises(
        InputError, match="schema 2, and this call-archive reads up to 1: upgrade call-archive"
    ):
        deployment_of("CallArchive", outputs, Connection())


@pytest.mark.parametrize("schema", ["", "one", "1.0", "-1", "²"])
def test_a_stack_whose_schema_is_no_number_is_said_to_have_none(deployed: Deployment, schema: str) -> None:
    with pytest.raises(InputError, match="which is no whole number"):
        deployment_of("CallArchive", outputs_of(deployed, schema), Connection())


@pytest.fixture
def older(deployed: Deployment, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """The archive, as a version before this one deployed it."""
    deployment = deployment_of("CallArchive", outputs_of(deployed, str(SCHEMA - 1)), Connection())
    monkeypatch.setattr(deployments, "find_deployment", lambda **_named: deployment)
    return deployment


@pytest.mark.parametrize("options", [[], ["--wait", "--timeout", "0"]])
def test_a_backfill_of_an_older_stack_asks_to_deploy_first(
    cli: Cli, older: Deployment, options: list[str]
) -> None:
    assert cli("backfill", "2026-03-01", "2026-03-01", *options) == 2
    assert "deploy this version first (`cdk deploy`); nothing was changed." in cli.err
    assert older.ledger.open_windows() == []


def test_an_older_stack_can_be_read(cli: Cli, older: Deployment, make_call: MakeCall) -> None:
    older.ledger.write(make_call())
    assert len(find(cli)) == 1


@pytest.mark.parametrize(
    ("pk", "arguments"),
    [
        ("call#CALL", ["show", "CALL"]),
        ("call#CALL", ["find", "--start", "2026-03-01", "--end", "2026-03-01"]),
        ("call#CALL", ["status"]),
        ("window#2026-03-01T00:00:00Z#2026-03-01T00:59:59Z#recheck", ["status"]),
        ("cursor", ["status"]),
        (
            "window#2026-03-01T00:00:00Z#2026-03-01T00:59:59Z#recheck",
            ["backfill", "2026-03-01T00:00:00", "2026-03-01T00:59:59"],
        ),
        ("call#CALL", ["backfill", "2026-02-01", "2026-02-01", "--wait", "--timeout", "0"]),
    ],
)
def test_an_item_of_a_newer_version_is_one_sentence_and_stays_as_it_is(
    cli: Cli, deployed: Deployment, make_call: MakeCall, pk: str, arguments: list[str]
) -> None:
    ledger = deployed.ledger
    first_hour = Window(start=NOON.replace(hour=0), end=NOON.replace(hour=1) - SECOND, recheck=True)
    ledger.write(make_call())
    ledger.put_windows([PendingWindow(window=first_hour, due_at=NOON, next_visit_at=NOON)])
    ledger.move_cursor(NOON)
    item = ledger.client.get_item(TableName=ledger.table, Key={"pk": {"S": pk}})["Item"]
    newer = {**item, "schema": {"N": "2"}}
    ledger.client.put_item(TableName=ledger.table, Item=newer)
    assert cli(*arguments) == 1
    assert cli.out == ""
    assert cli.err.startswith(
        f"call-archive: the ledger's item {pk} has schema 2 and this version reads up to 1: "
    )
    assert len(cli.err.splitlines()) == 1
    assert ledger.client.get_item(TableName=ledger.table, Key={"pk": {"S": pk}})["Item"] == newer


# --- find


def archived(stored: StoredObject, transcript: Transcript | None = None) -> dict[str, Any]:
    return {"status": FileStatus.ARCHIVED, "recording": stored, "transcript": transcript}


def find(cli: Cli, start: str = "2026-03-01", end: str = "2026-03-01") -> Any:
    return cli.json("find", "--start", start, "--end", end)


def test_find_reports_of_an_archived_file_all_that_a_program_needs(
    cli: Cli, deployed: Deployment, make_call: MakeCall, stored: StoredObject
) -> None:
    transcript = Transcript(
        status=TranscriptStatus.ARCHIVED, stored=replace(stored, key="transcripts/a.json")
    )
    deployed.ledger.write(make_call(**archived(stored, transcript)))
    (record,) = find(cli)
    assert list(record) == RECORD
    told = record.pop("transcript")
    assert (told["status"], told["key"]) == ("archived", "transcripts/a.json")
    assert record == {
        "reference_id": "CALL",
        "file_name": "CALL.wav",
        "recorded_at": "2026-03-01T12:00:00Z",
        "status": "archived",
        "reason": None,
        "key": stored.key,
        "size": 44,
        "sha256": "ab" * 32,
    }


def test_find_reports_nothing_of_a_transcript_before_its_file_was_seen_available(
    cli: Cli, deployed: Deployment, make_call: MakeCall
) -> None:
    deployed.ledger.write(make_call(reason="not visited yet"))
    (record,) = find(cli)
    assert list(record) == RECORD
    assert (record["status"], record["reason"]) == ("recording", "not visited yet")
    assert [record[name] for name in ("key", "size", "sha256", "transcript")] == [None] * 4


@pytest.mark.parametrize("status", list(TranscriptStatus))
def test_find_reports_a_transcripts_status_and_its_key_once_there_is_one(
    cli: Cli, deployed: Deployment, make_call: MakeCall, stored: StoredObject, status: TranscriptStatus
) -> None:
    key = stored if status is TranscriptStatus.ARCHIVED else None
    deployed.ledger.write(make_call(**archived(stored, Transcript(status=status, stored=key))))
    (record,) = find(cli)
    assert record["transcript"]["status"] == status.value
    assert record["transcript"]["key"] == (stored.key if key else None)


def test_find_reports_of_a_transcript_its_status_and_its_key_alone(
    cli: Cli, deployed: Deployment, make_call: MakeCall, stored: StoredObject
) -> None:
    deployed.ledger.write(make_call(**archived(stored, Transcript(status=TranscriptStatus.NONE))))
    (record,) = find(cli)
    assert list(record["transcript"]) == ["status", "key"]


@pytest.mark.parametrize("status", [FileStatus.FAILED, FileStatus.DELETED_AT_SOURCE])
def test_find_reports_what_was_not_archived_and_why(
    cli: Cli, deployed: Deployment, make_call: MakeCall, status: FileStatus
) -> None:
    deployed.ledger.write(make_call(status=status, reason="the recording is empty (0 bytes)"))
    (record,) = find(cli)
    assert (record["status"], record["reason"]) == (status.value, "the recording is empty (0 bytes)")


def test_find_reports_of_a_call_in_progress_without_a_file_name(
    cli: Cli, deployed: Deployment, make_call: MakeCall
) -> None:
    unnamed = RecordingFile(recorded_at=NOON, first_seen_at=NOON, reason="in progress")
    deployed.ledger.write(make_call(files={}, unnamed=unnamed))
    (record,) = find(cli)
    assert (record["reference_id"], record["file_name"], record["status"]) == ("CALL", None, "recording")


def test_find_gives_an_empty_array_for_an_empty_range(cli: Cli, deployed: Deployment) -> None:
    del deployed
    assert find(cli) == []


def test_find_keeps_any_name_as_it_is(cli: Cli, deployed: Deployment, make_call: MakeCall) -> None:
    name = 'a "b"\n’/../🔑.wav'
    file = RecordingFile(recorded_at=NOON, first_seen_at=NOON)
    deployed.ledger.write(make_call("Ünï", files={name: file}))
    (record,) = find(cli)
    assert (record["reference_id"], record["file_name"]) == ("Ünï", name)


def test_find_takes_both_ends_to_the_second(cli: Cli, deployed: Deployment, make_call: MakeCall) -> None:
    for number in range(5):
        deployed.ledger.write(make_call(f"C{number}", recorded_at=NOON + number * SECOND))
    found = find(cli, "2026-03-01T12:00:01", "2026-03-01T12:00:03")
    assert [record["reference_id"] for record in found] == ["C1", "C2", "C3"]


def test_find_takes_all_of_a_day(cli: Cli, deployed: Deployment, make_call: MakeCall) -> None:
    midnight = datetime(2026, 3, 1, tzinfo=UTC)
    day = timedelta(days=1)
    for name, moment in (
        ("A", midnight - SECOND),
        ("B", midnight),
        ("C", midnight + day - SECOND),
        ("D", midnight + day),
    ):
        deployed.ledger.write(make_call(name, recorded_at=moment))
    assert [record["reference_id"] for record in find(cli)] == ["B", "C"]


def test_find_takes_a_file_by_its_own_date_though_its_call_began_the_day_before(
    cli: Cli, deployed: Deployment, make_call: MakeCall
) -> None:
    midnight = datetime(2026, 3, 1, tzinfo=UTC)
    files = {
        name: RecordingFile(recorded_at=moment, first_seen_at=NOON)
        for name, moment in (("before.wav", midnight - SECOND), ("after.wav", midnight + SECOND))
    }
    deployed.ledger.write(make_call(recorded_at=midnight - SECOND, files=files))
    assert [record["file_name"] for record in find(cli)] == ["after.wav"]


def test_find_prints_a_line_a_file(
    cli: Cli, deployed: Deployment, make_call: MakeCall, stored: StoredObject
) -> None:
    deployed.ledger.write(make_call(**archived(stored)))
    deployed.ledger.write(make_call("OPEN", reason="in progress"))
    assert cli("find", "--start", "2026-03-01", "--end", "2026-03-01") == 0
    lines = cli.out.splitlines()
    assert len(lines) == 2
    assert stored.key in lines[0]
    assert "OPEN OPEN.wav (in progress)" in lines[1]


def test_find_says_on_standard_error_that_nothing_is_known(cli: Cli, deployed: Deployment) -> None:
    del deployed
    assert cli("find", "--start", "2026-03-01", "--end", "2026-03-01") == 0
    assert (cli.out, cli.err) == ("", "No recordings are known of that range.\n")


# --- show


def test_show_reports_everything_of_a_call(
    cli: Cli, deployed: Deployment, make_call: MakeCall, stored: StoredObject
) -> None:
    unnamed = RecordingFile(recorded_at=NOON, first_seen_at=NOON, reason="in progress")
    deployed.ledger.write(make_call(**archived(stored), unnamed=unnamed, visits=3, last_error="a 503"))
    known = cli.json("show", "CALL")
    files = known.pop("files")
    assert known == {
        "reference_id": "CALL",
        "state": "open",
        "recorded_at": "2026-03-01T12:00:00Z",
        "opened_at": "2026-03-01T12:00:00Z",
        "visits": 3,
        "next_visit_at": "2026-03-01T12:00:00Z",
        "last_error": "a 503",
    }
    assert [file["file_name"] for file in files] == ["CALL.wav", None]
    assert [list(file) for file in files] == [RECORD, RECORD]


def test_show_plans_no_visit_of_a_settled_call(
    cli: Cli, deployed: Deployment, make_call: MakeCall, stored: StoredObject
) -> None:
    deployed.ledger.write(make_call(**archived(stored)))
    known = cli.json("show", "CALL")
    assert (known["state"], known["next_visit_at"]) == ("settled", None)


def test_show_prints_each_file_with_its_key(
    cli: Cli, deployed: Deployment, make_call: MakeCall, stored: StoredObject
) -> None:
    transcript = Transcript(status=TranscriptStatus.FAILED, reason="not completed in time")
    deployed.ledger.write(make_call(**archived(stored, transcript)))
    assert cli("show", "CALL") == 0
    assert [
        part
        for part in (stored.key, stored.sha256, "CALL.wav", "not completed in time")
        if part not in cli.out
    ] == []


def test_show_of_an_unknown_call_says_what_to_do(cli: Cli, deployed: Deployment) -> None:
    del deployed
    assert cli("show", "NOBODY") == 1
    assert "NOBODY" in cli.err
    assert "backfill" in cli.err


# --- status


def test_status_of_a_new_archive_reports_that_the_tick_has_not_run(cli: Cli, deployed: Deployment) -> None:
    del deployed
    summary = cli.json("status")
    assert summary["cursor"] is None
    assert summary["calls"] == {"open": 0, "oldest_open_seconds": 0, "failed": 0}
    assert ["tick has not run" in line for line in summary["advice"]] == [True]
    assert cli("status") == 0
    assert "nothing yet" in cli.out


def test_status_of_an_archive_that_keeps_up_needs_nobody(cli: Cli, deployed: Deployment) -> None:
    deployed.ledger.move_cursor(datetime.now(UTC))
    assert cli.json("status")["advice"] == ["All is well: nothing needs you."]
    assert cli("status") == 0
    assert "All is well" in cli.out


def test_status_reports_what_is_open_what_failed_and_what_to_do(
    cli: Cli, deployed: Deployment, make_call: MakeCall
) -> None:
    deployed.ledger.move_cursor(datetime.now(UTC))
    deployed.ledger.write(make_call("OLD", opened_at=datetime.now(UTC) - timedelta(days=2), reason="a 503"))
    deployed.ledger.write(make_call("NEW", opened_at=datetime.now(UTC)))
    deployed.ledger.write(make_call("BAD", status=FileStatus.FAILED, reason="it is empty"))
    deployed.queue(deployed.fetch_dlq_url).send([VisitMessage(reference_id="OLD")])
    summary = cli.json("status")
    assert (summary["calls"]["open"], summary["calls"]["failed"]) == (2, 1)
    assert summary["calls"]["oldest_open_seconds"] >= 2 * 86_400
    assert [call["reference_id"] for call in summary["oldest_open"]] == ["OLD", "NEW"]
    assert [(call["reference_id"], call["reason"]) for call in summary["failed"]] == [("BAD", "it is empty")]
    assert summary["queues"] == {
        "fetch": 0,
        "fetch_dlq": 1,
        "windows": 0,
        "windows_dlq": 0,
        "schedule_dlq": 0,
    }
    assert len(summary["advice"]) == 3
    assert cli("status") == 0
    assert [part for part in ("OLD  a 503", "BAD  it is empty", "fetch_dlq 1") if part not in cli.out] == []


def test_status_lists_some_and_counts_all(cli: Cli, deployed: Deployment, make_call: MakeCall) -> None:
    deployed.ledger.write_many([make_call(f"C{number}") for number in range(30)])
    summary = cli.json("status")
    assert (summary["calls"]["open"], len(summary["oldest_open"])) == (30, 20)


def test_status_reports_why_listing_fails(cli: Cli, deployed: Deployment) -> None:
    deployed.ledger.move_cursor(NOON)
    deployed.ledger.put_windows([refused_window()])
    summary = cli.json("status")
    assert summary["windows"] == {"open": 1, "last_error": "the provider refuses our credentials (401)"}
    assert [line for line in summary["advice"] if "refuses our credentials (401)" in line]


STANDING: dict[str, Any] = {
    "cursor": "2026-03-01T12:00:00Z",
    "listing_lag_seconds": 0,
    "windows": {"open": 0, "last_error": None},
    "calls": {"open": 0, "oldest_open_seconds": 0, "failed": 0},
    "queues": {"fetch": 9, "fetch_dlq": 0, "windows": 9, "windows_dlq": 0, "schedule_dlq": 0},
}


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"cursor": None, "listing_lag_seconds": None}, "tick"),
        ({"listing_lag_seconds": LAGGING_SECONDS + 1}, "lags"),
        ({"windows": {"open": 1, "last_error": "a 503"}}, "a 503"),
        ({"calls": {"open": 1, "oldest_open_seconds": OLD_SECONDS + 1, "failed": 0}}, "over a day"),
        ({"calls": {"open": 0, "oldest_open_seconds": 0, "failed": 1}}, "backfill"),
        ({"queues": {**STANDING["queues"], "fetch_dlq": 1}}, "dead-letter"),
        ({"queues": {**STANDING["queues"], "windows_dlq": 1}}, "dead-letter"),
        ({"queues": {**STANDING["queues"], "schedule_dlq": 1}}, "Scheduled"),
        ({}, "All is well"),
        ({"listing_lag_seconds": LAGGING_SECONDS}, "All is well"),
        ({"calls": {"open": 1, "oldest_open_seconds": OLD_SECONDS, "failed": 0}}, "All is well"),
    ],
)
def test_each_thing_that_wants_attention_has_its_advice(changes: dict[str, Any], word: str) -> None:
    (advice,) = advice_on(STANDING | changes)
    assert word in advice


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3599, "59 min 59 s"),
        (90_061, "1 d 1 h"),
        (86_401, "1 d 1 s"),
    ],
)
def test_a_duration_is_reported_in_its_two_largest_units(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


# --- backfill


def refused_window(attempts: int = 3) -> PendingWindow:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    return PendingWindow(
        window=Window(start=start, end=start + timedelta(hours=1) - SECOND, recheck=True),
        due_at=NOON,
        next_visit_at=NOON,
        attempts=attempts,
        last_error="the provider refuses our credentials (401)",
        refused=True,
    )


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], object]]:
    """What the archive does between the command's looks, one after the other; each look takes a second."""
    steps: list[Callable[[], object]] = []
    clock = SimpleNamespace(now=0.0)

    def sleep(seconds: float) -> None:
        clock.now += seconds
        assert clock.now < 1000, "the command waits for ever"
        if steps:
            steps.pop(0)()

    monkeypatch.setattr(waiting, "time", SimpleNamespace(monotonic=lambda: clock.now, sleep=sleep))
    return steps


def list_all(ledger: Ledger) -> None:
    for pending in ledger.open_windows():
        ledger.finish_window(pending.window)


def test_backfill_notes_windows_and_queues_them(cli: Cli, deployed: Deployment, bodies: Bodies) -> None:
    assert cli.json("backfill", "2026-03-01", "2026-03-02") == {
        "start": "2026-03-01T00:00:00Z",
        "end": "2026-03-02T23:59:59Z",
        "windows": 48,
    }
    windows = sorted(pending.window for pending in deployed.ledger.open_windows())
    assert (windows[0].start, windows[-1].end) == (
        datetime(2026, 3, 1, tzinfo=UTC),
        datetime(2026, 3, 2, 23, 59, 59, tzinfo=UTC),
    )
    assert {window.recheck for window in windows} == {True}
    assert len(windows) == len(bodies(deployed.queue(deployed.windows_queue_url))) == 48
    assert deployed.ledger.listed_until() is None


def test_backfill_says_how_much_it_queued(cli: Cli, deployed: Deployment) -> None:
    del deployed
    assert cli("backfill", "2026-03-01T12:00:00", "2026-03-01T12:00:00") == 0
    assert "Queued 1 window" in cli.out


def test_backfill_waits_until_all_is_settled(
    cli: Cli,
    deployed: Deployment,
    make_call: MakeCall,
    stored: StoredObject,
    meanwhile: list[Callable[[], object]],
) -> None:
    ledger = deployed.ledger
    meanwhile += [
        lambda: ledger.write(make_call()),
        lambda: list_all(ledger),
        lambda: ledger.write(make_call(version=1, **archived(stored))),
    ]
    outcome = cli.json("backfill", "2026-03-01", "2026-03-01", "--wait")
    assert (outcome["settled"], outcome["open"], outcome["failed"]) == (True, [], [])
    assert meanwhile == []


def test_backfill_does_not_believe_the_first_look_at_an_index(
    cli: Cli, deployed: Deployment, make_call: MakeCall, meanwhile: list[Callable[[], object]]
) -> None:
    """The indexes follow with a delay: an open call may appear after a look that found nothing."""
    ledger = deployed.ledger
    late = make_call()
    meanwhile += [
        lambda: list_all(ledger),
        lambda: ledger.write(late),
        lambda: ledger.write(make_call(version=1, status=FileStatus.FAILED, reason="it is empty")),
    ]
    outcome = cli.json("backfill", "2026-03-01", "2026-03-01", "--wait", code=1)
    assert outcome["failed"] == [{"reference_id": "CALL", "reason": "it is empty"}]


def test_backfill_lists_what_failed_with_its_reason(
    cli: Cli,
    deployed: Deployment,
    make_call: MakeCall,
    stored: StoredObject,
    meanwhile: list[Callable[[], object]],
) -> None:
    ledger = deployed.ledger
    failed = Transcript(status=TranscriptStatus.FAILED, reason="not completed in time")
    ledger.write(make_call("A", status=FileStatus.FAILED, reason="it is empty"))
    ledger.write(make_call("B", **archived(stored, failed)))
    ledger.write(make_call("OTHER", recorded_at=NOON - timedelta(days=9), status=FileStatus.FAILED))
    meanwhile.append(lambda: list_all(ledger))
    outcome = cli.json("backfill", "2026-03-01", "2026-03-01", "--wait", code=1)
    assert outcome["settled"]
    assert sorted((each["reference_id"], each["reason"]) for each in outcome["failed"]) == [
        ("A", "it is empty"),
        ("B", "transcript: not completed in time"),
    ]


def test_backfill_prints_what_failed(
    cli: Cli, deployed: Deployment, make_call: MakeCall, meanwhile: list[Callable[[], object]]
) -> None:
    deployed.ledger.write(make_call(status=FileStatus.FAILED, reason="it is empty"))
    meanwhile.append(lambda: list_all(deployed.ledger))
    assert cli("backfill", "2026-03-01", "2026-03-01", "--wait") == 1
    assert "failed  CALL  it is empty" in cli.out


def test_backfill_says_what_is_still_open_when_the_time_was_not_enough(
    cli: Cli, deployed: Deployment, make_call: MakeCall, meanwhile: list[Callable[[], object]]
) -> None:
    ledger = deployed.ledger
    ledger.write(make_call(reason="in progress"))
    ledger.write(make_call("BAD", status=FileStatus.FAILED, reason="it is empty"))
    meanwhile.append(lambda: ledger.finish_window(min(pending.window for pending in ledger.open_windows())))
    outcome = cli.json(
        "backfill", "2026-03-01T00:00:00", "2026-03-01T12:30:00", "--wait", "--timeout", "5", code=3
    )
    assert not outcome["settled"]
    assert {"reference_id": "CALL", "reason": "in progress"} in outcome["open"]
    assert {"window": "2026-03-01T12:00:00 to 2026-03-01T12:30:00", "reason": "not listed yet"} in outcome[
        "open"
    ]
    assert len(outcome["open"]) == 13
    assert outcome["failed"] == [{"reference_id": "BAD", "reason": "it is empty"}]


def test_backfill_of_a_range_that_the_provider_refuses_to_list_fails_and_says_why(
    cli: Cli, deployed: Deployment, meanwhile: list[Callable[[], object]]
) -> None:
    meanwhile.append(lambda: deployed.ledger.update_window(refused_window()))
    outcome = cli.json("backfill", "2026-03-01T00:00:00", "2026-03-01T00:59:59", "--wait", code=1)
    assert not outcome["settled"]
    assert outcome["failed"] == [
        {
            "window": "2026-03-01T00:00:00 to 2026-03-01T00:59:59",
            "reason": "the provider refuses our credentials (401)",
        }
    ]


def test_backfill_gives_a_window_that_was_refused_once_more_tries(
    cli: Cli, deployed: Deployment, meanwhile: list[Callable[[], object]]
) -> None:
    ledger = deployed.ledger
    # Longer than it would take to believe that nothing is open.
    looks: list[Callable[[], object]] = [lambda: None] * waiting.CONFIRMATIONS
    meanwhile += [
        lambda: ledger.update_window(refused_window(attempts=1)),
        *looks,
        lambda: list_all(ledger),
    ]
    assert cli.json("backfill", "2026-03-01T00:00:00", "2026-03-01T00:59:59", "--wait")["settled"]


def test_a_range_is_settled_once_neither_a_window_nor_a_call_is_open(make_call: MakeCall) -> None:
    def settled(**parts: Any) -> bool:
        nothing: dict[str, Any] = {"windows": [], "refused": [], "open_calls": []}
        return waiting.Summary(**{**nothing, **parts}).settled

    assert settled()
    assert settled(refused=[refused_window()])
    assert not settled(windows=[refused_window(attempts=1)])
    assert not settled(open_calls=[make_call()])


def test_backfill_does_not_wait_for_other_ranges(
    cli: Cli, deployed: Deployment, make_call: MakeCall, meanwhile: list[Callable[[], object]]
) -> None:
    ledger = deployed.ledger
    ledger.write(make_call("OTHER", recorded_at=NOON - timedelta(days=9)))
    elsewhere = Window(start=NOON - timedelta(days=9), end=NOON - timedelta(days=9))
    other = PendingWindow(window=elsewhere, due_at=NOON, next_visit_at=NOON)
    ledger.put_windows([other])

    def list_ours() -> None:
        list_all(ledger)
        ledger.put_windows([other])

    meanwhile.append(list_ours)
    assert cli.json("backfill", "2026-03-01", "2026-03-01", "--wait")["settled"]
