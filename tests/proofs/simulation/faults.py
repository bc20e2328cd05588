"""What can go wrong at each step, raised as the real adapters raise it, and how often it does in one run."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from botocore.exceptions import ClientError, ConnectionClosedError

from call_archive.errors import RefusedError, RetryableError, StaleTokenError
from tests.proofs.models.steps import CrashError

ASKING = ("provider.call", "provider.first_page", "provider.next_page")
LOOKING = tuple(
    f"ledger.{each}"
    for each in ("read", "read_each", "read_window", "due_calls", "due_windows", "open_calls", "listed_until")
)
NOTING = tuple(
    f"ledger.{each}" for each in ("write", "put_windows", "update_window", "finish_window", "move_cursor")
)
LEASING = ("ledger.lease_call", "ledger.lease_window")
SENDING = ("fetch_queue.send", "windows_queue.send")
STORING = ("archive.put_recording", "archive.put_transcript")
ALL = (
    *ASKING,
    "downloads.open",
    *LOOKING,
    *NOTING,
    *LEASING,
    *SENDING,
    "fetch_queue.length",
    *STORING,
    "archive.same",
)

Raises = Callable[[Random], BaseException]


def _aws(code: str) -> Raises:
    return lambda _: ClientError({"Error": {"Code": code, "Message": "simulated"}}, "Simulated")


def _later(text: str) -> Raises:
    """Sometimes with a time to wait, as a Retry-After says it."""
    return lambda random: RetryableError(text, retry_after_seconds=random.choice([0, 0, 1, 30, 600, 3600]))


def _no_answer(_: Random) -> BaseException:
    return ConnectionClosedError(endpoint_url="simulated")


BEFORE: dict[str, tuple[tuple[str, ...], Raises]] = {
    "429": (ASKING, _later("the provider answered 429")),
    "503": (ASKING, _later("the provider answered 503")),
    "provider timeout": (ASKING, _later("the provider cannot be reached (ReadTimeout)")),
    "refused": (ASKING, lambda _: RefusedError("the provider refuses our credentials (401)")),
    "no JSON": (ASKING, lambda _: RetryableError("the provider's answer is not JSON")),
    "secret unread": (ASKING, lambda _: RetryableError("the secret cannot be read")),
    "stale token": (("provider.next_page",), lambda _: StaleTokenError("the token is stale (400)")),
    "expired link": (("downloads.open",), lambda _: RetryableError("the link has expired (403)")),
    "host timeout": (("downloads.open",), lambda _: RetryableError("the recording's host cannot be reached")),
    "bucket error": ((*STORING, "archive.same"), lambda _: RetryableError("S3 did not take it (SlowDown)")),
    "ledger throttled": ((*LOOKING, *NOTING, *LEASING), _aws("ThrottlingException")),
    "queue error": ((*SENDING, "fetch_queue.length"), _aws("ServiceUnavailable")),
    "crash before": (ALL, lambda _: CrashError()),
}
"""The step is not taken."""

AFTER: dict[str, tuple[tuple[str, ...], Raises]] = {
    "bucket answer lost": (STORING, lambda _: RetryableError("S3 did not answer (ReadTimeoutError)")),
    "ledger answer lost": ((*NOTING, *LEASING), _no_answer),
    "queue answer lost": (SENDING, _no_answer),
    "crash after": (ALL, lambda _: CrashError()),
}
"""The step is taken, and who asked for it does not hear of it."""

MET: dict[str, tuple[tuple[str, ...], Any]] = {
    "own object met": (("archive.put_recording",), None),
    "own lease met": (LEASING, False),
}
"""The answer is lost, the client asks again and meets what it did itself."""

OTHERS = ("partly taken", "short body", "html body", "slow", "delivered twice")
KINDS = (*BEFORE, *AFTER, *MET, *OTHERS)

OUTAGES: dict[str, tuple[tuple[str, ...], Raises]] = {
    "provider": ((*ASKING, "downloads.open"), _later("the provider cannot be reached (ConnectTimeout)")),
    "api": (ASKING, _later("the provider answered 503")),
    "credentials": (ASKING, lambda _: RefusedError("the provider refuses our credentials (401)")),
    "recording host": (("downloads.open",), lambda _: RetryableError("the recording's host answered 500")),
    "bucket": ((*STORING, "archive.same"), lambda _: RetryableError("S3 did not take it (AccessDenied)")),
    "ledger": ((*LOOKING, *NOTING, *LEASING), _aws("InternalServerError")),
    "queues": ((*SENDING, "fetch_queue.length"), _aws("ServiceUnavailable")),
    "everything": (ALL, _aws("ServiceUnavailable")),
    "functions": (ALL, lambda _: CrashError()),
    "ticks": ((), lambda _: CrashError()),
}
"""What of it fails each time for a while. In `ticks` nothing fails, and no tick comes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    kind: str
    begins: float
    ends: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One run's: how often each kind of fault comes (0 to 1 of its steps), and what is down when."""

    until: float
    """Seconds from the start; from then on nothing fails any more."""
    rates: Mapping[str, float] = field(default_factory=dict)
    outages: tuple[Outage, ...] = ()

    @property
    def comes(self) -> bool:
        return bool(self.rates or self.outages)

    def is_out(self, kind: str, seconds: float) -> bool:
        return any(each.kind == kind and each.begins <= seconds < each.ends for each in self.outages)

    def out(self, step: str, seconds: float) -> str | None:
        """The outage that the step runs into."""
        for each in self.outages:
            if each.begins <= seconds < each.ends and step in OUTAGES[each.kind][0]:
                return each.kind
        return None


class Dice:
    """Says of each step whether something goes wrong, and what."""

    def __init__(self, trouble: Trouble, random: Random) -> None:
        self._rates, self._random = trouble.rates, random
        self._before = self._by_step(BEFORE)
        self._after = self._by_step({**AFTER, **MET})

    def before(self, step: str) -> str | None:
        return self._drawn(self._before.get(step))

    def after(self, step: str) -> str | None:
        return self._drawn(self._after.get(step))

    def comes(self, kind: str) -> bool:
        rate = self._rates.get(kind, 0)
        return rate > 0 and self._random.random() < rate

    def _drawn(self, kinds: list[tuple[str, float]] | None) -> str | None:
        if not kinds:
            return None
        drawn = self._random.random()
        for kind, rate in kinds:
            if drawn < rate:
                return kind
            drawn -= rate
        return None

    def _by_step(
        self, table: Mapping[str, tuple[tuple[str, ...], Any]]
    ) -> dict[str, list[tuple[str, float]]]:
        by_step = defaultdict(list)
        for kind, (steps, _) in table.items():
            for step in steps:
                if self._rates.get(kind):
                    by_step[step].append((kind, self._rates[kind]))
        return by_step
