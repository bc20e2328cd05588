"""Ranges of time, as an operator gives them, against a brute-force filter over everything that there is.

Each verb that takes a range is documented to take both ends inclusive, to the second, a day alone as all of it. The
filters here follow that sentence, and nothing of how the verbs find what they look for.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from moto import mock_aws

from call_archive.model.call import (
    Call,
    FileStatus,
    RecordingFile,
    StoredObject,
    Transcript,
    TranscriptStatus,
)
from call_archive.model.object_key import Origin
from call_archive.model.window import PendingWindow, Window
from call_archive.storage.ledger import Ledger
from infra.cli import find_deployment as deployments
from infra.cli import main
from infra.cli.verbs.status import LISTED
from infra.cli.wait import failures, look
from infra.connection import Connection
from infra.deployment import deployment_of

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST = datetime(2026, 3, 1, tzinfo=UTC)
DAYS = 2
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
PHONE_CALLS = 66
"""One every 44 minutes: more than `status` lists of each kind."""
QUEUES = ("FetchQueue", "FetchDlq", "WindowsQueue", "WindowsDlq", "ScheduleDlq")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A range as it is typed, and the two moments that it means."""

    typed_start: str
    typed_end: str
    start: datetime
    end: datetime

    def holds(self, moment: datetime) -> bool:
        return self.start <= moment <= self.end


def _typed(moment: datetime, *, end: bool, whole_day: bool) -> tuple[str, datetime]:
    if not whole_day:
        return f"{moment:%Y-%m-%dT%H:%M:%S}", moment
    day = moment.replace(hour=0, minute=0, second=0)
    return f"{moment:%Y-%m-%d}", day + DAY - SECOND if end else day


@st.composite
def ranges(draw: st.DrawFn) -> Asked:
    """Any two seconds around the calls, often just before, at or after midnight, some of them given as days."""
    near_midnight = st.builds(
        lambda day, seconds: day * 86_400 + seconds, st.integers(-1, DAYS + 1), st.integers(-2, 2)
    )
    anywhere = st.integers(-86_400, (DAYS + 1) * 86_400)
    first, last = sorted(draw(st.tuples(near_midnight | anywhere, near_midnight | anywhere)))
    typed_start, start = _typed(FIRST + first * SECOND, end=False, whole_day=draw(st.booleans()))
    typed_end, end = _typed(FIRST + last * SECOND, end=True, whole_day=draw(st.booleans()))
    return Asked(typed_start=typed_start, typed_end=typed_end, start=start, end=end)


OVERNIGHT = Asked(
    typed_start="2026-03-01T18:00:00",
    typed_end="2026-03-02T06:00:00",
    start=FIRST + timedelta(hours=18),
    end=FIRST + timedelta(hours=30),
)


SECOND_DAY = Asked(
    typed_start="2026-03-02", typed_end="2026-03-02", start=FIRST + DAY, end=FIRST + 2 * DAY - SECOND
)
"""Of which some calls began on the first."""


def a_file(reference_id: str, name: str, at: datetime, number: int) -> RecordingFile:
    """Archived, open or failed in turn; every archived one has a transcript that is archived too."""
    origin = Origin(reference_id=reference_id, file_name=name, recorded_at=at)
    match number % 3:
        case 0:
            return RecordingFile(
                recorded_at=at,
                first_seen_at=at,
                available_at=at,
                status=FileStatus.ARCHIVED,
                recording=an_object(origin.recording_key, at),
                transcript=Transcript(
                    status=TranscriptStatus.ARCHIVED, stored=an_object(origin.transcript_key, at)
                ),
            )
        case 1:
            return RecordingFile(recorded_at=at, first_seen_at=at, reason="not visited yet")
        case _:
            return RecordingFile(
                recorded_at=at, first_seen_at=at, status=FileStatus.FAILED, reason="given up: a test"
            )


def an_object(key: str, at: datetime) -> StoredObject:
    return StoredObject(key=key, size=44, sha256="ab" * 32, version_id="1", archived_at=at)


def a_call(number: int) -> Call:
    """Each third call was stopped and started again, mostly past midnight for those of the evening; each seventh
    is in progress and has no name yet."""
    at = FIRST + number * timedelta(seconds=DAYS * 86_400 // PHONE_CALLS + 1)
    reference_id = f"CALL{number:04}"
    starts = [at, at + timedelta(hours=3, minutes=59)] if number % 3 == 0 else [at]
    files = {
        f"{reference_id}_{part}.wav": a_file(
            reference_id, f"{reference_id}_{part}.wav", start, number // 3 + 2 * part
        )
        for part, start in enumerate(starts)
    }
    unnamed = RecordingFile(recorded_at=at + timedelta(hours=2), first_seen_at=at)
    return Call(
        reference_id=reference_id,
        recorded_at=at,
        opened_at=at,
        due_at=at,
        next_visit_at=at,
        files=files,
        unnamed=unnamed if number % 7 == 0 else None,
    )


CALLS = [a_call(number) for number in range(PHONE_CALLS)]
WINDOWS = [
    PendingWindow(
        window=Window(
            start=FIRST + hours * timedelta(hours=1), end=FIRST + (hours + 1) * timedelta(hours=1) - SECOND
        ),
        due_at=FIRST,
        next_visit_at=FIRST,
    )
    for hours in range(-5, DAYS * 24 + 5, 5)
]


def in_range(call: Call, asked: Asked) -> bool:
    return any(asked.holds(part.recorded_at) for part in call.parts)


@pytest.fixture(scope="module")
def archive(template: dict[str, Any], table_properties: dict[str, Any]) -> Iterator[Ledger]:
    """The calls in a ledger in memory, an empty bucket beside it, and a deployment that every verb finds."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        client, sqs = boto3.client("dynamodb"), boto3.client("sqs")
        client.create_table(TableName="ledger", **table_properties)
        boto3.client("s3").create_bucket(Bucket="archive")
        outputs = {
            name: output["Value"] if isinstance(output["Value"], str) else "unused"
            for name, output in template["Outputs"].items()
        }
        outputs |= {f"{name}Url": sqs.create_queue(QueueName=name)["QueueUrl"] for name in QUEUES}
        deployment = deployment_of(
            "CallArchive", outputs | {"Table": "ledger", "Bucket": "archive"}, Connection()
        )
        patch.setattr(deployments, "find_deployment", lambda **_named: deployment)
        ledger = Ledger(client, "ledger")
        for call in CALLS:
            ledger.write(call)
        ledger.put_windows(WINDOWS)
        yield ledger


def run(*arguments: str) -> tuple[int, str]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        code = main.run(list(arguments))
    return code, out.getvalue()


# Each example asks an AWS in memory some ten times. What a fixture built is only read.
few = settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.usefixtures("archive")
@few
@example(asked=OVERNIGHT)
@example(asked=SECOND_DAY)
@given(asked=ranges())
def test_find_lists_each_file_of_the_range_once_and_no_other(asked: Asked) -> None:
    code, out = run("find", "--start", asked.typed_start, "--end", asked.typed_end, "--json")
    wanted = sorted(
        (call.reference_id, str(name))
        for call in CALLS
        for name, part in [*call.files.items(), (None, call.unnamed)]
        if part is not None and asked.holds(part.recorded_at)
    )
    assert code == 0
    assert sorted((each["reference_id"], str(each["file_name"])) for each in json.loads(out)) == wanted


@pytest.mark.usefixtures("archive")
@few
@example(asked=OVERNIGHT)
@example(asked=SECOND_DAY)
@given(asked=ranges())
def test_verify_judges_each_object_of_the_range_once_and_no_other(asked: Asked) -> None:
    """The bucket is empty, so everything archived in the range is missing."""
    code, out = run("verify", "--start", asked.typed_start, "--end", asked.typed_end, "--json")
    *findings, counts = [json.loads(line) for line in out.splitlines()]
    wanted = sorted(
        stored.key
        for call in CALLS
        for file in call.files.values()
        if file.recording and file.transcript and asked.holds(file.recorded_at)
        for stored in (file.recording, file.transcript.stored)
        if stored is not None
    )
    assert sorted(each["key"] for each in findings if each["mark"] == "-") == wanted
    assert (counts["differences"], code) == (len(wanted), 1 if wanted else 0)


@few
@example(asked=OVERNIGHT)
@example(asked=SECOND_DAY)
@given(asked=ranges())
def test_waiting_counts_what_is_open_or_failed_in_the_range_and_no_other(
    archive: Ledger, asked: Asked
) -> None:
    summary = look(archive, asked.start, asked.end)
    touched = [call for call in CALLS if in_range(call, asked)]
    assert sorted(call.reference_id for call in summary.open_calls) == sorted(
        call.reference_id for call in touched if not call.settled
    )
    assert sorted(line["reference_id"] for line in failures(archive, asked.start, asked.end, [])) == sorted(
        call.reference_id for call in touched if call.failed
    )
    assert sorted(each.window.start for each in summary.windows) == [
        each.window.start
        for each in WINDOWS
        if any(asked.holds(each.window.start + second * SECOND) for second in (0, 3599))
        or each.window.start <= asked.start <= each.window.end
    ]


@pytest.mark.usefixtures("archive")
def test_status_counts_every_call_however_many_there_are() -> None:
    code, out = run("status", "--json")
    counts = json.loads(out)["calls"]
    assert code == 0
    assert counts["open"] == sum(not call.settled for call in CALLS)
    assert counts["failed"] == sum(call.failed for call in CALLS)
    assert min(counts["open"], counts["failed"]) > LISTED


@st.composite
def past_ranges(draw: st.DrawFn) -> Asked:
    """Up to five hours, and a day or two, that are over: what has not come yet cannot be listed."""
    start = datetime(2025, 1, 1, tzinfo=UTC) + draw(st.integers(0, 300 * 86_400)) * SECOND
    end = start + draw(st.integers(0, 5) | st.integers(0, 5 * 3600)) * SECOND
    typed_start, start = _typed(start, end=False, whole_day=draw(st.booleans()))
    typed_end, end = _typed(end, end=True, whole_day=draw(st.booleans()))
    return Asked(typed_start=typed_start, typed_end=typed_end, start=start, end=end)


@few
@given(asked=past_ranges())
def test_backfill_notes_and_queues_each_second_of_the_range_once_and_no_other(
    archive: Ledger, asked: Asked
) -> None:
    before = {each.window for each in archive.open_windows()}
    code, out = run("backfill", asked.typed_start, asked.typed_end, "--json")
    windows = sorted({each.window for each in archive.open_windows()} - before)
    for window in windows:
        archive.finish_window(window)
    assert code == 0
    assert json.loads(out)["windows"] == len(windows)
    assert (windows[0].start, windows[-1].end) == (asked.start, asked.end)
    assert [later.start - earlier.end for earlier, later in pairwise(windows)] == [SECOND] * (
        len(windows) - 1
    )
    assert all(window.recheck and window.end - window.start < timedelta(hours=1) for window in windows)
    assert sorted(queued()) == [f"{window.start:%Y-%m-%dT%H:%M:%S}" for window in windows]


def queued() -> list[str]:
    """The starts of the windows that were queued, and an empty queue behind them."""
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName="WindowsQueue")["QueueUrl"]
    starts = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            starts.append(json.loads(message["Body"])["start"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return starts
