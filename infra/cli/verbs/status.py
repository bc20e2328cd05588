"""`call-archive status`: how things stand, and what to do about what does not."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from infra.cli.advice import advice_on
from infra.cli.find_deployment import with_deployment
from infra.cli.time_range import in_utc, in_words

if TYPE_CHECKING:
    from call_archive.model.call import Call
    from infra.deployment import Deployment

LISTED = 20
"""Open and failed calls that are listed one by one; the counts are of all."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@with_deployment
def status(deployment: Deployment, *, as_json: bool) -> None:
    """Shows how far the archive is: what was listed, what is open or failed, and what to do about it."""
    summary = summary_of(deployment, datetime.now(UTC))
    if as_json:
        click.echo(json.dumps(summary, indent=2))
    else:
        click.echo(_as_text(summary))


def summary_of(deployment: Deployment, now: datetime) -> dict[str, Any]:
    """Everything that `status` prints, with the advice that follows from it."""
    from call_archive.tick import listing_lag

    ledger = deployment.ledger
    windows, cursor = ledger.open_windows(), ledger.listed_until()
    open_calls = sorted(ledger.open_calls(), key=lambda call: call.opened_at)
    failed_calls = list(ledger.failed_calls())
    oldest = (now - open_calls[0].opened_at).total_seconds() if open_calls else 0
    summary = {
        "stack": deployment.stack,
        "cursor": in_utc(cursor),
        "listing_lag_seconds": cursor and round(listing_lag(cursor, windows, now).total_seconds()),
        "windows": {
            "open": len(windows),
            "last_error": next((pending.last_error for pending in windows if pending.last_error), None),
        },
        "calls": {
            "open": len(open_calls),
            "oldest_open_seconds": round(oldest),
            "failed": len(failed_calls),
        },
        "oldest_open": _listed(deployment, [call.reference_id for call in open_calls]),
        "failed": _listed(deployment, [call.reference_id for call in failed_calls]),
        "queues": {
            name: deployment.queue(url).length()
            for name, url in (
                ("fetch", deployment.fetch_queue_url),
                ("fetch_dlq", deployment.fetch_dlq_url),
                ("windows", deployment.windows_queue_url),
                ("windows_dlq", deployment.windows_dlq_url),
                ("schedule_dlq", deployment.schedule_dlq_url),
            )
        },
    }
    return {**summary, "advice": advice_on(summary)}


def _listed(deployment: Deployment, reference_ids: list[str]) -> list[dict[str, str | None]]:
    from infra.cli.calls_in_range import read_calls

    calls = read_calls(deployment.ledger, islice(reference_ids, LISTED))
    return [_line(call) for call in calls]


def _line(call: Call) -> dict[str, str | None]:
    from infra.cli.file_records import reasons_of

    return {
        "reference_id": call.reference_id,
        "recorded_at": in_utc(call.recorded_at),
        "reason": reasons_of(call),
    }


def _cursor_in_words(summary: dict[str, Any]) -> str:
    if summary["cursor"] is None:
        return "nothing yet"
    return f"{summary['cursor']} ({in_words(summary['listing_lag_seconds'])} behind)"


def _as_text(summary: dict[str, Any]) -> str:
    calls, windows = summary["calls"], summary["windows"]
    lines = [
        f"listed until  {_cursor_in_words(summary)}",
        f"windows       {windows['open']} still to be listed",
        (
            f"calls         {calls['open']} open, the oldest for {in_words(calls['oldest_open_seconds'])};"
            f" {calls['failed']} with something failed"
        ),
        "messages      " + ", ".join(f"{name} {count}" for name, count in summary["queues"].items()),
    ]
    for title, name in (("Open the longest:", "oldest_open"), ("Failed:", "failed")):
        if summary[name]:
            lines += [
                "",
                title,
                *(f"  {call['reference_id']}  {call['reason']}" for call in summary[name]),
            ]
    return "\n".join([*lines, "", *summary["advice"]])
