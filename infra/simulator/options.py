from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Protocol

MIN_WAV_BYTES = 44
MAX_FILE_BYTES = 2 * 1024**3
MIN_HISTORY_SECONDS = 60


def utc_now() -> datetime:
    return datetime.now(UTC)


def seeded(*parts: object) -> Random:
    return Random("/".join(map(str, parts)))  # noqa: S311  # nosec B311  # the same seed must give the same provider


class Audio(Protocol):
    @property
    def size(self) -> int: ...

    def chunks(self) -> Iterator[bytes]: ...


AudioSource = Callable[[str], Audio]
"""The audio of a file, by its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the simulated account holds and how its servers behave.

    Everything a client sees follows from these values and `now()`, save for what it deletes.
    """

    calls: int = 40
    seed: int = 1
    audio: Path | AudioSource | None = None  # a folder of .wav files to serve instead of synthesized tones
    file_bytes: int | None = None  # every file has exactly this size
    customer_id: str = "5A1F0C3E-7B2D-4E96-8C41-D0E9B7A6F352"
    api_key: str = field(
        default="qm6accFwEa7lCRvV6LCNtbwi8eD/sXcy+Btcs/3gpzZ41mzqWwyKon4BKVmPGC3cNP7jMDnyl/JOk2lWz7+kCQ==",
        repr=False,
    )
    history_end: datetime = field(default_factory=utc_now)
    history_hours: float = 6
    arrivals_per_minute: float = 0  # calls that go on arriving after history_end
    link_lifetime_seconds: int = 300  # invented: Telesign does not state it
    token_lifetime_seconds: int = 600  # invented: tokens look time-stamped, their lifetime is unknown
    default_page_size: int = 50  # invented: only the maximum of 100 is known
    empty_is_404: bool = False  # the documentation allows both readings
    single_row_as_object: bool = False  # the OpenAPI types the list as one object
    first_byte_delay_seconds: float = 0
    api_port: int = 0
    cdn_port: int = 0
    public_cdn_url: str | None = None  # what links begin with, when a proxy stands before the CDN
    now: Callable[[], datetime] = utc_now

    def __post_init__(self) -> None:
        problems = list(self._problems())
        if problems:
            raise ValueError("; ".join(problems))

    def _problems(self) -> list[str]:
        rules = {
            "calls must not be negative": self.calls >= 0,
            "history_end must be an aware datetime": self.history_end.tzinfo is not None,
            "history_hours must be a minute or more": self.history_hours * 3600 >= MIN_HISTORY_SECONDS,
            "arrivals_per_minute must not be negative": self.arrivals_per_minute >= 0,
            "audio and file_bytes exclude each other": self.audio is None or self.file_bytes is None,
            f"file_bytes must be {MIN_WAV_BYTES} to {MAX_FILE_BYTES}": self.file_bytes is None
            or MIN_WAV_BYTES <= self.file_bytes <= MAX_FILE_BYTES,
        }
        return [problem for problem, holds in rules.items() if not holds]
