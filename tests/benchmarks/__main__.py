"""The fetcher's speed and memory, against a simulated provider and a null AWS on the loopback."""

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import click

from infra.config import FETCH_BATCH
from infra.simulator import Options
from tests.benchmarks.children import measure, server
from tests.benchmarks.imports import import_figures
from tests.benchmarks.invocation import REQUESTS_PER_SECOND, Servers
from tests.benchmarks.served import Difference, difference
from tests.benchmarks.table import show

FIRST_BYTE_SECONDS = 0.04
KIB, MIB = 1024, 1024**2
MAX_ABOVE_IDLE_MIB, MIN_RATIO = 32, 5
WORKER = "tests.benchmarks.worker"
Calls = Mapping[str, Mapping[str, Mapping[str, str]]]
"""What must be stored: a digest by the file's size, the call's id and the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """How often the fetcher and the plain script take turns, and how much each does in one."""

    file_bytes: int
    warm_ups: int
    rounds: int
    plain_files: int
    invocations: int

    def calls(self, batch: int) -> int:
        return 2 + self.warm_ups * batch + self.rounds * (self.plain_files + self.invocations * batch)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    speeds: tuple[Speed, ...]
    """The first has the smallest files."""
    large_bytes: int
    imports: int
    """Of each module."""
    goals: bool
    """Whether it is enough to compare with them."""


WHOLE = Scale(
    speeds=(
        Speed(file_bytes=100 * KIB, warm_ups=3, rounds=5, plain_files=20, invocations=5),
        Speed(file_bytes=5 * MIB, warm_ups=3, rounds=3, plain_files=5, invocations=1),
    ),
    large_bytes=512 * MIB,
    imports=7,
    goals=True,
)
SHORT = Scale(
    speeds=(Speed(file_bytes=100 * KIB, warm_ups=1, rounds=1, plain_files=5, invocations=1),),
    large_bytes=16 * MIB,
    imports=1,
    goals=False,
)


@contextmanager
def running(scale: Scale, batch: int) -> Iterator[tuple[Servers, Calls]]:
    account = Options()
    credentials = {"customer_id": account.customer_id, "api_key": account.api_key}
    small, *others = scale.speeds
    copies = {small.file_bytes: 8, **{each.file_bytes: 2 for each in others}, scale.large_bytes: 1}
    # The simulator draws a file for each call, and leaves out some transcripts: a third more than the draw takes.
    drawn = [speed.calls(batch) * sum(copies.values()) / copies[speed.file_bytes] for speed in scale.speeds]
    chosen = {
        "calls": 200 + round(max(drawn) * 4 / 3),
        "copies": copies,
        "first_byte_delay_seconds": FIRST_BYTE_SECONDS,
    }
    with (
        server("tests.benchmarks.provider", json.dumps(chosen)) as provider,
        server("tests.benchmarks.sink", SINK_SECRET=json.dumps(credentials)) as sink,
    ):
        servers = Servers(
            provider_url=provider["url"], sink_url=sink["url"], ca_bundle=sink["ca_bundle"], **credentials
        )
        yield servers, provider["calls"]


def speed(servers: Servers, calls: Calls, turns: Speed, batch: int) -> tuple[dict[str, Any], list[str]]:
    """The figures, and the calls that the fetcher archived."""
    ids = list(calls[str(turns.file_bytes)])
    spec = {
        "measure": "speed",
        "servers": asdict(servers),
        "calls": ids,
        "batch": batch,
        **asdict(turns),
    }
    found = measure(WORKER, spec, servers.environment())
    rounds = found["rounds"]
    seconds = statistics.median(each["fetcher"] for each in rounds)
    ratios = [each["one_by_one"] / each["fetcher"] for each in rounds]
    figures = {
        "file_bytes": turns.file_bytes,
        "one_by_one_files_per_second": round(1 / statistics.median(each["one_by_one"] for each in rounds), 1),
        "fetcher_files_per_second": round(1 / seconds, 1),
        "seconds_per_batch": round(batch * seconds, 2),
        "ratio": round(statistics.median(ratios), 2),
        "ratios": [round(ratio, 2) for ratio in ratios],
    }
    return figures, found["fetched"]


def memory(servers: Servers, calls: Calls, scale: Scale) -> tuple[dict[str, Any], list[str]]:
    """The figures, and the calls that the fetcher archived."""
    spec = {
        "measure": "memory",
        "servers": asdict(servers),
        "calls": list(calls[str(scale.large_bytes)]),
        "small_calls": list(calls[str(scale.speeds[0].file_bytes)]),
    }
    found = measure(WORKER, spec, servers.environment())
    figures = {
        "file_bytes": scale.large_bytes,
        "idle_mib": round(found["idle_bytes"] / MIB, 1),
        "above_idle_mib": round(found["above_idle_bytes"] / MIB, 1),
        "mib_per_second": round(scale.large_bytes / MIB / found["seconds"]),
    }
    return figures, found["fetched"]


def archived(servers: Servers, calls: Calls, fetched: set[str]) -> tuple[int, Difference]:
    """How many objects the fetched calls must have left, and what is wrong with those that it did leave."""
    of_calls = {name: objects for each in calls.values() for name, objects in each.items()}
    served = {key: digest for name in fetched for key, digest in of_calls[name].items()}
    stored = {key: digest for key, digest in servers.digests().items() if not key.startswith("plain/")}
    return len(served), difference(served, stored)


def run(scale: Scale, batch: int) -> dict[str, Any]:
    with running(scale, batch) as (servers, calls):
        speeds = [speed(servers, calls, turns, batch) for turns in scale.speeds]
        peak, large = memory(servers, calls, scale)
        fetched = {*large, *(name for _, names in speeds for name in names)}
        objects, wrong = archived(servers, calls, fetched)
    return {
        "batch": batch,
        "first_byte_ms": round(1000 * FIRST_BYTE_SECONDS),
        "requests_per_second": REQUESTS_PER_SECOND,
        "speed": [figures for figures, _ in speeds],
        "memory": peak,
        "imports": import_figures(scale.imports),
        "objects": {"served": objects, **asdict(wrong)},
        "goals": {"ratio": MIN_RATIO, "above_idle_mib": MAX_ABOVE_IDLE_MIB} if scale.goals else {},
    }


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--batch", default=FETCH_BATCH, show_default=True, help="Messages in an invocation.")
@click.option("--rounds", type=click.IntRange(min=1), help="Rounds for the small files.  [default: 5]")
@click.option("--short", is_flag=True, help="Too little to measure by, in seconds: that it all works.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def main(batch: int, rounds: int | None, *, short: bool, as_json: bool) -> None:
    """Measures the fetcher's speed and memory, and what importing it costs.

    Compares each object with what was served; exit code 1 if one is missing, altered or extra.
    """
    scale = SHORT if short else WHOLE
    if rounds:
        small, *others = scale.speeds
        scale = replace(scale, speeds=(replace(small, rounds=rounds), *others))
    try:
        figures = run(scale, batch)
    except subprocess.CalledProcessError as error:
        raise click.ClickException("nothing is measured: the fetcher failed, as said above") from error
    if as_json:
        click.echo(json.dumps(figures, indent=2))
    else:
        show(figures)
    sys.exit(any(figures["objects"][what] for what in ("missing", "altered", "extra")))


if __name__ == "__main__":
    main()
