"""Long runs of real size: nobody acts, functions run in slices of 15 minutes at most, the provider's limit is kept."""

import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from random import Random
from typing import Any

from click import echo

from call_archive.model.call import Call, TranscriptStatus
from call_archive.model.policy import Policy
from call_archive.model.window import Window
from infra.verification.observation import Served
from tests.proofs.models.provider import WAVE, Provider, ScriptedFile
from tests.proofs.simulation.faults import Outage, Trouble
from tests.proofs.simulation.observer import Watch
from tests.proofs.simulation.scenario import DAY, SECRETS, START, Scenario, Settings
from tests.proofs.simulation.world import World

SHIPPED = Settings(
    tick_seconds=300,
    overlap=timedelta(minutes=15),
    recheck=timedelta(days=7),
    timeout_seconds=900,
    fetch_queue_target=1000,
    requests_per_second=20,
    page_size=100,
    policy=Policy(),
)
"""What `cdk.json` ships."""
TRANSCRIBED_SHARE = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Long:
    scenario: Scenario
    trouble_ends: float
    """Seconds from the start; what is told is counted from here."""


class DatedProvider(Provider):
    """Finds a window's calls among very many."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._by_date = sorted((files[0].date, name) for name, files in self.calls.items())

    def dated(self, window: Window) -> Iterable[tuple[str, Sequence[ScriptedFile]]]:
        first = bisect_left(self._by_date, (window.start, ""))
        last = bisect_right(self._by_date, (window.end, "~"))
        return [(name, self.calls[name]) for _, name in self._by_date[first:last]]


def backfill(calls: int = 100_000) -> Long:
    """A month of calls, all there before the first tick."""
    begins = START - timedelta(days=30)
    return Long(
        scenario=_scenario(calls, begins, START - timedelta(hours=1), Trouble(until=0)), trouble_ends=0
    )


def outage(days: int, calls: int = 5_000) -> Long:
    """Calls each day; after the first the provider is away for some, which may be longer than any deadline."""
    ends = (1 + days) * DAY
    away = Outage(kind="provider", begins=DAY, ends=ends)
    trouble = Trouble(until=ends, outages=(away,))
    last = START + timedelta(days=days + 3)
    return Long(scenario=_scenario(calls, START, last, trouble), trouble_ends=ends)


SCENARIOS: dict[str, Callable[..., Long]] = {
    "backfill-100k": backfill,
    "outage-3-days": partial(outage, 3),
    "outage-8-days": partial(outage, 8),
}


def report(name: str, calls: int | None = None) -> int:
    """With another number of calls than the scenario's own, or that."""
    began = time.monotonic()
    long = SCENARIOS[name]() if calls is None else SCENARIOS[name](calls=calls)
    scenario = long.scenario
    world = World(scenario, provider=DatedProvider)
    settled_at = _settled_at(world)
    watch = Watch(world, closely=False)
    last_call = max(files[0].begins_at for files in scenario.calls.values())
    earliest_end = max(long.trouble_ends, (last_call - START).total_seconds())
    try:
        while world.schedule.seconds < scenario.ends:
            world.run(world.schedule.seconds + 600)
            done = len(settled_at) == len(scenario.calls) and not world.ledger.windows
            if done and world.schedule.seconds > earliest_end:
                break
        found = watch.at_rest()
    finally:
        world.schedule.stop()
    waiting = [
        name for name, files in scenario.calls.items() if _seconds(files[0].begins_at) < long.trouble_ends
    ]
    caught_up = max((settled_at.get(name, scenario.ends) for name in waiting or scenario.calls), default=0.0)
    requests = sum(number for step, number in world.line.asked.items() if step.startswith("provider."))
    echo(
        f"{name}: {len(scenario.calls)} calls, {len(settled_at)} settled, {len(world.archive.objects)} objects"
    )
    echo(f"caught up {(caught_up - long.trouble_ends) / 3600:.2f} virtual hours after the trouble's end")
    echo(
        f"{world.schedule.seconds / 3600:.1f} virtual hours in all, {requests} requests asked of the provider"
    )
    echo(f"{world.invocations} invocations, the longest {world.longest:.0f} s")
    echo(f"{len(found)} violations, in {time.monotonic() - began:.0f} s of real time")
    for violation in found[:10]:
        echo(f"    {violation}")
    return 1 if found or world.longest > SHIPPED.timeout_seconds else 0


def _settled_at(world: World) -> dict[str, float]:
    settled: dict[str, float] = {}

    def written(asked: Sequence[Any]) -> None:
        call: Call = asked[0]
        if call.settled:
            settled.setdefault(call.reference_id, world.schedule.seconds)

    world.line.noticed["ledger.write"] = written
    return settled


def _scenario(calls: int, first: datetime, last: datetime, trouble: Trouble) -> Scenario:
    random = Random(calls)
    lives = [
        _life(random, f"{number:032X}", first + random.random() * (last - first)) for number in range(calls)
    ]
    return Scenario(
        seed=calls,
        settings=SHIPPED,
        calls={told.reference_id: [file] for file, told in lives},
        truth=tuple(told for _, told in lives),
        trouble=trouble,
        poison=frozenset(),
        calm=trouble.until + 20 * DAY,
        ends=trouble.until + 20 * DAY,
        tokens_live=timedelta(hours=1),
        archive_from=min(first, START),
        index_lag=0,
    )


def _life(random: Random, reference_id: str, begins_at: datetime) -> tuple[ScriptedFile, Served]:
    begins_at = begins_at.replace(microsecond=0)
    available_at = begins_at + timedelta(seconds=random.randrange(1200))
    file = ScriptedFile(
        name=f"{reference_id}.wav",
        begins_at=begins_at,
        available_at=available_at,
        body=WAVE + reference_id.encode(),
    )
    told = Served(
        reference_id=reference_id,
        file_name=file.name,
        recorded_at=begins_at,
        sha256=sha256(file.body).hexdigest(),
        transcript_ends=frozenset({TranscriptStatus.NONE}),
    )
    if random.random() > TRANSCRIBED_SHARE:
        return file, told
    text = {"transcription": [{"status": "completed", "result": SECRETS[2]}]}
    file = replace(
        file, transcribed_at=available_at + timedelta(seconds=random.randrange(60)), transcription=text
    )
    return file, replace(told, transcribes=(text,), transcript_ends=frozenset({TranscriptStatus.ARCHIVED}))


def _seconds(moment: datetime) -> float:
    return (moment - START).total_seconds()
