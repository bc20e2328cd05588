"""Ledger and bucket compared both ways, with AWS in memory: what is told, what is not, and how it is taken up."""

# ruff: noqa: N803 (two fakes take requests as AWS names their parameters)

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
import sys
import tracemalloc
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from call_archive.model.call import (
    Call,
    FileStatus,
    RecordingFile,
    StoredObject,
    Transcript,
    TranscriptStatus,
)
from call_archive.model.object_key import Origin
from call_archive.storage.ledger import Ledger
from call_archive.storage.ledger_items import call_key, call_to_item
from infra.cli import find_deployment as deployments
from infra.cli import main
from infra.deployment import Deployment, deployment_of
from infra.verification import bucket_versions as buckets
from infra.verification import ledger_pages as walking
from infra.verification import verify as verifying
from infra.verification.bucket_versions import Bucket
from infra.verification.checkpoint import FORM, Checkpoint
from infra.verification.verify import Verification, verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

    from infra.connection import Connection

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BUCKET = "archive"
WAV = b"RIFF\x24\0\0\0WAVEfmt " + b"\0" * 28
SHA256 = base64.b64encode(hashlib.sha256(WAV).digest()).decode()
OTHERS = (
    *("FetchQueueUrl", "FetchDlqUrl", "WindowsQueueUrl", "WindowsDlqUrl", "ScheduleDlqUrl", "SecretId"),
    *("ListerFunction", "FetcherFunction", "Dashboard"),
)
LONG_ID, LONG_NAME = "Ü/" * 150, "../%41~" * 100


def key_of(reference_id: str, name: str = "a.wav", *, at: datetime = NOON) -> str:
    return Origin(reference_id=reference_id, file_name=name, recorded_at=at).recording_key


def transcript_of(reference_id: str, name: str = "a.wav", *, at: datetime = NOON) -> str:
    return Origin(reference_id=reference_id, file_name=name, recorded_at=at).transcript_key


@dataclass
class Held:
    """An archive in memory, filled as the fetcher does it: first the objects, then the ledger."""

    s3: S3Client
    ledger: Ledger

    def store(self, key: str, body: bytes = WAV) -> StoredObject:
        digest = hashlib.sha256(body)
        answer = self.s3.put_object(Bucket=BUCKET, Key=key, Body=body, ChecksumAlgorithm="SHA256")
        return StoredObject(
            key=key,
            size=len(body),
            sha256=digest.hexdigest(),
            version_id=answer["VersionId"],
            archived_at=NOON,
        )

    def note(self, reference_id: str, files: Mapping[str, RecordingFile], *, at: datetime = NOON) -> Call:
        call = Call(
            reference_id=reference_id,
            recorded_at=at,
            opened_at=at,
            due_at=at,
            next_visit_at=at,
            files=files,
        )
        assert self.ledger.write(call)
        return call

    def archive(self, reference_id: str = "CALL", name: str = "a.wav", *, at: datetime = NOON) -> Call:
        """A settled call with one file and its transcript."""
        document = json.dumps({"reference_id": reference_id}).encode()
        file = RecordingFile(
            recorded_at=at,
            first_seen_at=at,
            status=FileStatus.ARCHIVED,
            recording=self.store(key_of(reference_id, name, at=at)),
            transcript=Transcript(
                status=TranscriptStatus.ARCHIVED,
                stored=self.store(transcript_of(reference_id, name, at=at), document),
            ),
        )
        return self.note(reference_id, {name: file}, at=at)

    def forget(self, reference_id: str) -> None:
        self.ledger.client.delete_item(TableName=self.ledger.table, Key={"pk": {"S": f"call#{reference_id}"}})


def a_file(**parts: Any) -> RecordingFile:
    """A file that is owed."""
    return replace(RecordingFile(recorded_at=NOON, first_seen_at=NOON), **parts)


@pytest.fixture
def held(ledger: Ledger) -> Held:
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    return Held(s3, ledger)


@dataclass
class Verify:
    """Runs the command; its exit code, and what it wrote."""

    capsys: pytest.CaptureFixture[str]
    out: str = ""
    err: str = ""

    def __call__(self, *arguments: str, code: int = 0) -> list[str]:
        """The lines on standard output."""
        ended = main.run(["verify", *arguments])
        self.out, self.err = self.capsys.readouterr()
        assert ended == code, self.out + self.err
        return self.out.splitlines()

    def marks(self, *arguments: str, code: int = 1) -> dict[str, str]:
        """By key, from the lines of --json."""
        *lines, _counts = map(json.loads, self("--json", *arguments, code=code))
        assert len({line["key"] for line in lines}) == len(lines)
        return {line["key"]: line["mark"] for line in lines}

    def counts(self, *arguments: str, code: int = 0) -> dict[str, int]:
        counts: dict[str, int] = json.loads(self("--json", *arguments, code=code)[-1])
        return {name: count for name, count in counts.items() if count}


@pytest.fixture
def run(held: Held, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Verify:
    clients = {"s3": held.s3, "dynamodb": held.ledger.client}
    connection = cast("Connection", SimpleNamespace(client=clients.__getitem__))
    outputs = dict.fromkeys(OTHERS, "unused") | {
        "Bucket": BUCKET,
        "Table": held.ledger.table,
        "LeaseSeconds": "1200",
        "Schema": "1",
        "Consumers": "{}",
    }
    deployment = deployment_of("CallArchive", outputs, connection)

    def found(**_named: object) -> Deployment:
        return deployment

    monkeypatch.setattr(deployments, "find_deployment", found)
    return Verify(capsys)


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "PAGE_KEYS", 3)
    monkeypatch.setattr(walking, "PAGE_CALLS", 2)


def refused(client: Any, operation: str, code: str, times: int = 10**6) -> None:
    """From now on, an operation ends so; without retries, which are botocore's."""
    left = [times]

    def fail(**_request: object) -> None:
        if left[0] > 0:
            left[0] -= 1
            raise ClientError({"Error": {"Code": code, "Message": "no"}}, operation)

    client.meta.events.register(f"before-call.*.{operation}", fail)


# --- What is equal


def test_an_archive_of_nothing_holds(run: Verify) -> None:
    assert run() == []
    assert run.err.splitlines() == ["0 differences found", "0 objects equal"]


@pytest.mark.parametrize("how", [[], ["--read"]], ids=["by checksum", "by its bytes"])
def test_an_archive_as_the_ledger_has_it_holds(run: Verify, held: Held, how: list[str]) -> None:
    held.archive()
    assert run(*how) == []
    assert run.err.splitlines() == ["0 differences found", "2 objects equal"]


def test_what_is_equal_is_printed_when_asked_for(run: Verify, held: Held) -> None:
    held.archive()
    assert run("--all") == [f"= {key_of('CALL')}", f"= {transcript_of('CALL')}"]


def test_a_call_whose_names_were_cut_holds(run: Verify, held: Held, small_pages: None) -> None:
    del small_pages
    held.archive(LONG_ID, LONG_NAME)
    held.archive("CALL", "../..")
    assert run.counts() == {"equal": 4}


def test_a_file_that_is_not_archived_is_expected_nowhere(run: Verify, held: Held) -> None:
    held.note("CALL", {"a.wav": a_file(), "b.wav": a_file(status=FileStatus.FAILED)})
    assert run.counts() == {}


# --- What is missing, extra or different


def test_an_object_that_is_gone_is_missing(run: Verify, held: Held) -> None:
    call = held.archive()
    stored = call.files["a.wav"].recording
    assert stored is not None
    held.s3.delete_object(Bucket=BUCKET, Key=stored.key, VersionId=stored.version_id or "")
    assert run(code=1) == [f"- {stored.key}"]
    assert run.err.splitlines() == [
        "1 differences found: 1 missing, 0 extra, 0 different, 0 unreadable",
        "1 objects equal",
    ]


def test_an_object_under_a_delete_marker_is_different(run: Verify, held: Held) -> None:
    held.archive()
    held.s3.delete_object(Bucket=BUCKET, Key=key_of("CALL"))
    assert run(code=1) == [f"* {key_of('CALL')}  1 delete marker"]


@pytest.mark.parametrize("key", [key_of("CALL"), transcript_of("CALL")], ids=["recording", "transcript"])
def test_an_object_with_other_bytes_put_over_it_is_different(run: Verify, held: Held, key: str) -> None:
    held.archive()
    held.store(key, WAV + b"more")
    assert run(code=1) == [f"* {key}  2 versions, not 1"]


def test_an_object_put_anew_is_different_though_its_bytes_are_the_same(run: Verify, held: Held) -> None:
    call = held.archive()
    stored = call.files["a.wav"].recording
    assert stored is not None
    held.s3.delete_object(Bucket=BUCKET, Key=stored.key, VersionId=stored.version_id or "")
    recheck = held.store(stored.key)
    assert run(code=1) == [f"* {stored.key}  version {recheck.version_id}, not {stored.version_id}"]


def test_an_object_with_an_older_version_beneath_it_is_different(run: Verify, held: Held) -> None:
    held.store(key_of("CALL"), b"older")
    held.archive()
    assert run(code=1) == [f"* {key_of('CALL')}  2 versions, not 1"]


@pytest.mark.parametrize("how", [[], ["--read"]], ids=["by checksum", "by its bytes"])
def test_another_sum_in_the_ledger_is_a_difference(run: Verify, held: Held, how: list[str]) -> None:
    stored = held.store(key_of("CALL"))
    file = a_file(status=FileStatus.ARCHIVED, recording=replace(stored, sha256="ab" * 32))
    held.note("CALL", {"a.wav": file})
    assert run(*how, code=1) == [f"* {stored.key}  SHA-256 {stored.sha256}, not {'ab' * 32}"]


def test_an_object_without_a_sha256_of_its_own_is_different_unless_it_is_read(
    run: Verify, held: Held
) -> None:
    answer = held.s3.put_object(Bucket=BUCKET, Key=key_of("CALL"), Body=WAV)
    stored = StoredObject(
        key=key_of("CALL"),
        size=len(WAV),
        sha256=hashlib.sha256(WAV).hexdigest(),
        version_id=answer["VersionId"],
        archived_at=NOON,
    )
    held.note("CALL", {"a.wav": a_file(status=FileStatus.ARCHIVED, recording=stored)})
    assert run(code=1) == [f"* {stored.key}  S3 keeps no SHA-256 of all its bytes"]
    assert run("--read") == []


def test_reading_reports_bytes_that_are_not_those_of_the_checksum(
    run: Verify, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    held.archive()
    monkeypatch.setattr(buckets, "_hash_of", lambda _chunks: "cd" * 32)
    assert set(run.marks("--read").values()) == {"*"}
    assert run.counts() == {"equal": 2}


def test_objects_of_a_call_that_the_ledger_lost_are_extra(run: Verify, held: Held) -> None:
    held.archive()
    held.forget("CALL")
    reason = "the ledger knows no such call"
    assert run(code=1) == [f"+ {key_of('CALL')}  {reason}", f"+ {transcript_of('CALL')}  {reason}"]


@pytest.mark.usefixtures("nothing_is_recent")
def test_objects_of_a_lost_call_are_extra_though_its_id_was_cut(run: Verify, held: Held) -> None:
    held.archive(LONG_ID)
    held.archive(LONG_ID + "x")
    held.forget(LONG_ID)
    assert run.marks() == {key_of(LONG_ID): "+", transcript_of(LONG_ID): "+"}


def test_what_lies_elsewhere_in_the_bucket_is_extra(run: Verify, held: Held) -> None:
    held.store("notes.txt")
    held.store("gone.txt")
    held.s3.delete_object(Bucket=BUCKET, Key="gone.txt")
    assert run.marks() == {"notes.txt": "+", "gone.txt": "+"}


def test_a_key_of_somebody_elses_cannot_pass_for_lines_of_ours(run: Verify, held: Held) -> None:
    held.store("a\n= b")
    assert run(code=1) == ['+ "a\\n= b"  no key of this archive']


def test_a_file_that_names_another_calls_object_is_different(run: Verify, held: Held) -> None:
    held.archive("OTHER")
    other = held.ledger.read("OTHER")
    assert other is not None
    held.note("CALL", other.files)
    held.forget("OTHER")
    assert run.marks() == {key_of("OTHER"): "*", transcript_of("OTHER"): "*"}


def test_progress_on_a_terminal_leaves_standard_output_to_the_findings(
    run: Verify, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    held.store("notes.txt")
    assert run(code=1) == ["+ notes.txt  no key of this archive"]
    assert "Listing the bucket" in run.err


# --- What cannot be read


@pytest.mark.parametrize("code", ["403", "SlowDown", "InternalError"])
def test_an_object_that_s3_does_not_show_is_unreadable(run: Verify, held: Held, code: str) -> None:
    held.archive()
    refused(held.s3, "HeadObject", code)
    assert run(code=1) == [f"! {key_of('CALL')}  S3: {code}", f"! {transcript_of('CALL')}  S3: {code}"]


def test_an_object_that_s3_shows_at_another_try_is_equal(run: Verify, held: Held) -> None:
    held.archive()
    refused(held.s3, "HeadObject", "SlowDown", times=1)
    assert run.counts() == {"equal": 2}


def test_a_bucket_that_may_not_be_listed_is_one_sentence(run: Verify, held: Held) -> None:
    refused(held.s3, "ListObjectVersions", "AccessDenied")
    assert run(code=2) == []
    assert run.err == "call-archive: These AWS credentials may not ListObjectVersions: no.\n"


def test_a_damaged_item_is_unreadable_and_spoils_no_other(run: Verify, held: Held) -> None:
    held.archive("BAD")
    held.archive("GOOD")
    key = {"pk": {"S": "call#BAD"}}
    held.ledger.client.update_item(TableName=held.ledger.table, Key=key, UpdateExpression="REMOVE files")
    assert run.marks() == dict.fromkeys(["call#BAD", key_of("BAD"), transcript_of("BAD")], "!")
    assert run.counts(code=1)["equal"] == 2


@pytest.mark.parametrize(
    "options", [[], ["--start", "2026-03-01", "--end", "2026-03-01"]], ids=["all", "a day"]
)
def test_an_item_of_a_newer_version_is_unreadable_and_spoils_no_other(
    run: Verify, held: Held, options: list[str]
) -> None:
    for name in ("NEWER", "GOOD"):
        held.archive(name)
    item = held.ledger.client.get_item(TableName=held.ledger.table, Key=call_key("NEWER"))["Item"]
    newer = {**item, "schema": {"N": "2"}}
    held.ledger.client.put_item(TableName=held.ledger.table, Item=newer)
    *lines, counts = map(json.loads, run("--json", *options, code=1))
    assert {line["key"] for line in lines} == {"call#NEWER", key_of("NEWER"), transcript_of("NEWER")}
    assert {(line["mark"], "deploy a version that reads schema 2" in line["reason"]) for line in lines} == {
        ("!", True)
    }
    assert counts["equal"] == 2
    assert held.ledger.client.get_item(TableName=held.ledger.table, Key=call_key("NEWER"))["Item"] == newer


@pytest.mark.parametrize("checksum", [f"{SHA256}-1", SHA256[:-4], ""], ids=["of parts", "too short", "none"])
def test_the_checksum_of_a_multipart_upload_is_not_taken_for_a_sha256(checksum: str) -> None:
    head = {"ContentLength": len(WAV), "LastModified": NOON, "ChecksumSHA256": checksum}
    client = cast("S3Client", SimpleNamespace(head_object=lambda **_request: head))
    there = Bucket(client=client, name=BUCKET).current("a.wav")
    assert there is not None
    assert there.sha256 is None


# --- An archive that works meanwhile


def test_what_is_stored_and_not_noted_yet_is_no_difference(run: Verify, held: Held) -> None:
    held.note("CALL", {"a.wav": a_file()})
    held.store(key_of("CALL"))
    assert run() == []
    assert run.err.splitlines()[-1] == "1 objects in work: stored, and not noted in the ledger yet"
    assert run("--all") == [f"~ {key_of('CALL')}  stored, and not yet noted in the ledger"]


def test_a_cut_id_that_comes_while_it_runs_is_no_difference(run: Verify, held: Held) -> None:
    held.store(key_of(LONG_ID))
    assert run.counts() == {"in_work": 1}


@pytest.fixture
def nothing_is_recent(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if all that is stored had been stored long before the verification began."""
    monkeypatch.setattr(verifying, "CLOCKS_DIFFER", timedelta(days=-1))


@pytest.mark.usefixtures("nothing_is_recent")
def test_a_cut_id_leads_to_its_call_once_the_ledger_was_walked(run: Verify, held: Held) -> None:
    held.archive(LONG_ID)
    held.note(LONG_ID + "x", {"a.wav": a_file()})
    held.store(key_of(LONG_ID + "x"))
    refused(held.s3, "HeadObject", "SlowDown", times=1)
    assert run.counts() == {"equal": 2, "in_work": 1}


@dataclass
class Happening:
    """Does something once, the first time that something else is asked."""

    client: Any
    operation: str
    deed: Callable[[], object]
    after: int = 0
    done: bool = field(default=False)

    def __post_init__(self) -> None:
        self.client.meta.events.register(f"before-call.*.{self.operation}", self._meet)

    def _meet(self, **_request: object) -> None:
        self.after -= 1
        if not self.done and self.after < 0:
            self.done = True
            self.deed()


@pytest.mark.parametrize("operation", ["BatchGetItem", "Scan", "ListObjectVersions", "HeadObject"])
@pytest.mark.parametrize("after", [0, 1])
def test_a_call_archived_while_it_runs_is_no_difference(
    run: Verify, held: Held, operation: str, after: int, small_pages: None
) -> None:
    del small_pages
    for number in range(3):
        held.archive(f"CALL-{number}")
    client = held.s3 if "Object" in operation else held.ledger.client
    happening = Happening(client, operation, lambda: held.archive("NEW"), after)
    assert run() == []
    assert happening.done


@pytest.mark.parametrize("operation", ["Scan", "GetItem", "HeadObject"])
def test_a_call_that_is_noted_after_its_object_was_listed_is_no_difference(
    run: Verify, held: Held, operation: str
) -> None:
    held.archive()
    stored = held.store(key_of("NEW"))
    client = held.s3 if operation == "HeadObject" else held.ledger.client
    archived = a_file(status=FileStatus.ARCHIVED, recording=stored)
    happening = Happening(client, operation, lambda: held.note("NEW", {"a.wav": archived}))
    assert run.counts() == {"equal": 3}
    assert happening.done


def test_a_key_is_looked_at_again_when_the_ledger_changed_meanwhile(run: Verify, held: Held) -> None:
    before = held.store(key_of("NEW"))
    held.s3.delete_object(Bucket=BUCKET, Key=before.key)
    held.s3.delete_object(Bucket=BUCKET, Key=before.key, VersionId=before.version_id or "")
    happening = Happening(held.ledger.client, "GetItem", lambda: held.archive("NEW"), after=1)
    assert run(code=1) == [f"* {before.key}  1 delete marker"]
    assert happening.done


# --- A range


def test_a_range_leaves_out_what_is_dated_elsewhere(run: Verify, held: Held) -> None:
    held.archive("BEFORE", at=NOON - timedelta(days=1))
    held.archive("IN")
    held.archive("LATER", at=NOON + timedelta(seconds=1))
    held.s3.delete_object(Bucket=BUCKET, Key=key_of("BEFORE", at=NOON - timedelta(days=1)))
    held.s3.delete_object(Bucket=BUCKET, Key=key_of("LATER", at=NOON + timedelta(seconds=1)))
    held.store("notes.txt")
    assert run.counts("--start", "2026-03-01", "--end", "2026-03-01T12:00:00") == {"equal": 2}


def test_a_range_finds_what_is_missing_and_extra_in_it(run: Verify, held: Held, small_pages: None) -> None:
    del small_pages
    night = NOON.replace(hour=23)
    gone = held.archive("GONE").files["a.wav"].recording
    after_midnight = a_file(status=FileStatus.ARCHIVED, recording=held.store(key_of("LONG")))
    held.note("LONG", {"a.wav": after_midnight}, at=night - timedelta(days=1))
    assert gone is not None
    held.s3.delete_object(Bucket=BUCKET, Key=gone.key, VersionId=gone.version_id or "")
    held.store(key_of("EXTRA"))
    marks = run.marks("--all", "--start", "2026-03-01", "--end", "2026-03-02")
    assert marks == {
        gone.key: "-",
        transcript_of("GONE"): "=",
        key_of("LONG"): "=",
        key_of("EXTRA"): "+",
    }


@pytest.mark.parametrize(
    "arguments",
    [
        ["--start", "2026-03-01"],
        ["--end", "2026-03-01"],
        ["--start", "2026-03-02", "--end", "2026-03-01"],
        ["--start", "soon", "--end", "2026-03-01"],
        ["--resume", "."],
        ["extra"],
    ],
)
def test_what_cannot_be_asked_is_one_line(run: Verify, arguments: list[str]) -> None:
    assert run(*arguments, code=2) == []
    assert run.err.startswith("call-archive: ")
    assert len(run.err.splitlines()) == 1


# --- Taking it up again


class KilledError(BaseException):
    """Not an Exception: nothing of ours may catch it, as nothing catches a signal 9."""


def troubled(held: Held) -> dict[str, str]:
    """One of each kind of difference, and equal ones around them; by key what is to be said."""
    for number in range(4):
        held.archive(f"CALL-{number}")
    gone = held.archive("GONE").files["a.wav"].recording
    assert gone is not None
    held.s3.delete_object(Bucket=BUCKET, Key=gone.key, VersionId=gone.version_id or "")
    held.store(transcript_of("CALL-2"), b"altered")
    held.archive("LOST")
    held.forget("LOST")
    held.archive(LONG_ID)
    held.store("notes.txt")
    extra = dict.fromkeys([key_of("LOST"), transcript_of("LOST"), "notes.txt"], "+")
    return {gone.key: "-", transcript_of("CALL-2"): "*", **extra}


@pytest.mark.parametrize("number", [0, 2, 4, 5, 7, 9, 11, 13, 16, 20])
def test_killed_at_any_request_and_taken_up_again_it_reports_what_one_run_reports(
    run: Verify, held: Held, small_pages: None, tmp_path: Path, number: int
) -> None:
    del small_pages
    expected = troubled(held)
    asked = [0]

    def kill(**_request: object) -> None:
        asked[0] += 1
        if asked[0] == number + 1:
            raise KilledError

    for client in (held.s3, held.ledger.client):
        client.meta.events.register("before-call", kill)
    file = str(tmp_path / "state")
    with pytest.raises(KilledError):
        main.run(["verify", "--resume", file])
    run.capsys.readouterr()
    assert run.marks("--resume", file) == expected
    assert run.counts("--resume", file, code=1)["equal"] == 10


def test_a_page_is_remembered_whole_or_not_at_all() -> None:
    def killed() -> Iterator[str]:
        yield "b"
        raise KilledError

    with Checkpoint(None, {}) as checkpoint:
        checkpoint.note(suspects=["a"])
        with pytest.raises(KilledError):
            checkpoint.note(judged=["a"], suspects=killed(), listed=1)
        assert (checkpoint.suspects(9), checkpoint.listed) == (["a"], 0)


def test_a_page_that_is_done_is_not_asked_for_again(
    run: Verify, held: Held, small_pages: None, tmp_path: Path
) -> None:
    del small_pages
    expected = troubled(held)
    file = str(tmp_path / "state")
    assert run.marks("--resume", file) == expected
    asked: list[object] = []
    for client in (held.s3, held.ledger.client):
        client.meta.events.register("before-call", lambda **request: asked.append(request))
    assert run.marks("--resume", file) == expected
    assert asked == []


@pytest.mark.parametrize(
    "other",
    [["--read"], ["--start", "2026-03-01", "--end", "2026-03-01"]],
    ids=["reading", "a range"],
)
def test_the_file_of_another_verification_is_refused(run: Verify, tmp_path: Path, other: list[str]) -> None:
    file = str(tmp_path / "state")
    run("--resume", file)
    assert run("--resume", file, *other, code=2) == []
    assert "holds the state of another verification" in run.err


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def overwritten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100] + b"\xff" * 9000)


def text(path: Path) -> None:
    path.write_text("call-archive verify\n" * 100)


def somebody_elses(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE state (name, value)")
    database.close()


def unreadable_state(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("UPDATE state SET value = '{' WHERE name = 'position'")
    database.close()


def of_a_later_form(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA user_version = {FORM + 1}")
    database.close()


def half_a_state(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("DELETE FROM state WHERE name = 'equal'")
    database.close()


@pytest.mark.parametrize(
    "damage",
    [cut_short, overwritten, text, somebody_elses, of_a_later_form, unreadable_state, half_a_state],
)
def test_a_file_that_cannot_be_used_is_one_sentence(
    run: Verify, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    path = tmp_path / "state"
    run("--resume", str(path))
    damage(path)
    assert run("--resume", str(path), code=2) == []
    assert run.err.startswith(f"call-archive: {path} ")
    assert len(run.err.splitlines()) == 1


def test_a_file_in_use_or_nowhere_is_one_sentence(run: Verify, tmp_path: Path) -> None:
    path = tmp_path / "state"
    with Checkpoint(path, {}):
        run("--resume", str(path), code=2)
    assert run.err == f"call-archive: {path} is in use by another verification.\n"
    run("--resume", str(tmp_path / "nowhere" / "state"), code=2)
    assert len(run.err.splitlines()) == 1


# --- Pages


@dataclass(frozen=True)
class ListDeps:
    """As S3 lists versions: by key, newest first, after the marker."""

    rows: list[tuple[str, str]]

    def list_object_versions(self, *, Prefix: str, MaxKeys: int, KeyMarker: str = "", **_request: Any) -> Any:
        rows = [row for row in self.rows if row[0] > KeyMarker and row[0].startswith(Prefix)]
        listed = [
            {"Key": key, "VersionId": version_id, "Size": 1, "LastModified": NOON}
            for key, version_id in rows[:MaxKeys]
        ]
        return {"Versions": listed, "IsTruncated": len(rows) > MaxKeys}


@given(counts=st.lists(st.integers(1, 7), max_size=8), size=st.integers(1, 5))
def test_pages_hold_each_key_once_and_whole_unless_it_fills_a_page(counts: list[int], size: int) -> None:
    rows = [(f"{key}", f"{key}.{number}") for key, count in enumerate(counts) for number in range(count)]
    client = cast("S3Client", ListDeps(rows))
    found: list[tuple[str, int]] = []
    after: str | None = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(buckets, "PAGE_KEYS", size)
        while True:
            page = Bucket(client=client, name=BUCKET).page("", after)
            found += [(key, len(versions)) for key, versions in page.versions.items()]
            after = page.until
            if after is None:
                break
    assert [key for key, _ in found] == [f"{key}" for key in range(len(counts))]
    seen = [versions for _, versions in found]
    assert all(min(n, size) <= got <= n for got, n in zip(seen, counts, strict=True))


class Endless:
    """An archive of so many calls, none of which is anywhere before it is asked for."""

    def __init__(self, calls: int) -> None:
        self._calls = calls
        self._sha256 = base64.b64encode(hashlib.sha256(WAV).digest()).decode()

    def _key(self, number: int) -> str:
        return key_of(f"{number:06}")

    def _item(self, number: int) -> dict[str, Any]:
        stored = StoredObject(
            key=self._key(number),
            size=len(WAV),
            sha256=hashlib.sha256(WAV).hexdigest(),
            version_id="v",
            archived_at=NOON,
        )
        call = Call(
            reference_id=f"{number:06}",
            recorded_at=NOON,
            opened_at=NOON,
            due_at=NOON,
            next_visit_at=NOON,
            version=1,
            files={"a.wav": a_file(status=FileStatus.ARCHIVED, recording=stored)},
        )
        return call_to_item(call)

    def scan(self, *, Limit: int, ExclusiveStartKey: Any = None, **_request: Any) -> Any:
        first = ExclusiveStartKey["n"] if ExclusiveStartKey else 0
        last = min(first + Limit, self._calls)
        more = {"LastEvaluatedKey": {"n": last}} if last < self._calls else {}
        return {"Items": [self._item(number) for number in range(first, last)], **more}

    def batch_get_item(self, *, RequestItems: Any) -> Any:
        ((table, request),) = RequestItems.items()
        numbers = [int(key["pk"]["S"].removeprefix("call#")) for key in request["Keys"]]
        return {"Responses": {table: [self._item(number) for number in numbers]}}

    def list_object_versions(self, *, MaxKeys: int, KeyMarker: str = "", **_request: Any) -> Any:
        first = int(KeyMarker.split("/")[4]) + 1 if KeyMarker else 0
        last = min(first + MaxKeys, self._calls)
        version = {"VersionId": "v", "Size": len(WAV), "LastModified": NOON}
        listed = [{"Key": self._key(number), **version} for number in range(first, last)]
        return {"Versions": listed, "IsTruncated": last < self._calls}

    def head_object(self, **_request: Any) -> Any:
        return {
            "ContentLength": len(WAV),
            "LastModified": NOON,
            "VersionId": "v",
            "ChecksumSHA256": self._sha256,
        }


def peak_of(calls: int) -> int:
    """The most bytes that a verification of so many calls held at once."""
    client: Any = Endless(calls)
    with Checkpoint(None, {}) as checkpoint:
        at = Verification(
            ledger=Ledger(client, "ledger"),
            bucket=Bucket(client=client, name=BUCKET),
            checkpoint=checkpoint,
            chosen=None,
            say=lambda _text: None,
        )
        tracemalloc.start()
        try:
            for _ in verify(at):
                pass
            assert checkpoint.equal == calls
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


def test_what_it_holds_in_memory_does_not_grow_with_the_archive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "PAGE_KEYS", 20)
    monkeypatch.setattr(walking, "PAGE_CALLS", 20)
    peak_of(20)
    # The peak of the same run differs, by less than a half: garbage is collected now or then.
    assert peak_of(1000) < 3 * peak_of(40)
