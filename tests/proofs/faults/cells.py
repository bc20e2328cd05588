"""The matrix: what the archive depends on, how that can fail, and which of the two together mean something."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Dependency(StrEnum):
    LIST = "provider: list"
    CALL = "provider: call by id"
    DOWNLOAD = "download host"
    DNS = "DNS of the download host"
    PUT_OBJECT = "S3 PutObject"
    HEAD_OBJECT = "S3 HeadObject"
    GET_ITEM = "DynamoDB GetItem"
    PUT_ITEM = "DynamoDB PutItem"
    PUT_WINDOW = "DynamoDB PutItem of a window"
    UPDATE_ITEM = "DynamoDB UpdateItem"
    DELETE_ITEM = "DynamoDB DeleteItem"
    BATCH_GET_ITEM = "DynamoDB BatchGetItem"
    QUERY = "DynamoDB Query"
    SEND_MESSAGE_BATCH = "SQS SendMessageBatch"
    GET_QUEUE_ATTRIBUTES = "SQS GetQueueAttributes"
    GET_SECRET_VALUE = "Secrets Manager GetSecretValue"


class Fault(StrEnum):
    THROTTLE = "throttle"
    ERROR_500 = "500"
    ERROR_503 = "503"
    SILENCE = "timeout (silence)"
    RESET = "reset"
    RESET_MIDWAY = "reset midway"
    DRIP = "slow drip"
    SHORT_BODY = "short body"
    LONG_BODY = "long body"
    WRONG_TYPE = "wrong content type"
    WRONG_LENGTH = "wrong length"
    HTML = "HTML with 200"
    DENIED = "denied"
    NOT_FOUND = "not found"
    PARTIAL = "partial failure"
    ANSWER_LOST = "answer lost, though done"
    DONE_500 = "500, though done"
    WRONG_CHECKSUM = "wrong checksum"
    EXPIRED = "expired token or clock"
    PRIVATE_ADDRESS = "private address"
    DEAD_ADDRESS = "dead address"


MEANINGS = {
    Fault.THROTTLE: "429, or the service's own throttling error",
    Fault.ERROR_500: "the service's internal error; nothing was done",
    Fault.ERROR_503: "unavailable; nothing was done",
    Fault.SILENCE: "the request is read and never answered; a name that does not resolve in time",
    Fault.RESET: "the connection is reset before an answer; nothing was done",
    Fault.RESET_MIDWAY: "the connection is reset after half the answer; for PutObject, after part of the body was sent",
    Fault.DRIP: "the answer takes longer than the client waits in all, though no single read does",
    Fault.SHORT_BODY: "half the body, then the end of the connection",
    Fault.LONG_BODY: "the right answer, then bytes that do not belong to it, and the connection stays open",
    Fault.WRONG_TYPE: "the right body as `text/html`",
    Fault.WRONG_LENGTH: "a `Content-Length` that is no number",
    Fault.HTML: "a web page with status 200; nothing was done",
    Fault.DENIED: "401 or 403, or the service's own; a name server that refuses",
    Fault.NOT_FOUND: "404, or the service's own; a name that does not exist",
    Fault.PARTIAL: "`Failed` entries, `UnprocessedKeys`",
    Fault.ANSWER_LOST: "it was done, and the connection is reset instead of an answer",
    Fault.DONE_500: "it was done, and the answer is an internal error",
    Fault.WRONG_CHECKSUM: "S3: `BadDigest`, or another object's checksum; DynamoDB: another answer's CRC-32",
    Fault.EXPIRED: "`RequestTimeTooSkewed` of S3, `ExpiredTokenException` of the others",
    Fault.PRIVATE_ADDRESS: "the name leads to 10.0.0.1",
    Fault.DEAD_ADDRESS: "the name leads to where nothing listens",
}

S3 = (Dependency.PUT_OBJECT, Dependency.HEAD_OBJECT)
DYNAMODB = tuple(each for each in Dependency if each.startswith("DynamoDB"))
PROVIDER = (Dependency.LIST, Dependency.CALL, Dependency.DOWNLOAD)
WRITES = (
    Dependency.PUT_OBJECT,
    Dependency.PUT_ITEM,
    Dependency.UPDATE_ITEM,
    Dependency.DELETE_ITEM,
    Dependency.PUT_WINDOW,
    Dependency.SEND_MESSAGE_BATCH,
)
BATCHES = (Dependency.SEND_MESSAGE_BATCH, Dependency.BATCH_GET_ITEM)
OF_NAMES = (
    Fault.SILENCE,
    Fault.DENIED,
    Fault.NOT_FOUND,
    Fault.PRIVATE_ADDRESS,
    Fault.DEAD_ADDRESS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    dependency: Dependency
    fault: Fault

    @property
    def waits(self) -> bool:
        """Whether a client must give up waiting for the fault to show."""
        return self.fault in (Fault.SILENCE, Fault.DRIP)

    def __str__(self) -> str:
        return f"{self.dependency} - {self.fault}"


BLIND = Cell(dependency=Dependency.LIST, fault=Fault.NOT_FOUND)
"""An empty range is documented to be answered so: nothing tells it from an empty account."""


def why_not(cell: Cell) -> str | None:
    """Why the two together mean nothing; None when they do."""
    dependency, fault = cell.dependency, cell.fault
    if dependency is Dependency.DNS:
        return None if fault in OF_NAMES else "a name server has no such answer"
    if fault in (Fault.PRIVATE_ADDRESS, Fault.DEAD_ADDRESS):
        return "of names alone"
    if dependency in S3 and fault in (Fault.SHORT_BODY, Fault.DRIP):
        return "the answer has no body"
    return _why_not_of_aws(dependency, fault)


def _why_not_of_aws(dependency: Dependency, fault: Fault) -> str | None:
    match fault:
        case Fault.PARTIAL if dependency not in BATCHES:
            return "it is done as a whole or not"
        case Fault.ANSWER_LOST | Fault.DONE_500 if dependency not in WRITES:
            return "it changes nothing: the same as without"
        case Fault.WRONG_CHECKSUM if dependency not in (*S3, *DYNAMODB):
            return "the answer has no checksum that the client reads"
        case Fault.EXPIRED if dependency is Dependency.DOWNLOAD:
            return "an expired link is `denied`"
        case Fault.EXPIRED if dependency in PROVIDER:
            return (
                "Basic credentials do not expire; a page's token: `tests/integration/test_fault_recovery.py`"
            )
        case _:
            return None


def cells() -> Iterator[Cell]:
    """Every cell that is run."""
    for dependency in Dependency:
        for fault in Fault:
            cell = Cell(dependency=dependency, fault=fault)
            if why_not(cell) is None:
                yield cell
