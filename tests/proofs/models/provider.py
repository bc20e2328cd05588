"""The provider and its download host: what each file's life looks like through the API."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, cast

from call_archive.errors import (
    InvalidBodyError,
    PermanentError,
    RetryableError,
    StaleTokenError,
    UnknownCallError,
)
from call_archive.model.row import Row
from call_archive.model.window import Window
from call_archive.provider.download import Download
from call_archive.provider.parse import Page
from tests.proofs.clock import Clock
from tests.proofs.models.steps import Steps, step

WAVE = b"RIFF\x24\x00\x00\x00WAVEfmt "
LINK_LIFE = timedelta(minutes=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedFile:
    """A recording file's life at the provider. It has no name until it is available."""

    name: str = "a.wav"
    begins_at: datetime
    available_at: datetime | None
    """None for one that stays in progress."""
    dated: datetime | None = None
    """What the provider's own clock said when it began; None when it goes right."""
    listed_at: datetime | None = None
    """When the list begins to hold it, if later than it began."""
    transcribing_at: datetime | None = None
    transcribed_at: datetime | None = None
    transcription: Mapping[str, Any] | None = None
    deleted_at: datetime | None = None
    vanishes: bool = False
    """Deleted, it is not told of any more."""
    body: bytes = WAVE
    foreign_link: bool = False
    """Its link points to a host that is not the provider's."""

    @property
    def date(self) -> datetime:
        return self.dated or self.begins_at

    def row(self, reference_id: str, now: datetime) -> Row | None:
        """What the provider tells of it now; None before it begins."""
        if now < self.begins_at or (self.vanishes and _passed(self.deleted_at, now)):
            return None
        row = Row(reference_id=reference_id, file_name=None, status="recording", recorded_at=self.date)
        if not _passed(self.available_at, now):
            return row
        row = replace(row, file_name=self.name, status="available", transcribe=self._transcribe(now))
        if _passed(self.deleted_at, now):
            return replace(row, status="deleted", transcribe=None)
        return row

    def is_listed(self, window: Window, now: datetime) -> bool:
        return window.start <= self.date <= window.end and (self.listed_at is None or self.listed_at <= now)

    @property
    def completed(self) -> Mapping[str, Any]:
        return self.transcription or {
            "transcription": [{"status": "completed", "result": [{"text": f"of {self.name}"}]}]
        }

    def _transcribe(self, now: datetime) -> Mapping[str, Any] | None:
        if _passed(self.transcribed_at, now):
            return self.completed
        if _passed(self.transcribing_at, now):
            return {"transcription": [{"status": "in progress"}]}
        return None


def _passed(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and moment <= now


class Provider:
    """`calls` may be changed as a test goes on; `mix` puts rows in another order, or tells some twice."""

    name = "provider"

    def __init__(
        self,
        calls: Mapping[str, Sequence[ScriptedFile]],
        clock: Clock,
        steps: Steps,
        *,
        page_size: int = 100,
        token_life: timedelta = timedelta(hours=1),
        mix: Callable[[list[Row]], list[Row]] = lambda rows: rows,
    ) -> None:
        self.calls = dict(calls)
        self.steps = steps
        self.secret = "signed"
        """Is in every link: the canary of those who look for links where none belongs."""
        self._clock, self._page_size, self._token_life, self._mix = clock, page_size, token_life, mix
        self._tokens: dict[str, tuple[datetime, list[Row]]] = {}

    @step
    def call(self, reference_id: str) -> tuple[Row, ...]:
        rows = [self._linked(row) for row in self._rows(reference_id)]
        if not rows:
            raise UnknownCallError("the provider does not know this call (404)")
        return tuple(self._mix(rows))

    @step
    def first_page(self, window: Window) -> Page:
        now = self._clock()
        rows = [
            row
            for reference_id, files in self.dated(window)
            for file in files
            if file.is_listed(window, now) and (row := file.row(reference_id, now)) is not None
        ]
        return self._page(self._mix(rows))

    def dated(self, window: Window) -> Iterable[tuple[str, Sequence[ScriptedFile]]]:
        """Those of which a file may be dated within the window: all of them, or fewer for who knows better."""
        del window
        return self.calls.items()

    @step
    def next_page(self, token: str) -> Page:
        made_at, rows = self._tokens.get(token, (self._clock(), None))
        if rows is None or self._clock() - made_at > self._token_life:
            raise StaleTokenError("the provider no longer accepts the page's token (400)")
        return self._page(rows)

    @contextmanager
    def open(self, url: str, *, seconds: float) -> Iterator[Download]:
        """As much of a Download as is used, of bytes in memory."""
        assert seconds > 0
        self.steps.before("downloads.open", (url,))
        path, query = url.split("?")
        if self._clock().timestamp() > float(query.split("&")[0].removeprefix("Expires=")):
            raise RetryableError("the recording's link is refused or has expired (403)")
        reference_id, name = path.split("/")[-2:]
        file = next(file for file in self.calls[reference_id] if file.name == name)
        if file.foreign_link:
            raise PermanentError(
                "the provider's link points to x.example, which is not among recording_hosts"
            )
        yield cast("Download", Body(self.steps.served(url, file.body), len(file.body)))

    def _rows(self, reference_id: str) -> list[Row]:
        files = self.calls.get(reference_id, ())
        return [row for file in files if (row := file.row(reference_id, self._clock())) is not None]

    def _linked(self, row: Row) -> Row:
        if row.status != "available":
            return row
        expires = int((self._clock() + LINK_LIFE).timestamp())
        name = f"{row.reference_id}/{row.file_name}"
        return replace(
            row, url=f"https://recordings.example/{name}?Expires={expires}&Signature={self.secret}"
        )

    def _page(self, rows: list[Row]) -> Page:
        rest = rows[self._page_size :]
        token = f"token {len(self._tokens)}" if rest else None
        if token:
            self._tokens[token] = (self._clock(), rest)
        return Page(rows=tuple(rows[: self._page_size]), token=token, unreadable=0)


class Body:
    """The bytes that came, of a body that said how many there would be."""

    def __init__(self, came: bytes, size: int) -> None:
        if came[8:12] != b"WAVE":
            raise InvalidBodyError("the recording's host served no WAVE file (its type: 'text/html')")
        self.size = size
        self._came = came

    def sha256(self) -> str:
        return hashlib.sha256(self.read()).hexdigest()

    def read(self) -> bytes:
        if len(self._came) < self.size:
            raise RetryableError(
                f"the download ended {self.size - len(self._came)} bytes short of {self.size}"
            )
        return self._came
