"""A request and its answer, without sockets."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum, auto
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl


class Ending(StrEnum):
    KEEP_ALIVE = auto()
    CLOSE = auto()
    RESET = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    method: str
    target: str  # as sent, byte for byte
    headers: Mapping[str, str]

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> list[tuple[str, str]]:
        return parse_qsl(self.target.partition("?")[2], keep_blank_values=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    status: int  # 0: not even a status line is sent
    body: Iterable[bytes] = ()
    length: int | None = 0  # Content-Length; None sends none and ends the body by closing
    content_type: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    ending: Ending = Ending.KEEP_ALIVE
    silent_seconds: float = 0  # before the first byte
    spread_seconds: float = 0  # the time the body takes


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRequest:
    server: str  # "api" or "cdn"
    method: str
    path: str
    query_keys: tuple[str, ...]
    has_authorization: bool
    status: int  # 0: no answer (a reset or a time-out)
    at: datetime


def bytes_reply(
    status: int, body: bytes, content_type: str, headers: Mapping[str, str] | None = None
) -> Reply:
    return Reply(
        status=status, body=(body,), length=len(body), content_type=content_type, headers=headers or {}
    )


def json_reply(document: Any) -> Reply:
    body = json.dumps(document, ensure_ascii=False).encode()
    return bytes_reply(HTTPStatus.OK, body, "application/json")


def error_reply(status: int, reason: str, headers: Mapping[str, str] | None = None) -> Reply:
    """Answer an error. Invented: no body is documented; this is the platform's usual shape."""
    body = json.dumps({"status": {"code": status, "description": reason}}).encode()
    return bytes_reply(status, body, "application/json", headers)


def denied_reply() -> Reply:
    """Answer as CloudFront does for an expired or altered link."""
    body = b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code><Message>Access denied</Message></Error>'
    return bytes_reply(HTTPStatus.FORBIDDEN, body, "text/xml")
