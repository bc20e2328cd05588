"""A seeded history, archived by `backfill --wait` as an operator runs it."""

import base64
from datetime import UTC, datetime
from typing import Any

import pytest

from infra.local.demo.comparison import expected_objects
from tests.integration.running_archive import RunningArchive, Slice

FIELDS = {
    "reference_id",
    "file_name",
    "recorded_at",
    "status",
    "reason",
    "key",
    "size",
    "sha256",
    "transcript",
}


@pytest.fixture(scope="module")
def history(archive: RunningArchive) -> Slice:
    code, outcome = archive.backfill(archive.parts["history"])
    assert (code, outcome["failed"], outcome["open"]) == (0, [], [])
    return archive.parts["history"]


@pytest.fixture(scope="module")
def found(archive: RunningArchive, history: Slice) -> list[dict[str, Any]]:
    return archive.find(history)


def test_every_object_of_a_backfilled_history_holds_what_the_provider_served(
    archive: RunningArchive, history: Slice
) -> None:
    compared = archive.compared(history)
    assert (compared.missing, compared.altered, compared.extra) == ((), (), ())
    assert compared.recordings >= 50


def test_find_reports_of_each_recording_file_once(
    archive: RunningArchive, history: Slice, found: list[dict[str, Any]]
) -> None:
    told = sorted((each["reference_id"], each["file_name"]) for each in found)
    assert told == sorted((file.reference_id, file.file_name) for file in archive.files(history))
    assert all(each.keys() == FIELDS for each in found)


def test_find_reports_the_size_and_the_sha256_that_the_provider_served(
    archive: RunningArchive, history: Slice, found: list[dict[str, Any]]
) -> None:
    now = datetime.now(UTC)
    served = {
        file.file_name: ("archived", f"{file.created_at:%Y-%m-%dT%H:%M:%SZ}", file.size, file.sha256)
        for file in archive.files(history)
        if file.status_at(now) == "available"
    }
    told = {
        each["file_name"]: (each["status"], each["recorded_at"], each["size"], each["sha256"])
        for each in found
        if each["status"] != "deleted_at_source"
    }
    assert told == served


def test_find_reports_of_what_was_deleted_at_the_provider(
    archive: RunningArchive, history: Slice, found: list[dict[str, Any]]
) -> None:
    now = datetime.now(UTC)
    deleted = {file.file_name for file in archive.files(history) if file.status_at(now) == "deleted"}
    assert {each["file_name"] for each in found if each["status"] == "deleted_at_source"} == deleted
    assert deleted
    assert all(each["reason"] for each in found if each["file_name"] in deleted)


def test_find_names_the_key_of_every_transcript_and_none_for_a_call_without_one(
    archive: RunningArchive, history: Slice, found: list[dict[str, Any]]
) -> None:
    keys = expected_objects(archive.files(history), datetime.now(UTC)).keys()
    transcripts = [each["transcript"] for each in found if each["transcript"]]
    archived = {each["key"] for each in transcripts if each["status"] == "archived"}
    assert archived == {key for key in keys if key.startswith("transcripts/")}
    assert {each["key"] for each in transcripts if each["status"] != "archived"} == {None}
    assert {each["status"] for each in transcripts} == {"archived", "none"}


def test_show_reports_everything_of_one_call(
    archive: RunningArchive, history: Slice, found: list[dict[str, Any]]
) -> None:
    del history
    shown = archive.command("show", found[0]["reference_id"])
    assert shown.returncode == 0
    assert found[0]["sha256"] in shown.stdout


def test_each_object_has_one_version(archive: RunningArchive, history: Slice) -> None:
    versions = archive.versions(file.reference_id for file in archive.files(history))
    assert set(versions.values()) == {1}


def test_s3_keeps_the_sha256_and_the_origin_of_each_recording(
    archive: RunningArchive, found: list[dict[str, Any]]
) -> None:
    s3 = archive.deployment.connection.client("s3")
    for each in found:
        if each["key"] is not None:
            head = s3.head_object(Bucket=archive.deployment.bucket, Key=each["key"], ChecksumMode="ENABLED")
            assert base64.b64decode(head["ChecksumSHA256"]).hex() == each["sha256"]
            assert head["Metadata"] == {
                "reference-id": each["reference_id"],
                "file-name": each["file_name"],
                "recorded-at": each["recorded_at"],
            }


def test_a_consumer_hears_of_each_object_once(archive: RunningArchive, history: Slice) -> None:
    keys = expected_objects(archive.files(history), datetime.now(UTC)).keys()
    assert archive.heard_of(keys) == dict.fromkeys(keys, 1)
