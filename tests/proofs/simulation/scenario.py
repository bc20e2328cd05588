"""What a seed stands for: some calls and what truly becomes of each, some settings, some trouble."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from call_archive.model.policy import Policy
from infra.config import LISTER_SHARE_EACH
from infra.verification.observation import Served
from tests.proofs.models.provider import ScriptedFile
from tests.proofs.simulation.faults import KINDS, OUTAGES, Outage, Trouble
from tests.proofs.simulation.stories import MAX_SKEW, Times, a_life

START = datetime(2026, 3, 1, tzinfo=UTC)
DAY = 86_400.0
SECRETS = ("CANARY-SIGNATURE-c3Fz", "CANARY-API-KEY-Zk9+/==", "CANARY-TRANSCRIPT-of-a-call")
HOURLY_SECONDS = 3600
SLOWEST_TICK = 3600
"""Once all trouble is over: the slowest that can be set must do."""
MAX_CALLS = 40
LASTING = ("provider", "api", "credentials", "recording host", "bucket")
SELDOM_ASKED = frozenset(
    {
        *("stale token", "expired link", "host timeout", "short body", "html body"),
        *("bucket error", "bucket answer lost", "own object met"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What an operator may choose, and what follows from it, as `infra.config` has it."""

    tick_seconds: int
    overlap: timedelta
    recheck: timedelta
    timeout_seconds: int
    fetch_queue_target: int
    requests_per_second: float
    page_size: int
    policy: Policy

    @property
    def visibility(self) -> timedelta:
        return timedelta(seconds=6 * self.timeout_seconds + 1)

    @property
    def longest_delay(self) -> timedelta:
        """Until a file is archived that can be had: a look an hour, a tick to bring it, a queue that has room for
        so many calls a tick; once more, should the function be killed."""
        ticks = 2 + MAX_CALLS / self.fetch_queue_target
        return timedelta(hours=2) + ticks * timedelta(seconds=SLOWEST_TICK) + 2 * self.policy.lease

    @property
    def lister_pause(self) -> timedelta:
        """Between two of a lister's requests."""
        return timedelta(seconds=1 / (self.requests_per_second * LISTER_SHARE_EACH))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    seed: int
    settings: Settings
    calls: Mapping[str, list[ScriptedFile]]
    truth: tuple[Served, ...]
    trouble: Trouble
    poison: frozenset[str]
    calm: float
    """Seconds from the start. Nothing goes wrong any more, the provider's story is told, and a recheck has seen it."""
    ends: float
    """By then everything must have come to its end by itself."""
    tokens_live: timedelta
    archive_from: datetime = START
    index_lag: float
    """Seconds that an index is behind the table at most."""
    rechecks: bool = True
    """Half of the runs have none: it would make good what listing loses."""

    @property
    def most_visits(self) -> int:
        """A look an hour while it cannot be archived, and a chain of ten each time that it is opened anew."""
        return 60 + round(40 * self.ends / DAY)


def a_scenario(seed: int) -> Scenario:
    random = Random(seed)
    days = random.choice([*[0.5] * 8, *[1] * 7, 2, 2, 3, 7])
    settings = _settings(random, days)
    trouble = _trouble(random, days, settings)
    rechecks = seed % 2 == 0
    most_skew = int(MAX_SKEW.total_seconds())
    times = Times(
        start=START,
        days=days,
        trouble_ends=START + timedelta(seconds=trouble.until if trouble.comes else 0),
        skew=timedelta(seconds=random.choice([0, random.randint(-most_skew, most_skew)])),
        overlap=settings.overlap,
        recheck=settings.recheck if rechecks else None,
        longest_delay=settings.longest_delay,
        policy=settings.policy,
    )
    calls: dict[str, list[ScriptedFile]] = {}
    truth: list[Served] = []
    for number in range(random.choice([1, 2, 2, 3, 3, 5, 5, 8, 12, MAX_CALLS])):
        reference_id = f"{random.getrandbits(64):016X}{number:04X}"
        calls[reference_id], told = a_life(random, reference_id, times, text=SECRETS[2])
        truth += told
    often = 0.1 if trouble.comes else 0.5
    poison = (
        random.sample(sorted(calls), random.randint(1, 3))
        if random.random() < often and len(calls) > 4
        else []
    )
    return Scenario(
        seed=seed,
        settings=settings,
        calls=calls,
        truth=tuple(truth),
        trouble=trouble,
        poison=frozenset(poison),
        calm=_last(calls, trouble) + 1.2 * DAY,
        ends=_last(calls, trouble) + _longest_wait(settings),
        # One that dies sooner than it may be sent reads no list past its first page: docs/guarantees.md.
        tokens_live=settings.lister_pause + timedelta(seconds=random.choice([3600, 60, 2])),
        index_lag=random.choice([0.0, 1.0, 10.0]),
        rechecks=rechecks,
    )


def _settings(random: Random, days: float) -> Settings:
    timeout_seconds = random.choice([180, 300, 900, 900])
    return Settings(
        tick_seconds=60 * _tick_minutes(random, days),
        overlap=timedelta(minutes=random.choice([15, 15, 30])),
        recheck=timedelta(days=random.choice([1, 1, 1, 2, 3] if days <= 2 else [1, 1, 2])),
        timeout_seconds=timeout_seconds,
        fetch_queue_target=random.choice([10, 1000]),
        requests_per_second=random.choice([20, 20, 2, 1]),
        page_size=random.choice([1, 2, 5, 100]),
        policy=Policy(
            transcript_grace=timedelta(seconds=random.choice([60, 600, 600])),
            transcript_deadline=timedelta(hours=random.choice([6, 24])),
            retry_deadline=timedelta(days=random.choice([1, 1, 1, 1, 2, 2, 7])),
            lease=timedelta(seconds=timeout_seconds * 4 // 3),
        ),
    )


def _tick_minutes(random: Random, days: float) -> int:
    """Ticks are most of a run's work, and most find nothing: often in few runs, and those are short ones."""
    return random.choice([5, 15, 30, *[60] * 6] if days < 1 else [30, 60, 60, 60])


def _trouble(random: Random, days: float, settings: Settings) -> Trouble:
    """Each kind of fault comes or does not in a run, seldom or often: rare meetings need that."""
    rates = {kind: _rate(random, kind) for kind in KINDS if random.random() < 0.4}
    until = days * DAY
    outages = []
    for _ in range(random.choice([0, 0, 1, 1, 2, 3])):
        begins = random.uniform(0, until)
        longest = min(until - begins, settings.policy.retry_deadline.total_seconds())
        length = longest * 10 ** random.uniform(-1.7, 0)
        outages.append(Outage(kind=random.choice(list(OUTAGES)), begins=begins, ends=begins + length))
    if random.random() < 0.1:
        rates, outages = {}, []
    deadline = settings.policy.retry_deadline.total_seconds()
    # One that outlasts the patience with an answer. Each tick owes another window then, and each is tried hourly.
    if random.random() < 0.1 and deadline <= 2 * DAY and settings.tick_seconds >= HOURLY_SECONDS:
        begins, length = random.uniform(0, until), deadline * random.uniform(1.1, 2.2)
        outages.append(Outage(kind=random.choice(LASTING), begins=begins, ends=begins + length))
        until = max(until, begins + length)
    return Trouble(until=until, rates=rates, outages=tuple(outages))


def _rate(random: Random, kind: str) -> float:
    """Of its steps: there are few downloads, so what befalls those comes often when it comes."""
    if kind in SELDOM_ASKED:
        return float(10 ** random.uniform(-2, -0.3))
    rate = float(10 ** random.uniform(-3, -0.7))
    return rate / 5 if "crash" in kind or kind == "slow" else rate


def _last(calls: Mapping[str, list[ScriptedFile]], trouble: Trouble) -> float:
    """When the last that was scripted has happened."""
    moments = [
        moment
        for files in calls.values()
        for file in files
        for moment in (
            file.begins_at,
            file.available_at,
            file.listed_at,
            file.transcribed_at,
            file.deleted_at,
        )
        if moment is not None
    ]
    return max([trouble.until, *((moment - START).total_seconds() for moment in moments)])


def _longest_wait(settings: Settings) -> float:
    """Until all deadlines have passed."""
    policy = settings.policy
    waits = max(policy.retry_deadline, policy.transcript_deadline, settings.recheck)
    return (waits + policy.transcript_deadline).total_seconds() + 1.5 * DAY
