"""`poe crashes`: every crash of every story, and a table of what was found, tried and wrong."""

import os
import sys
import time
from collections.abc import Sequence

import click
from rich.console import Console
from rich.table import Column, Table

from tests.proofs.aws import Stack
from tests.proofs.crashes.killing import Crash, Killer, Report
from tests.proofs.stories import STORIES

AGAIN = 0.25
"""The share of crashes that are followed by a second one, as a case of its own."""


@click.command()
@click.argument("words", nargs=-1)
@click.option("--jobs", type=int, help="How many crashes to try at the same time; one a core if not given.")
@click.option("--each", is_flag=True, help="Try also those moments by themselves that are the same crash.")
def main(words: tuple[str, ...], *, jobs: int | None, each: bool) -> None:
    """Ends the functions' process before and after each of its calls, and checks what becomes of the archive.

    With WORDS, in the stories whose names hold one.
    """
    stories = [story for story in STORIES if not words or any(word in story.name for word in words)]
    if not stories:
        raise click.UsageError(f"no story's name holds such a word: {'; '.join(s.name for s in STORIES)}")
    console = Console(width=110)
    began = time.monotonic()
    stack = Stack.synthesized()
    console.print(f"the stack is synthesized ({time.monotonic() - began:.0f} s)")
    reports = []
    for story in stories:
        report = Killer(story, stack, jobs=jobs or os.cpu_count() or 1, again=AGAIN, each=each).run()
        told = f"{story.name}: {len(report.tried)} of {len(report.found)} moments tried"
        console.print(told, highlight=False, soft_wrap=True)
        reports.append(report)
    wrong = [what for report in reports for what in report.wrong]
    console.print(_table(reports))
    for what in wrong:
        console.print(what, style="red", markup=False, highlight=False, soft_wrap=True)
    crashes = sum(len(report.verdicts) for report in reports)
    twice = sum(report.twice for report in reports)
    seconds = time.monotonic() - began
    console.print(f"{crashes} crashes, {twice} of them twice: {len(wrong)} violations ({seconds:.0f} s)")
    sys.exit(bool(wrong) or any(len(report.tried) < len(report.found) for report in reports))


def _table(reports: Sequence[Report]) -> Table:
    found = [crash for report in reports for crash in report.found]
    tried = [crash for report in reports for crash in report.tried]
    wrong = [crash for report in reports for crash, what in report.verdicts.items() if what]
    columns = ("call", "places in code", "moments found", "moments tried", "places of harm")
    table = Table(*(Column(name, no_wrap=True) for name in columns))
    for call in sorted({_call(crash) for crash in found}):
        places = {crash.site.path for crash in found if _call(crash) == call}
        counts = [sum(_call(crash) == call for crash in crashes) for crashes in (found, tried)]
        harmful = {crash.site.path for crash in wrong if _call(crash) == call}
        table.add_row(call, *map(str, (len(places), *counts, len(harmful))))
    table.add_section()
    table.add_row(
        "together", "", *map(str, (len(found), len(tried), len({crash.site.path for crash in wrong})))
    )
    return table


def _call(crash: Crash) -> str:
    return f"{crash.site.service} {crash.site.operation}"


if __name__ == "__main__":
    main()
