"""`call-archive backfill`: the same as the tick does, for a range of time that the operator names."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from math import isfinite
from typing import TYPE_CHECKING, Any

import click

from infra.cli.find_deployment import with_deployment
from infra.cli.time_range import Moment, check_backfill, in_utc

if TYPE_CHECKING:
    from infra.deployment import Deployment

DONE, FAILED, UNFINISHED = 0, 1, 3
LISTED = 50
"""Open and failed calls that are printed one by one; `--json` holds all of them."""


@click.command()
@click.argument("start", type=Moment())
@click.argument("end", type=Moment(ends_range=True))
@click.option("--wait", is_flag=True, help="Stay until nothing of the range is open, and show how far it is.")
@click.option("--timeout", type=click.FloatRange(min=0), metavar="S", help="Wait at most S seconds.")
@click.option("--json", "as_json", is_flag=True, help="The outcome as one JSON object.")
@click.pass_context
@with_deployment
def backfill(
    deployment: Deployment,
    context: click.Context,
    *,
    start: datetime,
    end: datetime,
    wait: bool,
    timeout: float | None,
    as_json: bool,
) -> None:
    """Archives the calls dated from START to END: UTC, both inclusive, to the second; a day alone is all of it.

    What is archived already stays as it is; what failed is tried once more. Nothing is lost when this
    command is stopped: the archive goes on by itself.

    \b
        call-archive backfill 2026-01-01 2026-01-31
        call-archive backfill 2026-01-31T12:00:00 2026-01-31T12:59:59 --wait --timeout 600

    With --wait, exit code 0 says that all is settled without a failure, 1 that some failed (they are
    listed), 3 that the time was not enough (what is still open is listed).
    """
    from call_archive.list_window import enqueue_windows
    from call_archive.model.window import cut

    if timeout is not None and not wait:
        raise click.UsageError("--timeout goes with --wait.")
    if timeout is not None and not isfinite(timeout):
        raise click.UsageError("--timeout takes a number of seconds.")
    check_backfill(start, end)
    deployment.refuse_older()
    windows = cut(start, end, recheck=True)
    now = datetime.now(UTC)
    queue = deployment.queue(deployment.windows_queue_url)
    enqueue_windows(windows, ledger=deployment.ledger, queue=queue, now=now, lease=deployment.lease)
    outcome: dict[str, Any] = {"start": in_utc(start), "end": in_utc(end), "windows": len(windows)}
    if not wait:
        click.echo(json.dumps(outcome, indent=2) if as_json else _queued(outcome))
        return
    context.exit(_wait(deployment, start, end, timeout, outcome, as_json=as_json))


def _wait(
    deployment: Deployment,
    start: datetime,
    end: datetime,
    timeout: float | None,
    outcome: dict[str, Any],
    *,
    as_json: bool,
) -> int:
    from infra.cli.wait import call_line, failures, wait_until_settled, window_line
    from infra.local.progress import Progress

    with Progress() as progress, progress.step("Archiving") as say:
        summary = wait_until_settled(deployment.ledger, start, end, timeout_seconds=timeout, say=say)
    outcome["open"] = [
        *(window_line(each) for each in summary.windows),
        *(call_line(call) for call in summary.open_calls),
    ]
    outcome["failed"] = failures(deployment.ledger, start, end, summary.refused)
    outcome["settled"] = not outcome["open"] and not summary.refused
    click.echo(json.dumps(outcome, indent=2) if as_json else _settled(outcome))
    if outcome["open"]:
        return UNFINISHED
    return FAILED if outcome["failed"] else DONE


def _queued(outcome: dict[str, Any]) -> str:
    return (
        f"Queued {outcome['windows']} windows from {outcome['start']} to {outcome['end']}; the archive goes on"
        " by itself (--wait shows how far it is)."
    )


def _settled(outcome: dict[str, Any]) -> str:
    lines = [f"{outcome['start']} to {outcome['end']}:"]
    for state in ("failed", "open"):
        listed = outcome[state]
        lines += [
            f"  {state}  {each.get('reference_id') or each['window']}  {each['reason']}"
            for each in listed[:LISTED]
        ]
        if len(listed) > LISTED:
            lines.append(f"  and {len(listed) - LISTED} more {state}")
    if len(lines) == 1:
        lines.append("  all settled, nothing failed")
    return "\n".join(lines)
