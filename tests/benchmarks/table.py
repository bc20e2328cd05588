"""The figures of `poe bench`, as a table."""

import statistics
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

KIB, MIB = 1024, 1024**2
WIDTH = 110
MAX_LISTED = 20


def show(figures: dict[str, Any]) -> None:
    columns = ("measured", "fetcher", "compared with")
    table = Table(*columns, title=f"One fetcher, {figures['batch']} calls in a batch", title_justify="left")
    if figures["goals"]:
        table.add_column("goal")
    for cells in _rows(figures):
        table.add_row(*cells[: len(table.columns)])
    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    console.print(table)
    objects = figures["objects"]
    for what in ("missing", "altered", "extra"):
        for key in objects[what][:MAX_LISTED]:
            console.print(f"{what}: {key}", markup=False, soft_wrap=True)
    console.print(
        f"Every call has one recording and one transcript. The provider's first byte takes"
        f" {figures['first_byte_ms']} ms, on its API and on its CDN; the budget is set to"
        f" {figures['requests_per_second']:,} requests/s, so that it decides nothing; AWS answers at once, over"
        " TLS, from the same machine. One by one is a plain script: ask, download, put, note, next. Ratios are"
        " medians of rounds in turns."
    )
    if not figures["goals"]:
        console.print("This was the short form: it shows that all of it works, and no speed.")


def _rows(figures: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    goals, peak, objects = figures["goals"], figures["memory"], figures["objects"]
    for number, each in enumerate(figures["speed"]):
        one_by_one = f"one by one ({each['one_by_one_files_per_second']} files/s)"
        yield (
            f"recordings of {_size(each['file_bytes'])}",
            f"{each['fetcher_files_per_second']} files/s, {each['seconds_per_batch']} s a batch",
            f"{_spread(each['ratios'])} times {one_by_one}",
            _at_least(goals.get("ratio"), each["ratio"]) if number == 0 else "",
        )
    yield (
        f"peak memory, a recording of {_size(peak['file_bytes'])}",
        f"{peak['above_idle_mib']} MiB above idle, {peak['mib_per_second']} MiB/s",
        f"{peak['idle_mib']} MiB idle",
        _at_most(goals.get("above_idle_mib"), peak["above_idle_mib"]),
    )
    for each in figures["imports"]:
        yield (
            f"import {each['module']}",
            f"{each['on_top_ms']:.0f} ms",
            f"{each['boto3_ms']:.0f} ms boto3",
            "",
        )
    counts = ", ".join(f"{len(objects[what])} {what}" for what in ("missing", "altered", "extra"))
    yield ("objects, against what was served", f"{objects['served']:,}", counts, "")


def _spread(ratios: Sequence[float]) -> str:
    middle, lowest, highest = statistics.median(ratios), min(ratios), max(ratios)
    return f"{middle:.1f}" if len(ratios) == 1 else f"{middle:.1f} ({lowest:.1f}–{highest:.1f})"


def _at_least(goal: float | None, found: float) -> str:
    return "" if goal is None else f">= {goal}: {_met(met=found >= goal)}"


def _at_most(goal: float | None, found: float) -> str:
    return "" if goal is None else f"<= {goal}: {_met(met=found <= goal)}"


def _met(*, met: bool) -> str:
    return "met" if met else "missed"


def _size(count: int) -> str:
    return f"{count // MIB} MiB" if count >= MIB else f"{count // KIB} KiB"
