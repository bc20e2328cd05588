"""`call-archive verify`: whether the bucket holds what the ledger says, and nothing else."""

from __future__ import annotations

import contextlib
import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from infra.cli.find_deployment import with_deployment
from infra.cli.time_range import Moment, check_range, in_utc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from infra.deployment import Deployment
    from infra.verification.differences import Finding
    from infra.verification.ledger_pages import Range

HOLDS, DIFFERS = 0, 1


@click.command()
@click.option("--start", type=Moment(), help="Only files dated from then: a second, or a day, in UTC.")
@click.option("--end", type=Moment(ends_range=True), help="Only files dated until then.")
@click.option(
    "--read", "reads", is_flag=True, help="Read and hash every byte; without it S3's own SHA-256 counts."
)
@click.option("--all", "print_all", is_flag=True, help="Print what is equal (=) or in work (~) as well.")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a line; the last one holds the counts."
)
@click.option(
    "--resume",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Keep in FILE how far it is; go on from there when FILE exists.",
)
@click.pass_context
@with_deployment
def verify(
    deployment: Deployment,
    context: click.Context,
    *,
    start: datetime | None,
    end: datetime | None,
    reads: bool,
    print_all: bool,
    as_json: bool,
    resume: Path | None,
) -> None:
    """Proves that the bucket holds exactly what the ledger says, unaltered; it changes nothing.

    Every recording and transcript that the ledger calls archived must lie at its key in one version, with the
    ledger's version id, size and SHA-256. Every version of every object in the bucket must be one of these.
    The archive may go on working meanwhile.

    \b
        call-archive verify
        call-archive verify --start 2026-01-01 --end 2026-01-31 --read
        call-archive verify --resume january.verify --json | jq -r 'select(.mark == "-").key'

    Prints a line for each difference:

    \b
        - KEY  in the ledger, not in the bucket
        + KEY  in the bucket, not in the ledger
        * KEY  in both, but different: the reason follows
        ! KEY  could not be read: the kind of error follows
        = KEY  equal (with --all)
        ~ KEY  stored by a call in work, not noted in the ledger yet: no difference (with --all)

    With --start and --end, objects elsewhere in the bucket are not looked at. A run with the FILE of one that
    was stopped begins by printing what that one found; equal objects (--all) are printed once, by the run
    that compared them. Exit code 0 says that there is no difference, 1 that there is one, 2 that it could
    not be asked so.
    """
    from infra.verification.bucket_versions import Bucket
    from infra.verification.checkpoint import Checkpoint
    from infra.verification.differences import Mark
    from infra.verification.verify import Verification
    from infra.verification.verify import verify as verified

    chosen = _range(start, end)
    question = {
        "bucket": deployment.bucket,
        "table": deployment.table,
        "start": in_utc(start),
        "end": in_utc(end),
        "read": reads,
    }
    bucket = Bucket(client=deployment.connection.client("s3"), name=deployment.bucket, reads=reads)
    emit = partial(_print_findings, as_json=as_json, print_all=print_all)
    with Checkpoint(resume, question) as checkpoint:
        with _progress() as say:
            emit(checkpoint.findings())
            run = Verification(
                ledger=deployment.ledger, bucket=bucket, checkpoint=checkpoint, chosen=chosen, say=say
            )
            for findings in verified(run):
                emit(findings)
        counts = {mark.word: count for mark, count in checkpoint.counts().items()}
    differences = sum(counts[mark.word] for mark in Mark if mark.is_difference)
    _sum_up({"differences": differences, **counts}, as_json=as_json)
    context.exit(DIFFERS if differences else HOLDS)


def _range(start: datetime | None, end: datetime | None) -> Range | None:
    from infra.verification.ledger_pages import Range

    if start is None and end is None:
        return None
    if start is None or end is None:
        raise click.UsageError("--start and --end go together.")
    check_range(start, end)
    return Range(start=start, end=end)


def _print_findings(findings: Iterable[Finding], *, as_json: bool, print_all: bool) -> None:
    for finding in findings:
        if finding.mark.is_difference or print_all:
            click.echo(_as_json(finding) if as_json else _as_line(finding))


def _as_json(finding: Finding) -> str:
    return json.dumps({"mark": finding.mark.value, "key": finding.key, "reason": finding.reason})


def _as_line(finding: Finding) -> str:
    return f"{finding.mark} {_printable(finding.key)}" + (
        f"  {_printable(finding.reason)}" if finding.reason else ""
    )


def _printable(text: str) -> str:
    """A key that somebody else put may hold line breaks and escapes: it must not pass for lines of ours."""
    return text if text.isprintable() else json.dumps(text)


def _sum_up(counts: Mapping[str, int], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(counts))
        return
    kinds = ", ".join(f"{counts[name]:,} {name}" for name in ("missing", "extra", "different", "unreadable"))
    click.echo(
        f"{counts['differences']:,} differences found" + (f": {kinds}" if counts["differences"] else ""),
        err=True,
    )
    click.echo(f"{counts['equal']:,} objects equal", err=True)
    if counts["in_work"]:
        click.echo(
            f"{counts['in_work']:,} objects in work: stored, and not noted in the ledger yet", err=True
        )


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """How far it is, on a terminal alone: a log has the findings."""
    if not sys.stderr.isatty():
        yield lambda _text: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    # Redirected, what is printed lands on standard error: right on a terminal, wrong into a pipe or a file.
    shares_screen = sys.stdout.isatty()
    console = Console(file=sys.stderr, highlight=False)
    with Progress(*columns, console=console, transient=True, redirect_stdout=shares_screen) as bars:
        task = bars.add_task("Listing the bucket")
        yield lambda text: bars.update(task, description=text)
