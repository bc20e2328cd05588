from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from infra.simulator import Options, SimulatedTelesign

END = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = END

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def advance(clock: Clock) -> Callable[[float], None]:
    def move(seconds: float) -> None:
        clock.now += timedelta(seconds=seconds)

    return move


@pytest.fixture
def start(clock: Clock) -> Iterator[Callable[..., SimulatedTelesign]]:
    """Start a simulated Telesign with a virtual clock that stands at the end of its history."""
    with ExitStack() as running:

        def start(**options: Any) -> SimulatedTelesign:
            chosen: dict[str, Any] = {"history_end": END, "now": clock} | options
            return running.enter_context(SimulatedTelesign(Options(**chosen)))

        yield start


@pytest.fixture
def get() -> Iterator[Callable[..., requests.Response]]:
    """Ask the API as a correct client does: `get(telesign, "/{reference_id}", **query)`."""
    with requests.Session() as session:

        def get(telesign: SimulatedTelesign, path: str = "", **query: str) -> requests.Response:
            return session.get(
                f"{telesign.api_url}/v2/call_recording{path}",
                params=query,
                auth=(telesign.options.customer_id, telesign.options.api_key),
                headers={"Content-Type": "application/json"},
                timeout=5,
            )

        yield get


@pytest.fixture
def everything() -> dict[str, str]:
    return {"start_date_time": "2026-02-28T00:00:00", "end_date_time": "2026-03-02T00:00:00"}


@pytest.fixture
def link(get: Callable[..., requests.Response]) -> Callable[[SimulatedTelesign], str]:
    """Give a link to some available recording."""

    def link(telesign: SimulatedTelesign) -> str:
        now = telesign.options.now()
        files = [file for call in telesign.truth() for file in call.files]
        file = next(file for file in files if file.status_at(now) == "available")
        rows = get(telesign, f"/{file.reference_id}").json()
        return str(next(row["url"] for row in rows if row.get("file_name") == file.file_name))

    return link
