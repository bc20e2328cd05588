"""The bucket: an object is put once and never again."""

import hashlib

from call_archive.errors import PermanentError, RetryableError
from call_archive.model.call import StoredObject
from call_archive.model.object_key import Origin
from call_archive.provider.download import Download
from infra.verification.differences import StoredVersion
from tests.proofs.clock import Clock
from tests.proofs.models.steps import Steps, step


class Archive:
    name = "archive"

    def __init__(self, clock: Clock, steps: Steps) -> None:
        self.steps = steps
        self.objects: dict[str, StoredObject] = {}
        self.versions: list[StoredVersion] = []
        self.bodies: dict[str, bytes] = {}
        self.uploads: list[str] = []
        """Keys of uploads in parts that were begun and not ended: one PUT leaves none."""
        self._clock = clock

    @step
    def put_recording(self, origin: Origin, download: Download) -> StoredObject | None:
        return self._put(origin.recording_key, download.read())

    @step
    def put_transcript(self, origin: Origin, document: bytes) -> StoredObject:
        key = origin.transcript_key
        stored = self._put(key, document)
        return stored or self._same(key, size=len(document), sha256=hashlib.sha256(document).hexdigest())

    @step
    def same(self, key: str, *, size: int, sha256: str) -> StoredObject:
        return self._same(key, size=size, sha256=sha256)

    def _same(self, key: str, *, size: int, sha256: str) -> StoredObject:
        there = self.objects.get(key)
        if there is None:
            raise RetryableError("the object was there and is not any more")
        if (there.size, there.sha256) != (size, sha256):
            raise PermanentError(f"a different object already lies at {key}: it was left as it is")
        return there

    def _put(self, key: str, body: bytes) -> StoredObject | None:
        if key in self.objects:
            return None
        return self._store(key, body)

    def _store(self, key: str, body: bytes) -> StoredObject:
        version_id, sha256 = str(len(self.versions) + 1), hashlib.sha256(body).hexdigest()
        self.bodies[key] = body
        self.versions.append(StoredVersion(key=key, version_id=version_id, size=len(body), sha256=sha256))
        self.objects[key] = StoredObject(
            key=key, size=len(body), sha256=sha256, version_id=version_id, archived_at=self._clock()
        )
        return self.objects[key]
