"""The demonstration's comparison must be able to fail, or it proves nothing."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from infra.connection import Connection
from infra.deployment import Deployment, deployment_of
from infra.local.demo.comparison import Comparison, compare, expected_objects
from infra.simulator import Options, SimulatedTelesign, TrueCall

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

END = datetime(2026, 1, 31, 12, tzinfo=UTC)
LATER = END + timedelta(minutes=5)
BUCKET = "archive"
OTHERS = [
    *("Table", "FetchQueueUrl", "FetchDlqUrl", "WindowsQueueUrl", "WindowsDlqUrl", "ScheduleDlqUrl"),
    *("SecretId", "ListerFunction", "FetcherFunction", "Dashboard"),
]


@pytest.fixture
def truth() -> list[TrueCall]:
    return SimulatedTelesign(Options(calls=40, history_end=END, now=lambda: LATER)).truth()


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator["S3Client"]:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET)
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield client


def compared(truth: list[TrueCall]) -> Comparison:
    return compare(_deployment(), truth, LATER)


def _deployment() -> Deployment:
    outputs = {name: name for name in OTHERS} | {
        "Bucket": BUCKET,
        "Consumers": "{}",
        "LeaseSeconds": "1200",
        "Schema": "1",
    }
    return deployment_of("CallArchive", outputs, Connection())


def archive_all(s3: "S3Client", truth: list[TrueCall]) -> list[str]:
    """Stores what a faultless archive would; the keys."""
    for call in truth:
        for file in call.files:
            for key in expected_objects([file], LATER):
                document = {
                    "reference_id": file.reference_id,
                    "file_name": file.file_name,
                    "transcribe": file.transcribe_at(LATER),
                }
                body = file.audio() if key.startswith("recordings/") else json.dumps(document).encode()
                s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    return [stored["Key"] for stored in s3.list_objects_v2(Bucket=BUCKET)["Contents"]]


def test_a_faultless_archive_holds(s3: "S3Client", truth: list[TrueCall]) -> None:
    keys = archive_all(s3, truth)
    found = compared(truth)
    assert found.holds
    assert found.recordings + found.transcripts == len(keys)
    assert found.deleted_at_source == 1


def test_what_is_complete_at_the_provider_is_expected_and_nothing_else(truth: list[TrueCall]) -> None:
    files = [file for call in truth for file in call.files if file.status_at(LATER) == "available"]
    said = [(file.transcribe_at(LATER) or {}).get("transcription", []) for file in files]
    complete = [
        entries for entries in said if entries and {each["status"] for each in entries} == {"completed"}
    ]
    assert 0 < len(complete) < len(files)
    kinds = [key.split("/")[0] for key in expected_objects((f for call in truth for f in call.files), LATER)]
    assert (kinds.count("recordings"), kinds.count("transcripts")) == (len(files), len(complete))


@pytest.mark.parametrize("fault", ["missing", "altered", "extra"])
def test_an_archive_with_one_fault_of_any_kind_does_not_hold(fault: str) -> None:
    none: dict[str, Any] = {"missing": (), "altered": (), "extra": ()}
    counts: dict[str, Any] = {"recordings": 1, "transcripts": 1, "size": 44, "deleted_at_source": 0}
    assert Comparison(**counts, **none).holds
    assert not Comparison(**counts, **{**none, fault: ("a key",)}).holds


def test_a_lost_object_is_missing(s3: "S3Client", truth: list[TrueCall]) -> None:
    lost = archive_all(s3, truth)[3]
    version = s3.head_object(Bucket=BUCKET, Key=lost)["VersionId"]
    s3.delete_object(Bucket=BUCKET, Key=lost, VersionId=version)
    assert compared(truth).missing == (lost,)


@pytest.mark.parametrize("kind", ["recordings/", "transcripts/"])
@pytest.mark.parametrize("body", [b"", b"{}", b"RIFF"])
def test_a_changed_object_is_altered(s3: "S3Client", truth: list[TrueCall], kind: str, body: bytes) -> None:
    changed = next(key for key in archive_all(s3, truth) if key.startswith(kind))
    version = s3.head_object(Bucket=BUCKET, Key=changed)["VersionId"]
    s3.delete_object(Bucket=BUCKET, Key=changed, VersionId=version)
    s3.put_object(Bucket=BUCKET, Key=changed, Body=body)
    assert compared(truth).altered == (changed,)


@pytest.mark.parametrize("field", ["reference_id", "file_name", "transcribe"])
def test_a_transcript_that_is_another_calls_is_altered(
    s3: "S3Client", truth: list[TrueCall], field: str
) -> None:
    """In one field alone: the rest is as it was served."""
    changed = next(key for key in archive_all(s3, truth) if key.startswith("transcripts/"))
    there = s3.get_object(Bucket=BUCKET, Key=changed)
    document = {**json.loads(there["Body"].read()), field: "another call's"}
    s3.delete_object(Bucket=BUCKET, Key=changed, VersionId=there["VersionId"])
    s3.put_object(Bucket=BUCKET, Key=changed, Body=json.dumps(document).encode())
    assert compared(truth).altered == (changed,)


def test_an_object_that_nobody_served_is_extra(s3: "S3Client", truth: list[TrueCall]) -> None:
    archive_all(s3, truth)
    s3.put_object(Bucket=BUCKET, Key="recordings/2026/01/31/x/y.wav", Body=b"RIFF")
    assert compared(truth).extra == ("recordings/2026/01/31/x/y.wav",)


def test_a_second_version_of_an_object_is_extra(s3: "S3Client", truth: list[TrueCall]) -> None:
    twice = archive_all(s3, truth)[0]
    body = s3.get_object(Bucket=BUCKET, Key=twice)["Body"].read()
    s3.put_object(Bucket=BUCKET, Key=twice, Body=body)
    assert compared(truth).extra == (twice,)
