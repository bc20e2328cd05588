"""The Lambda environment, read once and typed; every mistake in it is reported at the same time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar, cast
from urllib.parse import urlsplit

from call_archive.errors import ConfigError
from call_archive.model.policy import Policy
from call_archive.model.row import EARLIEST, LATEST
from call_archive.model.window import from_text
from call_archive.provider.link import is_loopback_url

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

PLAIN_URL = re.compile(r"[!-~]+")
"""urlsplit leaves out tabs and line feeds."""
MAX_DAYS = 3660
MAX_COUNT = 1_000_000
MAX_MISTAKE_LENGTH = 120
"""In characters."""


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
            provider_url=read("PROVIDER_URL", _provider_url),
            recording_hosts=read("RECORDING_HOSTS", _hosts),
            requests_per_second=read("REQUESTS_PER_SECOND", _rate),
            archive_from=read("ARCHIVE_FROM", _moment),
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
                # Python's own errors repeat the text, however long it is and whatever it holds.
                self.mistakes.append(f"{name} is wrong ({ascii(str(error)[:MAX_MISTAKE_LENGTH])[1:-1]})")
        # Nobody sees this: from_env raises when there are mistakes.
        return cast("T", None)


def _name(text: str) -> str:
    if not text.strip():
        raise ValueError("it is empty")
    return text


def _provider_url(text: str) -> str:
    """Credentials go there: encrypted, or no further than this machine."""
    if not _is_plain(text):
        raise ValueError("it must be https:// and a host, or http:// and this machine")
    return text


def _is_plain(url: str) -> bool:
    try:
        parts = urlsplit(url)
        if not parts.hostname or parts.port == 0 or "@" in parts.netloc or not PLAIN_URL.fullmatch(url):
            return False
        return parts.scheme == "https" or (parts.scheme == "http" and is_loopback_url(url))
    except ValueError:  # its text repeats what may hold a password
        return False


def _moment(text: str) -> datetime:
    moment = from_text(text)
    if not EARLIEST <= moment < LATEST:
        raise ValueError(f"it must be from {EARLIEST:%Y-%m-%d} on, and before {LATEST:%Y-%m-%d}")
    return moment


def _number(text: str, least: float, most: float) -> float:
    number = float(text)
    if not least <= number <= most:
        raise ValueError(f"it must be a number from {least:g} to {most:g}")
    return number


def _rate(text: str) -> float:
    return _number(text, 1e-6, 1e6)


def _seconds(text: str) -> timedelta:
    return timedelta(seconds=_number(text, 1e-6, MAX_DAYS * 86_400))


def _days(text: str) -> timedelta:
    return timedelta(days=_number(text, 1e-6, MAX_DAYS))


def _count(text: str) -> int:
    count = int(text)
    if not 1 <= count <= MAX_COUNT:
        raise ValueError(f"it must be a whole number from 1 to {MAX_COUNT}")
    return count


def _hosts(text: str) -> frozenset[str]:
    hosts = _words(text)
    if not hosts:
        raise ValueError("it names no host: every link would be refused")
    return hosts


def _words(text: str) -> frozenset[str]:
    return frozenset(word.strip().lower() for word in text.split(",") if word.strip())
