"""The fetcher's speed and memory, against a simulated provider and a null AWS on the loopback."""

import json
import statistics
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from infra.config import FETCH_BATCH
from infra.simulator import Options
from tests.benchmarks.children import measure, server
from tests.benchmarks.imports import import_figures
from tests.benchmarks.invocation import REQUESTS_PER_SECOND, Servers

FIRST_BYTE_SECONDS = 0.04
KIB, MIB = 1024, 1024**2
SMALL, MIDDLE, LARGE = 100 * KIB, 5 * MIB, 512 * MIB
MIN_RATIO, MAX_ABOVE_IDLE = 5, 32 * MIB
PLAIN_FILES, INVOCATIONS = 20, 5
"""Of small files, in a round."""
WORKER = "tests.benchmarks.worker"
Calls = dict[str, list[str]]


@contextmanager
def running(batch: int, rounds: int) -> Iterator[tuple[Servers, Calls]]:
    account = Options()
    credentials = {"customer_id": account.customer_id, "api_key": account.api_key}
    chosen = {
        "calls": 500 + 30 * batch + 4 * rounds * (PLAIN_FILES + INVOCATIONS * batch),
        "copies": {SMALL: 8, MIDDLE: 2, LARGE: 1},
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


def speed(servers: Servers, calls: Calls, file_bytes: int, **spec: int) -> dict[str, Any]:
    given = {"measure": "speed", "servers": asdict(servers), "calls": calls[str(file_bytes)], **spec}
    rounds = measure(WORKER, given, servers.environment())["rounds"]
    return {
        "file_bytes": file_bytes,
        "one_by_one_files_per_second": round(1 / statistics.median(r["one_by_one"] for r in rounds), 1),
        "fetcher_files_per_second": round(1 / statistics.median(r["fetcher"] for r in rounds), 1),
        "ratio": round(statistics.median(r["one_by_one"] / r["fetcher"] for r in rounds), 2),
        "ratios": [round(r["one_by_one"] / r["fetcher"], 2) for r in rounds],
    }


def memory(servers: Servers, calls: Calls) -> dict[str, Any]:
    given = {
        "measure": "memory",
        "servers": asdict(servers),
        "calls": calls[str(LARGE)],
        "small_calls": calls[str(SMALL)],
    }
    found = measure(WORKER, given, servers.environment())
    return {
        "file_bytes": LARGE,
        "idle_mib": round(found["idle_bytes"] / MIB, 1),
        "above_idle_mib": round(found["above_idle_bytes"] / MIB, 1),
        "mib_per_second": round(LARGE / MIB / found["seconds"]),
    }


def run(batch: int, rounds: int) -> dict[str, Any]:
    with running(batch, rounds) as (servers, calls):
        speeds = [
            speed(
                servers,
                calls,
                SMALL,
                batch=batch,
                rounds=rounds,
                plain_files=PLAIN_FILES,
                invocations=INVOCATIONS,
            ),
            speed(servers, calls, MIDDLE, batch=batch, rounds=3, plain_files=5, invocations=1),
        ]
        peak = memory(servers, calls)
    return {
        "batch": batch,
        "first_byte_ms": round(1000 * FIRST_BYTE_SECONDS),
        "requests_per_second": REQUESTS_PER_SECOND,
        "speed": speeds,
        "memory": peak,
        "imports": import_figures(),
    }


def show(figures: dict[str, Any]) -> None:
    table = Table(title=f"One fetcher invocation: {figures['batch']} messages", title_justify="left")
    for name in ("measured", "reference", "ours", "ratio", "goal"):
        table.add_column(name, justify="left" if name == "measured" else "right")
    for each in figures["speed"]:
        goal = f">= {MIN_RATIO}" if each["file_bytes"] == SMALL else ""
        table.add_row(
            f"files/s, {_size(each['file_bytes'])} each, against one by one",
            f"{each['one_by_one_files_per_second']}",
            f"{each['fetcher_files_per_second']}",
            f"{each['ratio']:.1f}",
            goal,
        )
    peak = figures["memory"]
    table.add_row(
        f"peak MiB above idle, one file of {_size(peak['file_bytes'])} ({peak['mib_per_second']} MiB/s)",
        f"{peak['idle_mib']} idle",
        f"+{peak['above_idle_mib']}",
        "",
        f"<= {MAX_ABOVE_IDLE // MIB}",
    )
    for each in figures["imports"]:
        table.add_row(
            f"ms to import {each['module']} after boto3",
            f"{each['boto3_ms']:.0f} boto3",
            f"+{each['on_top_ms']:.0f}",
            f"{each['ratio']:.2f}",
            "",
        )
    console = Console(width=None if sys.stdout.isatty() else 110)
    console.print(table)
    console.print(
        f"Every call has one recording and one transcript. The provider's first byte takes"
        f" {figures['first_byte_ms']} ms, on its API and on its CDN; the budget is set to"
        f" {figures['requests_per_second']} requests/s, so that it decides nothing; AWS answers at once, over"
        " TLS, from the same machine. Ratios are medians of rounds in turns.",
        highlight=False,
    )


def _size(count: int) -> str:
    return f"{count // MIB} MiB" if count >= MIB else f"{count // KIB} KiB"


@click.command()
@click.option("--batch", default=FETCH_BATCH, show_default=True, help="Messages in an invocation.")
@click.option("--rounds", default=5, show_default=True, help="Rounds for the small files; at least 3.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def main(batch: int, rounds: int, *, as_json: bool) -> None:
    """Measure the fetcher's speed and memory, and what importing it costs."""
    figures = run(batch, max(3, rounds))
    if as_json:
        click.echo(json.dumps(figures, indent=2))
    else:
        show(figures)


if __name__ == "__main__":
    main()
