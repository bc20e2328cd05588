"""What the provider tells and serves: the model, and the real client before a simulated Telesign, side by side."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain, pairwise
from random import Random
from typing import Any

import pytest

from call_archive.errors import (
    ArchiveError,
    InvalidBodyError,
    PermanentError,
    RetryableError,
    StaleTokenError,
    UnknownCallError,
)
from call_archive.model.row import Row
from call_archive.model.transcript import Progress, transcript_progress
from call_archive.model.window import Window
from call_archive.provider import client as telesign
from call_archive.provider.client import Telesign
from call_archive.provider.credentials import Credentials
from call_archive.provider.download import Downloads
from infra.simulator import Fault, Options, SimulatedTelesign, TrueCall, TrueFile
from tests.proofs.clock import Clock
from tests.proofs.models.provider import LINK_LIFE, Provider, ScriptedFile
from tests.proofs.models.steps import Steps
from tests.unit.factories import NOW

PAGE_SIZE = 7
HISTORY_HOURS = 1
LATEST = NOW + timedelta(hours=2)
MOMENTS = [
    NOW + timedelta(minutes=minutes) for minutes in (-90, -61, -45, -30, -10, -1, 0, 1, 5, 20, 60, 120)
]


class SetClock(Clock):
    """The tests come in any order, each with a moment of its own."""

    def set(self, moment: datetime) -> None:
        self._now = moment


class ShortBodies(Steps):
    def served(self, url: str, body: bytes) -> bytes:
        del url
        return body[: len(body) // 2]


@dataclass(frozen=True, kw_only=True)
class Side:
    """`provider` lists and tells, `downloads` serves."""

    provider: Any
    downloads: Any

    def told(self, reference_id: str) -> object:
        try:
            return sorted(map(_told, self.provider.call(reference_id)))
        except UnknownCallError:
            return "unknown"

    def pages(self, window: Window) -> list[list[tuple[str, ...]]]:
        page = self.provider.first_page(window)
        pages = [page]
        while page.token is not None:
            page = self.provider.next_page(page.token)
            pages.append(page)
        return [[_listed(row) for row in page.rows] for page in pages]

    def links(self, reference_id: str) -> dict[str | None, str]:
        rows = self.provider.call(reference_id)
        return {row.file_name: row.url for row in rows if row.url is not None}

    def sha256(self, url: str) -> str:
        with self.downloads.open(url, seconds=60) as download:
            digest: str = download.sha256()
            return digest

    def trouble(self, url: str) -> type[ArchiveError] | None:
        try:
            self.sha256(url)
        except ArchiveError as error:
            return type(error)
        return None


@dataclass(frozen=True, kw_only=True)
class Both:
    clock: SetClock
    simulator: SimulatedTelesign
    truth: list[TrueCall]
    real: Side
    model: Side

    @property
    def sides(self) -> tuple[Side, Side]:
        return self.real, self.model


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> Iterator[Both]:
    monkeypatch.setattr(telesign, "PAGE_SIZE", PAGE_SIZE)
    clock = SetClock(LATEST)
    options = Options(
        calls=60,
        seed=3,
        history_end=NOW,
        history_hours=HISTORY_HOURS,
        file_bytes=60,
        link_lifetime_seconds=int(LINK_LIFE.total_seconds()),
        now=clock,
    )
    credentials = Credentials(customer_id=options.customer_id, api_key=options.api_key)
    with SimulatedTelesign(options) as simulator:
        truth = simulator.truth()
        client = Telesign(simulator.api_url, credentials=lambda _renew: credentials, requests_per_second=1e6)
        downloads = Downloads(hosts=frozenset(), loopback=True)
        yield Both(
            clock=clock,
            simulator=simulator,
            truth=truth,
            real=Side(provider=client, downloads=downloads),
            model=model_of(truth, clock, token_life=timedelta(seconds=options.token_lifetime_seconds)),
        )
        client._session().close()
        for connection in downloads._idle().values():
            connection.close()


def model_of(truth: list[TrueCall], clock: Clock, steps: Steps | None = None, **options: Any) -> Side:
    calls = {call.reference_id: [scripted(file) for file in call.files] for call in truth}
    model = Provider(calls, clock, steps or Steps(), page_size=PAGE_SIZE, **options)
    return Side(provider=model, downloads=model)


def scripted(file: TrueFile) -> ScriptedFile:
    transcript = file.transcript
    return ScriptedFile(
        name=file.file_name,
        begins_at=file.created_at,
        available_at=file.available_at,
        transcribing_at=transcript.appears_at if transcript else None,
        transcribed_at=transcript.finished_at if transcript else None,
        transcription=file.transcribe_at(LATEST),
        deleted_at=file.deleted_at,
        body=file.audio(),
    )


def _listed(row: Row) -> tuple[str, ...]:
    return row.reference_id, row.file_name or "", row.status, str(row.recorded_at)


def _told(row: Row) -> tuple[object, ...]:
    """What matters of a row: of a deleted file nothing that was said, which Telesign leaves out as well."""
    progress = transcript_progress(row.transcribe, frozenset())
    if row.status == "deleted":
        return (*_listed(row), row.url is not None)
    said = str(row.transcribe) if progress is Progress.COMPLETED else ""
    return (*_listed(row), row.url is not None, progress.name, said)


def open_call(both: Both) -> str:
    """One of whose files the first can be had at the end."""
    return next(call.reference_id for call in both.truth if call.files[0].status_at(LATEST) == "available")


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
def test_a_call_is_reported_of_alike_at_any_time_of_its_life(both: Both, moment: datetime) -> None:
    both.clock.set(moment)
    real, model = (
        {call.reference_id: side.told(call.reference_id) for call in both.truth} for side in both.sides
    )
    assert real == model


def test_those_moments_show_each_state(both: Both) -> None:
    """Else the test above would compare too little."""
    seen = set()
    for moment in MOMENTS:
        both.clock.set(moment)
        for call in both.truth:
            told = both.model.told(call.reference_id)
            seen |= {row[2] for row in told} if isinstance(told, list) else {told}
            seen |= {row[5] for row in told if len(row) > 5} if isinstance(told, list) else set()
    assert seen == {"unknown", "recording", "available", "deleted", "ABSENT", "PENDING", "COMPLETED"}


@pytest.mark.parametrize("moment", MOMENTS[::3], ids=str)
def test_windows_that_end_on_a_call_are_listed_alike_page_by_page(both: Both, moment: datetime) -> None:
    both.clock.set(moment)
    dates = [call.files[0].created_at for call in both.truth]
    ends = sorted(Random(1).sample(dates, 8))
    for start, end in [*pairwise(ends), (min(dates), max(dates)), (dates[0], dates[0])]:
        real, model = (side.pages(Window(start=start, end=end)) for side in both.sides)
        assert [len(page) for page in real] == [len(page) for page in model]
        assert sorted(chain(*real)) == sorted(chain(*model))


def test_a_token_is_no_longer_accepted_once_it_is_old(both: Both) -> None:
    window = Window(start=NOW - timedelta(hours=1), end=NOW)
    for side in both.sides:
        both.clock.set(NOW)
        token = side.provider.first_page(window).token
        both.clock.set(NOW + timedelta(seconds=both.simulator.options.token_lifetime_seconds + 1))
        with pytest.raises(StaleTokenError):
            side.provider.next_page(token)


def test_every_recording_is_served_alike(both: Both) -> None:
    served = [
        {name: side.sha256(url) for call in both.truth for name, url in side.links(call.reference_id).items()}
        for side in both.sides
    ]
    assert served[0] == served[1]
    assert len(served[0]) > 50


@pytest.mark.parametrize(("later", "trouble"), [(-1, None), (1, RetryableError)])
def test_a_link_is_good_for_its_time(both: Both, later: int, trouble: type[ArchiveError] | None) -> None:
    links = [next(iter(side.links(open_call(both)).values())) for side in both.sides]
    both.clock.set(LATEST + LINK_LIFE + timedelta(seconds=later))
    assert [side.trouble(link) for side, link in zip(both.sides, links, strict=True)] == [trouble, trouble]


def test_a_body_that_ends_early_is_error_for_now(both: Both) -> None:
    both.simulator.faults.add(Fault(where="download", kind="short_body"))
    sides = both.real, model_of(both.truth, both.clock, ShortBodies())
    links = [next(iter(side.links(open_call(both)).values())) for side in sides]
    assert [side.trouble(link) for side, link in zip(sides, links, strict=True)] == [RetryableError] * 2


def test_a_page_in_a_recordings_place_is_invalid(both: Both) -> None:
    both.simulator.faults.add(Fault(where="download", kind="html"))
    model = changed(both, body=b"<html>moved</html>")
    links = [next(iter(side.links(open_call(both)).values())) for side in (both.real, model)]
    assert (both.real.trouble(links[0]), model.trouble(links[1])) == (InvalidBodyError, InvalidBodyError)


def test_a_link_to_another_host_is_never_followed(both: Both) -> None:
    elsewhere = replace(both.simulator.options, public_cdn_url="https://elsewhere.example")
    credentials = Credentials(customer_id=elsewhere.customer_id, api_key=elsewhere.api_key)
    model = changed(both, foreign_link=True)
    with SimulatedTelesign(elsewhere) as simulator:
        client = Telesign(simulator.api_url, credentials=lambda _renew: credentials, requests_per_second=1e6)
        real = Side(provider=client, downloads=both.real.downloads)
        found = [side.trouble(next(iter(side.links(open_call(both)).values()))) for side in (real, model)]
        client._session().close()
    assert found == [PermanentError, PermanentError]


def changed(both: Both, **parts: Any) -> Side:
    """The model with each file of it changed so."""
    side = model_of(both.truth, both.clock)
    calls = side.provider.calls
    side.provider.calls = {name: [replace(file, **parts) for file in files] for name, files in calls.items()}
    return side
