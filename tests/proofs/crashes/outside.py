"""Every call that leaves the process, told just before it is made and just after it was answered."""

import http.client
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, Final, cast
from unittest.mock import patch

import requests
from botocore.client import BaseClient

import call_archive
from call_archive.provider import download as downloads
from tests.proofs.recording import Record

PACKAGE: Final = str(Path(call_archive.__file__).parent)


class Moment(StrEnum):
    BEFORE = "before"
    """Nothing of it has taken effect."""
    MIDWAY = "midway"
    """Half of a recording's bytes have arrived; S3 has stored nothing."""
    AFTER = "after"
    """It has taken effect, and nobody has heard of it."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Site:
    """Where in our code a call is made; `path` is the code's stack, innermost first, as `file:function`."""

    service: str
    operation: str
    path: tuple[str, ...] = ()

    def __str__(self) -> str:
        inner = self.path[0] if self.path else ""
        file = inner.partition(":")[0]
        caller = next((each for each in self.path if not each.startswith(file)), "")
        return f"{self.service} {self.operation} at {inner}" + (f" for {caller}" if caller else "")


READS: Final = frozenset(
    {
        "BatchGetItem",
        "GetItem",
        "GetQueueAttributes",
        "GetSecretValue",
        "HeadObject",
        "Query",
        "list",
        "call",
        "GET",
    }
)
"""What changes nothing outside. All other operations count as effects, whatever their answer."""

Listener = Callable[[Site, Moment, str], None]
"""Hears of a call's site, its moment, and what it is about: a url's path, or nothing."""


@dataclass(slots=True)
class Outside:
    """Tells `listener` while `watching`: what a harness itself asks for is none of the functions' calls."""

    listener: Listener
    record: Record
    """Of what AWS has done for the functions."""
    watching: bool = False
    effects: int = 0
    """How many calls there were that may have changed something."""

    @contextmanager
    def attached(self) -> Iterator[None]:
        """The functions' clients as they are, with our ear on them."""
        make_api_call: Any = BaseClient._make_api_call  # type: ignore[attr-defined]
        send = requests.Session.send
        outside = self

        def told_api_call(client: Any, operation: str, request: dict[str, Any]) -> Any:
            if not outside.watching:
                return make_api_call(client, operation, request)
            with outside.telling(client.meta.service_model.service_name, operation):
                answer = make_api_call(client, operation, request)
                outside.record.add(operation, request, done=True)
                return answer

        def told_send(session: requests.Session, request: Any, **options: Any) -> requests.Response:
            about = str(request.url).partition("?")[0]
            operation = "list" if about.endswith("/call_recording") else "call"
            with outside.telling("provider", operation, about):
                return send(session, request, **options)

        class Connection(downloads._Connection):
            def request(self, *args: Any, **options: Any) -> None:
                outside.emit("download host", "GET", Moment.BEFORE)
                super().request(*args, **options)

            def getresponse(self) -> http.client.HTTPResponse:
                response: Any = super().getresponse()
                outside.emit("download host", "GET", Moment.AFTER)
                midway = partial(outside.emit, "download host", "body", Moment.MIDWAY)
                response.read1 = _telling(response, midway)
                return cast("http.client.HTTPResponse", response)

        with ExitStack() as patches:
            patches.enter_context(patch.object(BaseClient, "_make_api_call", told_api_call))
            patches.enter_context(patch.object(requests.Session, "send", told_send))
            patches.enter_context(patch.object(downloads, "_Connection", Connection))
            yield

    @contextmanager
    def telling(self, service: str, operation: str, about: str = "") -> Iterator[None]:
        """An answer that is an error is an answer too."""
        self.emit(service, operation, Moment.BEFORE, about)
        try:
            yield
        except Exception:
            self.emit(service, operation, Moment.AFTER, about)
            raise
        self.emit(service, operation, Moment.AFTER, about)

    def emit(self, service: str, operation: str, moment: Moment, about: str = "") -> None:
        if self.watching:
            self.effects += moment is Moment.AFTER and operation not in READS
            path = tuple(_frames_of_ours(sys._getframe()))
            self.listener(Site(service=service, operation=operation, path=path), moment, about)


def _telling(response: http.client.HTTPResponse, midway: Callable[[], None]) -> Callable[[int], bytes]:
    """Reads, and tells when half of the body has come, or the first of it when its length is not known."""
    read, got = response.read1, 0
    half = (response.length or 0) / 2

    def read1(most: int = -1) -> bytes:
        nonlocal got
        piece = read(most)
        before, got = got, got + len(piece)
        if before <= half < got:
            midway()
        return piece

    return read1


def _frames_of_ours(frame: FrameType | None) -> Iterator[str]:
    while frame is not None:
        code = frame.f_code
        if code.co_filename.startswith(PACKAGE) and not code.co_name.startswith("<"):
            yield f"{Path(code.co_filename).name}:{code.co_name}"
        frame = frame.f_back
