"""Two deployments: as shipped, and with every setting unlike its default; what must follow is reckoned by hand."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from call_archive.model.policy import Policy
from call_archive.settings import Settings

RESOURCES: Final[dict[str, Any]] = {
    "table_name": "LedgerTable",
    "bucket_name": "ArchiveBucket",
    "fetch_queue_url": "WorkQueuesFetch",
    "windows_queue_url": "WorkQueuesWindows",
    "secret_id": "CredentialsSecret",
}
"""What the functions read of the stack's own resources, by the paths of their constructs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    context: Mapping[str, Any]
    """On top of the shipped settings."""
    stack: str
    lister: Settings
    fetcher: Settings
    requests_per_second: int
    """Of two listers, a tenth each, and all fetchers together."""
    fetcher_concurrency: int
    timeout_seconds: int
    visibility_seconds: int
    """Six timeouts, and the second that a batch waits for company."""
    lease_seconds: int
    """4/3 of a timeout."""
    tick: str
    gauge_seconds: int
    """A tick, or five minutes."""
    lag_seconds: int
    """Three ticks, or half an hour."""
    log_days: int
    consumers: Mapping[str, str]
    alarm_email: str
    tags: Mapping[str, str]


def _read(each: float, policy: Policy, **chosen: Any) -> Settings:
    return Settings(requests_per_second=each, policy=policy, **chosen, **RESOURCES)


_SHIPPED_POLICY: Final = Policy(
    transcript_grace=timedelta(minutes=10),
    transcript_deadline=timedelta(days=1),
    retry_deadline=timedelta(days=7),
    transcript_failures=frozenset({"failed"}),
    lease=timedelta(minutes=20),
)
_SHIPPED_SETTINGS: Final[dict[str, Any]] = {
    "provider_url": "https://rest-ww.telesign.com",
    "recording_hosts": frozenset({"telesign.com", "tlsn.io"}),
    "archive_from": datetime(2026, 1, 1, tzinfo=UTC),
    "overlap": timedelta(minutes=15),
    "recheck": timedelta(days=7),
    "fetch_queue_target": 1000,
}
SHIPPED: Final = Chosen(
    context={
        "consumers": {"everything": "", "audio": "recordings/"},
        "alarm_email": "operator@example.com",
        "tags": {"team": "voice"},
    },
    stack="CallArchive",
    lister=_read(2, _SHIPPED_POLICY, **_SHIPPED_SETTINGS),
    fetcher=_read(8, _SHIPPED_POLICY, **_SHIPPED_SETTINGS),
    requests_per_second=20,
    fetcher_concurrency=2,
    timeout_seconds=900,
    visibility_seconds=5401,
    lease_seconds=1200,
    tick="rate(5 minutes)",
    gauge_seconds=300,
    lag_seconds=1800,
    log_days=90,
    consumers={"everything": "", "audio": "recordings/"},
    alarm_email="operator@example.com",
    tags={"project": "call-archive", "team": "voice"},
)

_UNLIKE_POLICY: Final = Policy(
    transcript_grace=timedelta(seconds=432),
    transcript_deadline=timedelta(hours=19),
    retry_deadline=timedelta(days=13),
    transcript_failures=frozenset({"rejected", "no_speech"}),
    lease=timedelta(seconds=400),
)
_UNLIKE_SETTINGS: Final[dict[str, Any]] = {
    "provider_url": "https://provider.example:8443",
    "recording_hosts": frozenset({"one.example", "two.example"}),
    "archive_from": datetime(2025, 2, 3, 4, 5, 6, tzinfo=UTC),
    "overlap": timedelta(minutes=17),
    "recheck": timedelta(days=9),
    "fetch_queue_target": 1234,
}
UNLIKE: Final = Chosen(
    context={
        "stack": "OtherArchive",
        "provider_url": "https://provider.example:8443",
        "archive_from": "2025-02-03T04:05:06Z",
        "recording_hosts": ["one.example", "two.example"],
        "max_requests_per_second": 30,
        "fetcher_concurrency": 6,
        "function_timeout_seconds": 300,
        "tick_minutes": 11,
        "overlap_minutes": 17,
        "recheck_days": 9,
        "fetch_queue_target": 1234,
        "transcript_grace_seconds": 432,
        "transcript_deadline_hours": 19,
        "retry_deadline_days": 13,
        "transcript_failures": ["rejected", "no_speech"],
        "log_retention_days": 60,
        "consumers": {"search": "transcripts/", "billing": "recordings/2026/"},
        "alarm_email": "other@example.org",
        "tags": {"cost-center": "42"},
    },
    stack="OtherArchive",
    lister=_read(3, _UNLIKE_POLICY, **_UNLIKE_SETTINGS),
    fetcher=_read(4, _UNLIKE_POLICY, **_UNLIKE_SETTINGS),
    requests_per_second=30,
    fetcher_concurrency=6,
    timeout_seconds=300,
    visibility_seconds=1801,
    lease_seconds=400,
    tick="rate(11 minutes)",
    gauge_seconds=660,
    lag_seconds=1980,
    log_days=60,
    consumers={"search": "transcripts/", "billing": "recordings/2026/"},
    alarm_email="other@example.org",
    tags={"project": "call-archive", "cost-center": "42"},
)
