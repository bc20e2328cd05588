"""The provider's Recordings API: list by window, ask by reference id. Past this file nothing is a raw dict.

Its documents and what they leave open: docs/provider.md.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import requests
import urllib3

from call_archive.errors import RefusedError, RetryableError, StaleTokenError, UnknownCallError
from call_archive.model.window import to_text
from call_archive.provider.budget import Budget
from call_archive.provider.parse import Page, parse_call, parse_page

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from call_archive.model.row import Row
    from call_archive.model.window import Window
    from call_archive.provider.credentials import Credentials

PAGE_SIZE = 100
TIMEOUTS_SECONDS = (5, 20)
"""To connect, and between two reads."""
MAX_ANSWER_SECONDS = 60
MAX_ANSWER_BYTES = 16 * 1024 * 1024
MAX_NUMBER_DIGITS = 4000
MAX_TOKEN = 4096
"""In characters; the target of a request may have about 8,000 bytes."""
MAX_RETRY_AFTER_SECONDS = 3600
"""For the work that got the answer."""
MAX_SHARED_PAUSE_SECONDS = 60
"""For all others: one odd answer must not stop the account's whole archive."""


class Telesign:
    """A client for one account; safe to use from several threads."""

    def __init__(
        self, url: str, *, credentials: Callable[[bool], Credentials], requests_per_second: float
    ) -> None:
        self._base = f"{url.rstrip('/')}/v2/call_recording"
        self._credentials = credentials
        self._budget = Budget(requests_per_second)
        self._local = threading.local()

    def first_page(self, window: Window) -> Page:
        """The window's first page; an empty one when the provider knows no recordings there (404)."""
        answer = self._get(
            self._base,
            {
                "start_date_time": to_text(window.start),
                "end_date_time": to_text(window.end),
                "pagesize": str(PAGE_SIZE),
            },
        )
        if answer.status == HTTPStatus.NOT_FOUND:
            return Page(rows=(), token=None, unreadable=0)
        if answer.status == HTTPStatus.BAD_REQUEST:
            raise RefusedError("the provider refuses to list this window (400)")
        return parse_page(answer.json())

    def next_page(self, token: str) -> Page:
        """The page behind a token, which must travel alone; StaleTokenError when it is no longer accepted."""
        if len(token) > MAX_TOKEN or not token.isascii():
            raise StaleTokenError("the provider's token for the next page is none that can be sent")
        answer = self._get(self._base, {"token": token})
        if answer.status in (HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST):
            raise StaleTokenError(f"the provider no longer accepts the page's token ({answer.status})")
        return parse_page(answer.json())

    def call(self, reference_id: str) -> tuple[Row, ...]:
        """Everything of one call, with fresh links; UnknownCallError on 404."""
        if not reference_id.strip("."):
            raise UnknownCallError("this reference id cannot be asked for: it is a path")
        answer = self._get(f"{self._base}/{quote(reference_id, safe='')}", {})
        if answer.status == HTTPStatus.NOT_FOUND:
            raise UnknownCallError("the provider does not know this call (404)")
        if answer.status == HTTPStatus.BAD_REQUEST:
            raise RetryableError("the provider calls this reference id a bad request (400)")
        return parse_call(answer.json(), reference_id)

    def _get(self, url: str, params: Mapping[str, str]) -> _Answer:
        answer = self._ask(url, params, renew=False)
        if answer.status == HTTPStatus.UNAUTHORIZED:  # the key may have been rotated since we read it
            answer = self._ask(url, params, renew=True)
        return answer.checked(self._budget)

    def _ask(self, url: str, params: Mapping[str, str], *, renew: bool) -> _Answer:
        credentials = self._credentials(renew)
        self._budget.wait()
        try:
            with self._session().get(
                url,
                params=params,
                auth=(_utf8(credentials.customer_id), _utf8(credentials.api_key)),
                headers={
                    "Content-Type": "application/json",
                    "Accept": "application/json",
                    "Accept-Encoding": "identity",
                },
                timeout=TIMEOUTS_SECONDS,
                allow_redirects=False,
                stream=True,
            ) as response:
                return _Answer(response.status_code, response.headers.get("Retry-After"), _body(response))
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            # Only the kind of error: its text holds the url, and the url a token.
            raise RetryableError(f"the provider cannot be reached ({type(error).__name__})") from None

    def _session(self) -> requests.Session:
        """One a thread, so that connections are reused; without proxies, .netrc and the environment's say."""
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            session.trust_env = False
        return session


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    retry_after: str | None
    body: bytes = field(repr=False)

    def checked(self, budget: Budget) -> _Answer:
        """Itself when its status has a meaning for the caller (200, 400, 404); raises for every other."""
        match self.status:
            case HTTPStatus.OK | HTTPStatus.BAD_REQUEST | HTTPStatus.NOT_FOUND:
                return self
            case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
                raise RefusedError(
                    f"the provider refuses our credentials ({self.status}): put the right customer_id and"
                    " api_key into the secret"
                )
        seconds = _retry_after_seconds(self.retry_after)
        if self.status == HTTPStatus.TOO_MANY_REQUESTS:
            budget.pause(min(max(seconds, 1), MAX_SHARED_PAUSE_SECONDS))
        raise RetryableError(f"the provider answered {self.status}", retry_after_seconds=seconds)

    def json(self) -> Any:
        """What was answered. A wrong byte, a raw control character or an endless number in a row is that
        row's matter: the others of its page are read."""
        try:
            text = self.body.decode(json.detect_encoding(self.body), "surrogateescape")
            return json.loads(text, strict=False, parse_int=_whole)
        except (ValueError, RecursionError):
            raise RetryableError("the provider's answer is not JSON") from None


def _whole(digits: str) -> int | str:
    """Python converts numbers of at most 4,300 digits: a longer one stays text."""
    return int(digits) if len(digits) < MAX_NUMBER_DIGITS else digits


def _utf8(text: str) -> str:
    """requests encodes Basic credentials as Latin-1, which passes UTF-8's bytes through when they look like it."""
    return text.encode().decode("latin-1")


def _body(response: requests.Response) -> bytes:
    """The whole body, within bounds of size and of time: a body that drips passes each single read's time-out."""
    deadline = time.monotonic() + MAX_ANSWER_SECONDS
    body = bytearray()
    while chunk := response.raw.read1(64 * 1024, decode_content=True):
        body += chunk
        if len(body) > MAX_ANSWER_BYTES or time.monotonic() > deadline:
            raise RetryableError("the provider's answer is too large or too slow")
    return bytes(body)


def _retry_after_seconds(header: str | None) -> float:
    """The header's seconds, given as such or as a date, bounded; 0 for none that can be read."""
    try:
        seconds = float(header or 0)
    except ValueError:
        seconds = _seconds_until(header or "")
    return min(seconds, MAX_RETRY_AFTER_SECONDS) if seconds > 0 else 0


def _seconds_until(date: str) -> float:
    try:
        return (parsedate_to_datetime(date).astimezone(UTC) - datetime.now(UTC)).total_seconds()
    except (ValueError, OverflowError):
        return 0
