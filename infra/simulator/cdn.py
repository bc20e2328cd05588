"""The CDN: signed links as CloudFront's, good for the exact bytes that were signed and for a while."""

import base64
import hashlib
import hmac
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from urllib.parse import quote, unquote

from infra.simulator.faults import FaultPlan, Target
from infra.simulator.history import History
from infra.simulator.options import Options
from infra.simulator.replies import Reply, Request, denied_reply, error_reply

FOLDER = "/call_recording/"
KEY_PAIR_ID = "K2SIMULATED0LINK"
# CloudFront writes + = / of base64 as - _ ~.
# https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-creating-signed-url-canned-policy.html
CLOUDFRONT_ALPHABET = bytes.maketrans(b"+=/", b"-_~")
SIGNATURE_PARTS = 4  # of 64 bytes: as long as a 2048-bit RSA signature


class Links:
    def __init__(self, options: Options, cdn_url: Callable[[], str]) -> None:
        self._key = hashlib.sha256(f"links/{options.seed}".encode()).digest()
        self._lifetime_seconds = options.link_lifetime_seconds
        self._cdn_url = cdn_url

    def sign(self, file_name: str, now: datetime) -> str:
        path = FOLDER + quote(file_name, safe="")
        expires = int(now.timestamp()) + self._lifetime_seconds
        return self._cdn_url() + self._target(path, str(expires))

    def file_name(self, request: Request, now: datetime) -> str | None:
        """Give the file a request may read; None when its link is not ours or has expired."""
        expires = dict(request.query).get("Expires", "")
        target = self._target(request.path, expires)
        if not hmac.compare_digest(request.target.encode(), target.encode()):
            return None
        if now.timestamp() > int(expires):
            return None
        return unquote(request.path.removeprefix(FOLDER))

    def _target(self, path: str, expires: str) -> str:
        signature = self._signature(f"{path}?Expires={expires}")
        return f"{path}?Expires={expires}&Signature={signature}&Key-Pair-Id={KEY_PAIR_ID}"

    def _signature(self, signed: str) -> str:
        parts = [
            hmac.digest(self._key, f"{number}{signed}".encode(), "sha512")
            for number in range(SIGNATURE_PARTS)
        ]
        return base64.b64encode(b"".join(parts)).translate(CLOUDFRONT_ALPHABET).decode()


class Cdn:
    def __init__(self, options: Options, history: History, faults: FaultPlan, links: Links) -> None:
        self._options = options
        self._history = history
        self._faults = faults
        self._links = links

    def answer(self, request: Request) -> Reply:
        if "Authorization" in request.headers:
            # Invented (S3 answers so to two ways of authorization): a client must never leak its key to the CDN.
            return error_reply(HTTPStatus.BAD_REQUEST, "a signed link takes no Authorization header")
        if request.method != "GET":
            return error_reply(HTTPStatus.METHOD_NOT_ALLOWED, "method not allowed", {"Allow": "GET"})
        now = self._options.now()
        file_name = self._links.file_name(request, now)
        file = self._history.file(file_name, now) if file_name else None
        if file is None or file.status_at(now) != "available":
            return denied_reply()  # invented for a file deleted after its link was made
        reply = Reply(
            status=HTTPStatus.OK,
            body=file.recording.chunks(),
            length=file.size,
            content_type="audio/x-wav",  # invented: the type is not documented
        )
        target = Target(where="download", reference_id=file.reference_id, file_name=file.file_name)
        return self._faults.spoil(reply, target)
