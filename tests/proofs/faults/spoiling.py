"""What each fault looks like on the wire, in each service's own words."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tests.proofs.faults.cells import DYNAMODB, PROVIDER, S3, Dependency, Fault

PAGE = b"<!DOCTYPE html><html><body><h1>Sign in to this network</h1></body></html>"
STRAY = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray"
"""As hostile as bytes after an answer can be: they read like the next one."""
REQUEST_ID = {"x-amzn-requestid": "injected", "x-amz-request-id": "injected"}
"""AWS's own answers have one, and so must those that are to be taken for AWS's."""
NO_CRC32, NO_SHA256 = "1", "A" * 43 + "="

THROTTLED = {"DynamoDB": "ProvisionedThroughputExceededException", "SQS": "RequestThrottled"}
MISSING = {"SQS": "QueueDoesNotExist"}
AWS_ERRORS: Mapping[Fault, tuple[int, Callable[[str], str]]] = {
    Fault.THROTTLE: (400, lambda service: THROTTLED.get(service, "ThrottlingException")),
    Fault.ERROR_500: (500, lambda _: "InternalServerError"),
    Fault.DONE_500: (500, lambda _: "InternalServerError"),
    Fault.ERROR_503: (503, lambda _: "ServiceUnavailable"),
    Fault.DENIED: (400, lambda _: "AccessDeniedException"),
    Fault.NOT_FOUND: (400, lambda service: MISSING.get(service, "ResourceNotFoundException")),
    Fault.EXPIRED: (400, lambda _: "ExpiredTokenException"),
}
S3_ERRORS = {
    Fault.THROTTLE: (503, "SlowDown"),
    Fault.ERROR_500: (500, "InternalError"),
    Fault.DONE_500: (500, "InternalError"),
    Fault.ERROR_503: (503, "ServiceUnavailable"),
    Fault.DENIED: (403, "AccessDenied"),
    Fault.NOT_FOUND: (404, "NoSuchBucket"),
    Fault.EXPIRED: (403, "RequestTimeTooSkewed"),
    Fault.WRONG_CHECKSUM: (400, "BadDigest"),
}
PROVIDER_ERRORS = {
    Fault.THROTTLE: 429,
    Fault.ERROR_500: 500,
    Fault.ERROR_503: 503,
    Fault.DENIED: 401,
    Fault.NOT_FOUND: 404,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    stray: bytes = b""
    closes: bool = False

    def bytes_on_the_wire(self, *, bodiless: bool) -> bytes:
        lines = [f"HTTP/1.1 {self.status} x", *(f"{name}: {text}" for name, text in self.headers.items())]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        return head + (b"" if bodiless else self.body) + self.stray


def instead(dependency: Dependency, fault: Fault) -> Answer | None:
    """The answer that is given without anything being done; None when the real one is needed."""
    if fault is Fault.HTML:
        return _answer(200, PAGE, "text/html; charset=utf-8")
    return refusal(dependency, fault) if fault is not Fault.DONE_500 else None


def refusal(dependency: Dependency, fault: Fault) -> Answer | None:
    if dependency in PROVIDER:
        status = PROVIDER_ERRORS.get(fault)
        if dependency is Dependency.DOWNLOAD and fault is Fault.DENIED:
            status = 403
        return None if status is None else _answer(status, b'{"status": "no"}', "application/json")
    if dependency in S3:
        if fault is Fault.WRONG_CHECKSUM and dependency is Dependency.HEAD_OBJECT:
            return None
        return _s3_error(*S3_ERRORS[fault]) if fault in S3_ERRORS else None
    if fault not in AWS_ERRORS:
        return None
    status, code = AWS_ERRORS[fault]
    document = {"__type": code(dependency.split()[0]), "message": "injected"}
    return _answer(status, json.dumps(document).encode(), "application/x-amz-json-1.0")


def spoiled(answer: Answer, dependency: Dependency, fault: Fault) -> Answer:
    """The real answer, made wrong."""
    headers = dict(answer.headers)
    match fault:
        case Fault.SHORT_BODY:
            return replace(answer, body=answer.body[: len(answer.body) // 2], closes=True)
        case Fault.LONG_BODY:
            return replace(answer, stray=STRAY)
        case Fault.WRONG_TYPE:
            return replace(answer, headers=headers | {"content-type": "text/html"})
        case Fault.WRONG_LENGTH:
            return replace(answer, headers=headers | {"content-length": "many"}, closes=True)
        case Fault.WRONG_CHECKSUM if dependency in DYNAMODB:
            return replace(answer, headers=headers | {"x-amz-crc32": NO_CRC32})
        case Fault.WRONG_CHECKSUM:
            return replace(answer, headers=headers | {"x-amz-checksum-sha256": NO_SHA256})
        case _:
            return answer


def part_of(dependency: Dependency, body: bytes) -> tuple[bytes | None, Callable[[bytes], bytes]]:
    """Of a batch, the request for what is to be done, if anything, and how its answer tells of the rest."""
    request = json.loads(body)
    if dependency is Dependency.SEND_MESSAGE_BATCH:
        *done, left = request["Entries"]
        failed = [{"Id": left["Id"], "SenderFault": False, "Code": "InternalError"}]
        return _asked(request | {"Entries": done}, done), _told("Failed", failed, {"Successful": []})
    ((table, wanted),) = request["RequestItems"].items()
    *done, left = wanted["Keys"]
    asked = _asked({"RequestItems": {table: wanted | {"Keys": done}}}, done)
    unprocessed = {table: wanted | {"Keys": [left]}}
    return asked, _told("UnprocessedKeys", unprocessed, {"Responses": {table: []}})


def _asked(request: dict[str, Any], done: list[Any]) -> bytes | None:
    return json.dumps(request).encode() if done else None


def _told(name: str, left: Any, nothing: dict[str, Any]) -> Callable[[bytes], bytes]:
    return lambda body: json.dumps((json.loads(body) if body else nothing) | {name: left}).encode()


def _s3_error(status: int, code: str) -> Answer:
    body = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>no</Message></Error>'
    return _answer(status, body.encode(), "application/xml")


def _answer(status: int, body: bytes, content_type: str) -> Answer:
    headers = {"content-type": content_type, "content-length": str(len(body))}
    return Answer(status=status, headers=headers if body == PAGE else headers | REQUEST_ID, body=body)
