"""The Lambda environment, read once and typed; every mistake in it is reported at the same time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar, cast

from call_archive.errors import ConfigError
from call_archive.visits import Policy
from call_archive.windows import from_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    table_name: str
    bucket_name: str
    fetch_queue_url: str
    windows_queue_url: str
    secret_id: str
    provider_url: str
    recording_hosts: frozenset[str]
    """Host suffixes that a signed link may point to."""
    requests_per_second: float
    """This function's own part of the provider's budget."""
    archive_from: datetime
    overlap: timedelta
    recheck: timedelta
    fetch_queue_target: int
    """The tick's sweep keeps the fetch queue no longer than this, in messages."""
    policy: Policy

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Settings:
        """Reads the environment; ConfigError names every variable that is missing or wrong."""
        read = _Reader(env)
        settings = cls(
            table_name=read("TABLE_NAME", _name),
            bucket_name=read("BUCKET_NAME", _name),
            fetch_queue_url=read("FETCH_QUEUE_URL", _name),
            windows_queue_url=read("WINDOWS_QUEUE_URL", _name),
            secret_id=read("SECRET_ID", _name),
            provider_url=read("PROVIDER_URL", _name),
            recording_hosts=read("RECORDING_HOSTS", _words),
            requests_per_second=read("REQUESTS_PER_SECOND", _positive),
            archive_from=read("ARCHIVE_FROM", from_text),
            overlap=read("OVERLAP_SECONDS", _seconds),
            recheck=read("RECHECK_DAYS", _days),
            fetch_queue_target=read("FETCH_QUEUE_TARGET", _count),
            policy=Policy(
                transcript_grace=read("TRANSCRIPT_GRACE_SECONDS", _seconds),
                transcript_deadline=read("TRANSCRIPT_DEADLINE_SECONDS", _seconds),
                retry_deadline=read("RETRY_DEADLINE_SECONDS", _seconds),
                transcript_failures=read("TRANSCRIPT_FAILURES", _words),
                lease=read("LEASE_SECONDS", _seconds),
            ),
        )
        if read.mistakes:
            raise ConfigError("the function's environment is wrong: " + "; ".join(read.mistakes))
        return settings


class _Reader:
    """Reads variables one by one and remembers what was wrong instead of stopping at the first."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self.mistakes: list[str] = []

    def __call__(self, name: str, parse: Callable[[str], T]) -> T:
        text = self._env.get(name)
        if text is None:
            self.mistakes.append(f"{name} is missing")
        else:
            try:
                return parse(text)
            except (ValueError, OverflowError) as error:
                self.mistakes.append(f"{name} is wrong ({error})")
        # Nobody sees this: from_env raises when there are mistakes.
        return cast("T", None)


def _name(text: str) -> str:
    if not text:
        raise ValueError("it is empty")
    return text


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError("it must be a number above 0")
    return number


def _seconds(text: str) -> timedelta:
    return timedelta(seconds=_positive(text))


def _days(text: str) -> timedelta:
    return timedelta(days=_positive(text))


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise ValueError("it must be a whole number from 1")
    return count


def _words(text: str) -> frozenset[str]:
    return frozenset(word.strip().lower() for word in text.split(",") if word.strip())
