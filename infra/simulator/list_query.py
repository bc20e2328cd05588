"""The questions of the list: a range of creation times, or a token that carries where the last page ended."""

import base64
import hashlib
import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from cryptography.fernet import Fernet, InvalidToken

from infra.simulator.options import Options

TIME_FORMAT = "%Y-%m-%dT%H:%M:%S"
TIME_PATTERN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}")
MAX_PAGE = 100
PARAMETERS = {"start_date_time", "end_date_time", "pagesize", "token"}
# Fernet pads to 16 bytes; this length makes every token end in "=", which a client must carry intact.
TOKEN_BYTES = 112


class RefusedError(Exception):
    """The request breaks the contract; answered with 400. Invented: that a bad or expired token is 400 too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    start: datetime
    end: datetime
    taken_at: datetime  # when the first page was asked for: later rows belong to no page of this answer
    page_size: int
    position: int = 0


class Tokens:
    """Page tokens as the provider's look: encrypted, time-stamped, and stateless, so any process reads them."""

    def __init__(self, options: Options) -> None:
        key = hashlib.sha256(f"page tokens/{options.seed}".encode()).digest()
        self._fernet = Fernet(base64.urlsafe_b64encode(key))
        self._lifetime_seconds = options.token_lifetime_seconds

    def write(self, question: Question, now: datetime) -> str:
        times = [
            int(question.start.timestamp()),
            int(question.end.timestamp()),
            question.taken_at.timestamp(),
        ]
        document = json.dumps([*times, question.page_size, question.position]).ljust(TOKEN_BYTES)
        return self._fernet.encrypt_at_time(document.encode(), int(now.timestamp())).decode()

    def read(self, token: str, now: datetime) -> Question:
        try:
            document = self._fernet.decrypt_at_time(
                token.encode(), self._lifetime_seconds, int(now.timestamp())
            )
        except InvalidToken:
            raise RefusedError("token is unknown or has expired") from None
        start, end, taken_at, page_size, position = json.loads(document)
        return Question(
            start=datetime.fromtimestamp(start, UTC),
            end=datetime.fromtimestamp(end, UTC),
            taken_at=datetime.fromtimestamp(taken_at, UTC),
            page_size=page_size,
            position=position,
        )


def next_question(question: Question) -> Question:
    return replace(question, position=question.position + question.page_size)


def read_question(query: list[tuple[str, str]], options: Options, tokens: Tokens, now: datetime) -> Question:
    """Understand the query of a list request, or raise RefusedError."""
    given = dict(query)
    if len(given) != len(query) or not given.keys() <= PARAMETERS:
        raise RefusedError("unknown or repeated parameter")  # invented: how these are answered is unknown
    if "token" in given:
        if len(given) > 1:
            raise RefusedError("token must be the only parameter")
        return tokens.read(given["token"], now)
    if not {"start_date_time", "end_date_time"} <= given.keys():
        raise RefusedError("start_date_time and end_date_time are required together")
    start, end = _time(given["start_date_time"]), _time(given["end_date_time"])
    if start > end:
        raise RefusedError("start_date_time is after end_date_time")  # invented
    size = _page_size(given.get("pagesize"), options.default_page_size)
    return Question(start=start, end=end, taken_at=now, page_size=size)


def _time(text: str) -> datetime:
    if not TIME_PATTERN.fullmatch(text):
        raise RefusedError("a time must be YYYY-MM-DDThh:mm:ss, 19 characters, UTC")
    try:
        return datetime.strptime(text, TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        raise RefusedError("no such time") from None


def _page_size(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,3}", text) or not 1 <= int(text) <= MAX_PAGE:
        raise RefusedError(f"pagesize must be 1 to {MAX_PAGE}")
    return int(text)
