"""Objects are put once: what S3 is told, and what becomes of each of its answers."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ReadTimeoutError
from botocore.stub import ANY, Stubber

from call_archive.errors import ArchiveError, PermanentError, RetryableError
from call_archive.model.call import StoredObject
from call_archive.model.object_key import Origin
from call_archive.model.transcript import transcript_document
from call_archive.provider.download import Downloads
from call_archive.storage.bucket import Bucket

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3 import S3Client

    from call_archive.provider.download import Download
    from tests.raw_server import RawServer

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ORIGIN = Origin(
    reference_id="CALL", file_name="CALL 1/ü.wav", recorded_at=datetime(2026, 2, 28, 23, tzinfo=UTC)
)
RECORDING_KEY = "recordings/2026/02/28/CALL/CALL%201%2F%C3%BC.wav"
TRANSCRIPT_KEY = "transcripts/2026/02/28/CALL/CALL%201%2F%C3%BC.wav.json"
METADATA = {
    "reference-id": "CALL",
    "file-name": "CALL%201%2F%C3%BC.wav",
    "recorded-at": "2026-02-28T23:00:00Z",
}
WAV = b"RIFF\x24\0\0\0WAVEfmt " + b"\0" * 28
WAV_SHA256 = hashlib.sha256(WAV)
CHECKSUM = base64.b64encode(WAV_SHA256.digest()).decode()
OF_PARTS = base64.b64encode(hashlib.sha256(WAV_SHA256.digest()).digest()).decode()
DOCUMENT = b'{"transcribe": {}}'
SECRET = "https://tlsn.io/x?Signature=secret"


@pytest.fixture
def s3(aws: None) -> S3Client:
    del aws
    return boto3.client("s3", config=Config(retries={"total_max_attempts": 1}))


@pytest.fixture
def stub(s3: S3Client) -> Iterator[Stubber]:
    """S3 as scripted: the next call must be the one that was added next."""
    with Stubber(s3) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def archive(s3: S3Client) -> Bucket:
    return Bucket(s3, "bucket", lambda: NOW)


@pytest.fixture
def kept(s3: S3Client, archive: Bucket) -> Bucket:
    """An archive whose bucket exists, in memory."""
    s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    s3.put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
    return archive


@pytest.fixture
def download(raw_server: RawServer) -> Iterator[Download]:
    raw_server.answers(WAV)
    downloads = Downloads(hosts=frozenset(), loopback=True)
    with downloads.open(f"{raw_server.url}/secret?Signature=secret", seconds=60) as download:
        yield download
    for connection in downloads._idle().values():
        connection.close()


def put_request(key: str, body: bytes, content_type: str, **checksum: str) -> dict[str, Any]:
    return {
        "Bucket": "bucket",
        "Key": key,
        "Body": ANY,
        "ContentLength": len(body),
        "ContentType": content_type,
        "Metadata": METADATA,
        "IfNoneMatch": "*",
        **checksum,
    }


def recording_request() -> dict[str, Any]:
    return put_request(RECORDING_KEY, WAV, "audio/wav", ChecksumAlgorithm="SHA256")


def transcript_request() -> dict[str, Any]:
    checksum = base64.b64encode(hashlib.sha256(DOCUMENT).digest()).decode()
    return put_request(TRANSCRIPT_KEY, DOCUMENT, "application/json", ChecksumSHA256=checksum)


def refuses_to_overwrite(stub: Stubber, expected: dict[str, Any]) -> None:
    """S3's next answer: to a put that forbids it to overwrite, and to no other."""
    stub.add_client_error("put_object", "PreconditionFailed", "no", 412, expected_params=expected)


def head_answer(sha256: str = CHECKSUM, size: int = len(WAV), **more: Any) -> dict[str, Any]:
    return {"ContentLength": size, "ChecksumSHA256": sha256, "LastModified": NOW, "VersionId": "v1", **more}


# --- What S3 is told


def test_a_recording_is_put_once_with_a_checksum_that_s3_verifies(
    archive: Bucket, stub: Stubber, download: Download
) -> None:
    stub.add_response("put_object", {"ChecksumSHA256": CHECKSUM, "VersionId": "v1"}, recording_request())
    assert archive.put_recording(ORIGIN, download) == StoredObject(
        key=RECORDING_KEY, size=len(WAV), sha256=WAV_SHA256.hexdigest(), version_id="v1", archived_at=NOW
    )


def test_a_transcript_is_put_once_with_its_checksum(archive: Bucket, stub: Stubber) -> None:
    expected = transcript_request()
    stub.add_response("put_object", {"ChecksumSHA256": expected["ChecksumSHA256"]}, expected)
    stored = archive.put_transcript(ORIGIN, DOCUMENT)
    assert (stored.key, stored.sha256) == (TRANSCRIPT_KEY, hashlib.sha256(DOCUMENT).hexdigest())


@pytest.mark.parametrize(
    "code", ["AccessDenied", "SlowDown", "ConditionalRequestConflict", "BadDigest", "500"]
)
def test_what_s3_refuses_is_tried_again_and_named_by_its_code_alone(
    archive: Bucket, stub: Stubber, download: Download, code: str
) -> None:
    stub.add_client_error("put_object", code, f"no, not {SECRET}")
    with pytest.raises(RetryableError) as caught:
        archive.put_recording(ORIGIN, download)
    assert code in str(caught.value)
    assert "secret" not in f"{caught.value!r} {caught.value.__cause__!r}"


# --- What was there before


def test_an_object_that_is_there_is_none_of_ours_to_overwrite(
    archive: Bucket, stub: Stubber, download: Download
) -> None:
    refuses_to_overwrite(stub, recording_request())
    assert archive.put_recording(ORIGIN, download) is None


def test_the_same_transcript_that_is_there_is_ours(archive: Bucket, stub: Stubber) -> None:
    checksum = base64.b64encode(hashlib.sha256(DOCUMENT).digest()).decode()
    refuses_to_overwrite(stub, transcript_request())
    earlier = NOW - timedelta(hours=1)
    stub.add_response(
        "head_object",
        head_answer(checksum, len(DOCUMENT), LastModified=earlier.astimezone(timezone(timedelta(hours=2)))),
        {"Bucket": "bucket", "Key": TRANSCRIPT_KEY, "ChecksumMode": "ENABLED"},
    )
    stored = archive.put_transcript(ORIGIN, DOCUMENT)
    assert (stored.archived_at, stored.version_id) == (earlier, "v1")
    assert stored.archived_at.tzinfo is UTC


@pytest.mark.parametrize("there", [b"another", b'{"transcribe": []}'])
def test_a_different_transcript_that_is_there_is_left_as_it_is(
    archive: Bucket, stub: Stubber, there: bytes
) -> None:
    checksum = base64.b64encode(hashlib.sha256(there).digest()).decode()
    refuses_to_overwrite(stub, transcript_request())
    stub.add_response("head_object", head_answer(checksum, len(there)))
    with pytest.raises(PermanentError, match="left as it is"):
        archive.put_transcript(ORIGIN, DOCUMENT)


@pytest.mark.parametrize("difference", ["size", "sha256"])
def test_an_object_is_the_same_by_size_and_checksum(archive: Bucket, stub: Stubber, difference: str) -> None:
    meant: dict[str, Any] = {"size": len(WAV), "sha256": WAV_SHA256.hexdigest()}
    stub.add_response("head_object", head_answer())
    stub.add_response("head_object", head_answer())
    assert archive.same("key", **meant).key == "key"
    with pytest.raises(PermanentError):
        archive.same("key", **meant | {difference: 0})


@pytest.mark.parametrize("checksum", [{}, {"ChecksumSHA256": f"{OF_PARTS}-2"}])
def test_an_object_that_another_program_put_there_is_another(
    archive: Bucket, stub: Stubber, checksum: dict[str, str]
) -> None:
    """Without a SHA-256, or with a multipart upload's: a checksum of checksums, and the number of parts."""
    answer = {name: value for name, value in head_answer().items() if name != "ChecksumSHA256"}
    stub.add_response("head_object", answer | checksum)
    with pytest.raises(PermanentError, match="different object"):
        archive.same("key", size=len(WAV), sha256=WAV_SHA256.hexdigest())


def test_an_object_that_vanishes_between_two_looks_is_tried_again(archive: Bucket, stub: Stubber) -> None:
    refuses_to_overwrite(stub, transcript_request())
    stub.add_client_error("head_object", "404", "Not Found", 404)
    with pytest.raises(RetryableError):
        archive.put_transcript(ORIGIN, DOCUMENT)


@pytest.mark.parametrize("code", ["404", "NoSuchKey", "NotFound"])
def test_nothing_is_stored_where_s3_finds_nothing(archive: Bucket, stub: Stubber, code: str) -> None:
    stub.add_client_error("head_object", code, "Not Found", 404)
    assert archive.stored("key") is None


def test_a_look_that_is_denied_does_not_say_that_nothing_is_there(archive: Bucket, stub: Stubber) -> None:
    stub.add_client_error("head_object", "403", f"no {SECRET}", 403)
    with pytest.raises(RetryableError, match="403") as caught:
        archive.stored("key")
    assert "secret" not in str(caught.value)


# --- Answers that are lost


class LostAnswers:
    """S3 takes what it is given or not, and its answer is lost in either case."""

    def __init__(self, head: dict[str, Any] | None) -> None:
        self._head = head

    def put_object(self, **_request: object) -> None:
        raise ReadTimeoutError(endpoint_url=SECRET)

    def head_object(self, **_request: object) -> dict[str, Any]:
        if self._head is None:
            raise ReadTimeoutError(endpoint_url=SECRET)
        return self._head


def unanswered(head: dict[str, Any] | None) -> Bucket:
    client: Any = LostAnswers(head)
    return Bucket(client, "bucket", lambda: NOW)


def test_an_object_whose_answer_was_lost_is_found_by_a_look(download: Download) -> None:
    assert unanswered(head_answer()).put_recording(ORIGIN, download) is None


def test_a_transcript_whose_answer_was_lost_is_compared_at_once() -> None:
    checksum = base64.b64encode(hashlib.sha256(DOCUMENT).digest()).decode()
    stored = unanswered(head_answer(checksum, len(DOCUMENT))).put_transcript(ORIGIN, DOCUMENT)
    assert stored.sha256 == hashlib.sha256(DOCUMENT).hexdigest()


def test_without_any_answer_it_is_tried_again(download: Download) -> None:
    with pytest.raises(RetryableError, match="ReadTimeoutError") as caught:
        unanswered(None).put_recording(ORIGIN, download)
    assert "secret" not in f"{caught.value!r} {caught.value.__cause__!r}"


@pytest.mark.parametrize("status", [403, 404])
def test_an_object_that_is_not_there_after_a_lost_answer_is_tried_again(
    archive: Bucket, stub: Stubber, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """403 is what S3 says of it to those who may not list the bucket, which the fetcher may not."""
    monkeypatch.setattr(archive.client, "put_object", LostAnswers(None).put_object)
    stub.add_client_error("head_object", str(status), "no", status)
    with pytest.raises(RetryableError, match="ReadTimeoutError"):
        archive.put_transcript(ORIGIN, DOCUMENT)


# --- Against an S3 in memory


def test_a_recording_is_stored_as_it_was_served(kept: Bucket, s3: S3Client, download: Download) -> None:
    stored = kept.put_recording(ORIGIN, download)
    there = s3.get_object(Bucket="bucket", Key=RECORDING_KEY)
    assert stored is not None
    assert (there["ContentType"], there["Metadata"]) == ("audio/wav", METADATA)
    assert there["VersionId"] == stored.version_id
    assert stored.sha256 == WAV_SHA256.hexdigest()


def test_a_download_that_breaks_off_stores_nothing_and_reports_its_own_error(
    kept: Bucket, s3: S3Client, raw_server: RawServer
) -> None:
    raw_server.says(b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n" + WAV, then="close")
    downloads = Downloads(hosts=frozenset(), loopback=True)
    with (
        downloads.open(raw_server.url, seconds=60) as download,
        pytest.raises(RetryableError, match="bytes short"),
    ):
        kept.put_recording(ORIGIN, download)
    assert "Contents" not in s3.list_objects_v2(Bucket="bucket")


def test_a_downloads_own_error_is_reported_and_not_what_its_reader_made_of_it(download: Download) -> None:
    download.error = RetryableError("the download is too slow")
    with pytest.raises(RetryableError, match="too slow"):
        unanswered(None).put_recording(ORIGIN, download)


def test_a_bucket_that_is_not_there_is_an_error_of_ours(archive: Bucket) -> None:
    with pytest.raises(ArchiveError, match="NoSuchBucket"):
        archive.put_transcript(ORIGIN, DOCUMENT)


def test_a_downloads_checksum_is_that_of_its_bytes(download: Download) -> None:
    assert download.sha256() == WAV_SHA256.hexdigest()


@pytest.mark.parametrize("text", ["Let’s 🔑", "half a pair \ud800", ""])
def test_a_transcript_is_the_same_bytes_each_time_and_so_meets_itself(text: str) -> None:
    transcribe = {"language_code": "en-US", "transcription": [{"status": "completed", "result": text}]}
    first, second = (transcript_document(ORIGIN, dict(transcribe)) for _ in range(2))
    assert first == second
    assert json.loads(first) == {
        "reference_id": "CALL",
        "file_name": "CALL 1/ü.wav",
        "recorded_at": "2026-02-28T23:00:00Z",
        "recording_key": RECORDING_KEY,
        "transcribe": transcribe,
    }
