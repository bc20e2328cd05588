"""What can be chosen about a deployment: `cdk.json`'s context, checked, and the numbers that follow from it."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Self
from urllib.parse import urlsplit

from infra.context import ContextReader, shown

# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html: at least six times the timeout,
# and at least five receives, so that throttled invocations do not send good messages to the DLQ.
VISIBILITY_FACTOR: Final = 6
MAX_RECEIVE_COUNT: Final = 5
# A message keeps its age when it moves: the DLQ's retention leaves an operator ten days.
QUEUE_RETENTION_DAYS: Final = 4
DLQ_RETENTION_DAYS: Final = 14
FETCH_BATCH: Final = 25
# SQS wants a window for batches above 10; a visit waits at most so long for company.
FETCH_WINDOW_SECONDS: Final = 1
WINDOWS_BATCH: Final = 1
# SQS's smallest MaximumConcurrency.
LISTER_CONCURRENCY: Final = 2
# Listing pages of 100 calls needs few requests; visits need one a call.
LISTER_SHARE_EACH: Final = 0.1
FETCHERS_SHARE: Final = 1 - LISTER_CONCURRENCY * LISTER_SHARE_EACH

OLDEST_OPEN_CALL_ALARM_SECONDS: Final = 24 * 3600
LISTING_LAG_ALARM_SECONDS: Final = 30 * 60
CONSUMER_AGE_ALARM_SECONDS: Final = 24 * 3600

# CloudWatch Logs accepts these only; the names are those of aws_logs.RetentionDays.
LOG_RETENTION_DAYS: Final = {
    1: "ONE_DAY",
    3: "THREE_DAYS",
    5: "FIVE_DAYS",
    7: "ONE_WEEK",
    14: "TWO_WEEKS",
    30: "ONE_MONTH",
    60: "TWO_MONTHS",
    90: "THREE_MONTHS",
    120: "FOUR_MONTHS",
    150: "FIVE_MONTHS",
    180: "SIX_MONTHS",
    365: "ONE_YEAR",
    400: "THIRTEEN_MONTHS",
    545: "EIGHTEEN_MONTHS",
    731: "TWO_YEARS",
    1827: "FIVE_YEARS",
    3653: "TEN_YEARS",
}

_HOST: Final = re.compile(
    r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*"
)
# Keys are percent-encoded: a prefix of other characters would match none of them.
_PREFIX: Final = r"|(recordings|transcripts)/[A-Za-z0-9/_.%~-]{0,500}"
_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


class ConfigError(Exception):
    """Every problem of the settings, one sentence each."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        lines = "\n".join(f"  {problem}" for problem in problems)
        super().__init__(f"The settings in cdk.json (or given with -c) need a change:\n{lines}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    stack: str
    provider_url: str
    archive_from: datetime
    recording_hosts: tuple[str, ...]
    max_requests_per_second: float
    fetcher_concurrency: int
    function_timeout_seconds: int
    tick_minutes: int
    overlap_minutes: int
    recheck_days: int
    fetch_queue_target: int
    transcript_grace_seconds: int
    transcript_deadline_hours: int
    retry_deadline_days: int
    transcript_failures: tuple[str, ...]
    log_retention_days: int
    consumers: Mapping[str, str]
    alarm_email: str | None
    tags: Mapping[str, str]

    @property
    def lister_requests_per_second(self) -> float:
        """Of one execution, of which `LISTER_CONCURRENCY` run at once."""
        return self.max_requests_per_second * LISTER_SHARE_EACH

    @property
    def fetcher_requests_per_second(self) -> float:
        """Of one execution, of which `fetcher_concurrency` run at once."""
        return self.max_requests_per_second * FETCHERS_SHARE / self.fetcher_concurrency

    @property
    def visibility_timeout_seconds(self) -> int:
        return VISIBILITY_FACTOR * self.function_timeout_seconds + FETCH_WINDOW_SECONDS

    @property
    def lease_seconds(self) -> int:
        """How long queued work may stay unseen before the tick queues it again: longer than it may run."""
        return self.function_timeout_seconds * 4 // 3

    @property
    def metrics_namespace(self) -> str:
        """The stack's name, so that two stacks in one account have separate gauges."""
        return self.stack

    @property
    def listing_lag_alarm_seconds(self) -> int:
        """A tick sees a lag of its own interval, so a slow tick needs a later alarm."""
        return max(LISTING_LAG_ALARM_SECONDS, 3 * self.tick_minutes * 60)

    @property
    def gauge_period_minutes(self) -> int:
        """The lister's gauges come once a tick: a shorter period would see gaps."""
        return max(5, self.tick_minutes)

    @classmethod
    def from_context(cls, context: Mapping[str, object]) -> Self:
        """Raises ConfigError with all problems at once."""
        read = ContextReader(context)
        config = cls(
            stack=read.text("stack", "CallArchive", check=_check_stack),
            provider_url=read.text("provider_url", "https://rest-ww.telesign.com", check=_check_provider_url),
            archive_from=_archive_from(read),
            recording_hosts=read.strings("recording_hosts", ("telesign.com", "tlsn.io"), check=_check_host),
            # With less, a lister's next turn would be too far off for a second page to be waited for.
            max_requests_per_second=read.number("max_requests_per_second", 20, low=1, high=10_000),
            fetcher_concurrency=read.integer("fetcher_concurrency", 2, low=2, high=1000),
            # The default is Lambda's longest: a 2 GiB file at a slow source still fits.
            function_timeout_seconds=read.integer("function_timeout_seconds", 900, low=180, high=900),
            tick_minutes=read.integer("tick_minutes", 5, low=1, high=60),
            overlap_minutes=read.integer("overlap_minutes", 15, low=1, high=1440),
            recheck_days=read.integer("recheck_days", 7, low=1, high=90),
            fetch_queue_target=read.integer("fetch_queue_target", 1000, low=10, high=100_000),
            transcript_grace_seconds=read.integer("transcript_grace_seconds", 600, low=1, high=86_400),
            transcript_deadline_hours=read.integer("transcript_deadline_hours", 24, low=1, high=720),
            retry_deadline_days=read.integer("retry_deadline_days", 7, low=1, high=365),
            transcript_failures=read.strings("transcript_failures", ("failed",), check=_check_status),
            log_retention_days=read.integer("log_retention_days", 90, low=1, high=3653),
            consumers=read.mapping("consumers", check=_check_consumer),
            alarm_email=read.text("alarm_email", "", check=_check_email) or None,
            tags=read.mapping("tags", check=_check_tag),
        )
        config._check_together(read)
        read.report_unknown_keys()
        if read.problems:
            raise ConfigError(read.problems)
        return config

    def _check_together(self, read: ContextReader) -> None:
        if not self.recording_hosts:
            read.report("recording_hosts", 'name at least one host suffix, such as ["telesign.com"].')
        if self.transcript_grace_seconds >= self.transcript_deadline_hours * 3600:
            read.report("transcript_grace_seconds", "make it shorter than transcript_deadline_hours.")
        if self.log_retention_days not in LOG_RETENTION_DAYS:
            days = ", ".join(map(str, LOG_RETENTION_DAYS))
            read.report(
                "log_retention_days", f"CloudWatch Logs keeps logs for one of {days} days; choose one."
            )


def _archive_from(read: ContextReader) -> datetime:
    text = read.text("archive_from", "", check=_check_archive_from)
    return _EARLIEST if _check_archive_from(text) else _utc(text)


def _utc(text: str) -> datetime:
    """A time without a zone is UTC, as all of the provider's times are."""
    value = datetime.fromisoformat(text)
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _check_archive_from(text: str) -> str | None:
    form = 'such as "2026-01-31" or "2026-01-31T12:00:00Z"'
    if not text:
        return f"say from when on to archive: a date or a time in UTC, {form}."
    try:
        value = _utc(text)
    except ValueError:
        return f"{shown(text)} is no date and no time; give a date or a time in UTC, {form}."
    if value.utcoffset() != timedelta(0):
        return f"{shown(text)} is not in UTC; give a date or a time in UTC, {form}."
    if value >= _LATEST:
        return f"{shown(text)} is after {_LATEST:%Y-%m-%d}; give an earlier date."
    if value < _EARLIEST:
        return f"{shown(text)} is before {_EARLIEST:%Y-%m-%d}; give a later date."
    return None


def _check_stack(name: str) -> str | None:
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,127}", name):
        return None
    return f"{shown(name)} is no stack name; use letters, digits and hyphens, a letter first, 128 at most."


def _check_provider_url(url: str) -> str | None:
    form = 'give scheme and host only, such as "https://rest-ww.telesign.com"'
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return f"this is no url; {form}."
    # urlsplit leaves out tabs and line feeds.
    if not re.fullmatch(r"[!-~]+", url) or not (_HOST.fullmatch(host) or _is_loopback(host)):
        return f"the url names no valid host; {form}."
    if "@" in parts.netloc:
        return f"the url holds a user name or password, which belong in the secret; {form}."
    if parts.path or parts.query or parts.fragment or "?" in url or "#" in url:
        return f"the url goes on after the host; {form}, without a slash at the end."
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        return f"the url must begin with https:// (http:// only for this machine's loopback); {form}."
    return "give a port from 1 to 65535." if port == 0 else None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_host(host: str) -> str | None:
    if _HOST.fullmatch(host) and ("." in host or host == "localhost"):
        return None
    return f'{shown(host)} is no host suffix; give a bare lower-case name such as "telesign.com", without scheme, port or star.'


def _check_status(status: str) -> str | None:
    if re.fullmatch(r"[a-z0-9_-]{1,64}", status):
        return None
    return f'{shown(status)} is no status; use lower-case letters, digits, _ and -, such as "failed".'


def _check_consumer(name: str, prefix: str) -> str | None:
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,39}", name):
        return f"{shown(name)} is no consumer name; use lower-case letters, digits and hyphens, a letter first, 40 at most."
    if not re.fullmatch(_PREFIX, prefix):
        return f'the prefix of {shown(name)} must be "" (all) or begin with recordings/ or transcripts/, of the characters of a key.'
    return None


def _check_email(address: str) -> str | None:
    if not address or re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", address):
        return None
    return f'{shown(address)} is no e-mail address; give one, or "" for none.'


def _check_tag(name: str, value: str) -> str | None:
    allowed = r"[\w\s.:/=+@-]"
    if re.fullmatch(f"{allowed}{{1,128}}", name) and re.fullmatch(f"{allowed}{{0,256}}", value):
        return (
            f"{shown(name)} begins with aws:, which AWS keeps for itself."
            if name.lower().startswith("aws:")
            else None
        )
    return f"the tag {shown(name)} is none AWS accepts; use letters, digits, spaces and _ . : / = + - @ only."
