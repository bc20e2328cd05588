"""The bucket: an object is put once, and never overwritten."""

from __future__ import annotations

import base64
import binascii
import hashlib
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from call_archive.errors import PermanentError, RetryableError
from call_archive.model.call import StoredObject
from call_archive.model.object_key import segment

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from mypy_boto3_s3 import S3Client

    from call_archive.model.object_key import Origin
    from call_archive.provider.download import Download

ALREADY_THERE = "PreconditionFailed"


@dataclass(frozen=True, slots=True)
class Bucket:
    """`client` must not retry: a body that streams cannot be sent twice. The visit retries."""

    client: S3Client
    name: str
    now: Callable[[], datetime]

    def put_recording(self, origin: Origin, download: Download) -> StoredObject | None:
        """Streams a download into the bucket; None when an object already lies at its key."""
        try:
            # Over TLS the checksum follows the body: S3 refuses the object when they disagree.
            checksum = {"ChecksumAlgorithm": "SHA256"}
            return self._put(origin.recording_key, origin, download, download.size, "audio/wav", checksum)
        except RetryableError:
            if download.error is not None:
                raise download.error from None
            raise

    def put_transcript(self, origin: Origin, document: bytes) -> StoredObject:
        """Puts a transcript, or finds that the same one is there; PermanentError when a different one is."""
        key = origin.transcript_key
        digest = hashlib.sha256(document)
        checksum = base64.b64encode(digest.digest()).decode()
        stored = self._put(
            key, origin, document, len(document), "application/json", {"ChecksumSHA256": checksum}
        )
        return stored or self.same(key, size=len(document), sha256=digest.hexdigest())

    def same(self, key: str, *, size: int, sha256: str) -> StoredObject:
        """The object that lies at a key, if it is the one meant; PermanentError when it is another."""
        there = self.stored(key)
        if there is None:
            raise RetryableError("the object was there and is not any more")
        if (there.size, there.sha256) != (size, sha256):
            raise PermanentError(f"a different object already lies at {key}: it was left as it is")
        return there

    def stored(self, key: str) -> StoredObject | None:
        """What S3 itself says of the object at a key."""
        try:
            head = self.client.head_object(Bucket=self.name, Key=key, ChecksumMode="ENABLED")
        except ClientError as error:
            if error.response["Error"]["Code"] in ("404", "NoSuchKey", "NotFound"):
                return None
            raise _retryable(error) from None
        except BotoCoreError as error:
            raise _retryable(error) from None
        return StoredObject(
            key=key,
            size=head["ContentLength"],
            sha256=_hex(head.get("ChecksumSHA256", "")),
            version_id=head.get("VersionId"),
            archived_at=head["LastModified"].astimezone(UTC),
        )

    def _put(
        self,
        key: str,
        origin: Origin,
        body: Any,
        size: int,
        content_type: str,
        checksum: dict[str, Any],
    ) -> StoredObject | None:
        try:
            answer = self.client.put_object(
                Bucket=self.name,
                Key=key,
                Body=body,
                ContentLength=size,
                ContentType=content_type,
                Metadata=_metadata(origin),
                **checksum,
                IfNoneMatch="*",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == ALREADY_THERE:
                return None
            raise _retryable(error) from None
        except BotoCoreError as error:
            # The answer may have been lost on its way, or came before the body was sent: look. S3 says 403, and
            # not 404, of a key that does not exist to those who may not list: the first error is the one to report.
            with suppress(RetryableError):
                if self.stored(key) is not None:
                    return None
            raise _retryable(error) from None
        return StoredObject(
            key=key,
            size=size,
            sha256=_hex(answer["ChecksumSHA256"]),
            version_id=answer.get("VersionId"),
            archived_at=self.now(),
        )


def _metadata(origin: Origin) -> dict[str, str]:
    """What a consumer needs of an object without another request; S3 takes 2 KB of it, in ASCII."""
    return {
        "reference-id": segment(origin.reference_id),
        "file-name": segment(origin.file_name),
        "recorded-at": origin.recorded_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _hex(checksum: str) -> str:
    """Empty, and so no file's, for a multipart upload's checksum of checksums, which ends in `-` and a number."""
    try:
        return base64.b64decode(checksum, validate=True).hex()
    except binascii.Error:
        return ""


def _retryable(error: ClientError | BotoCoreError) -> RetryableError:
    """By kind alone: botocore's texts may quote requests."""
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
    return RetryableError(f"S3 did not take or show the object ({code})")
