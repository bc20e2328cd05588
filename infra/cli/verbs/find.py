"""`call-archive find`: the recordings of a range of time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from infra.cli.find_deployment import with_deployment
from infra.cli.time_range import Moment, check_range

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from infra.deployment import Deployment


@click.command()
@click.option("--start", required=True, type=Moment(), help="The first second, or a day, in UTC.")
@click.option("--end", required=True, type=Moment(ends_range=True), help="The last second, or a day.")
@click.option("--json", "as_json", is_flag=True, help="An array with one object a recording file.")
@with_deployment
def find(deployment: Deployment, *, start: datetime, end: datetime, as_json: bool) -> None:
    """Lists the recording files dated from START to END, with their state, key and SHA-256.

    \b
        call-archive find --start 2026-01-31 --end 2026-01-31
        call-archive find --start 2026-01-31T12:00:00 --end 2026-01-31T12:59:59 --json | jq '.[].key'
    """
    check_range(start, end)
    records = _records(deployment, start, end)
    if as_json:
        _print_array(records)
    else:
        _print_lines(records)


def _records(deployment: Deployment, start: datetime, end: datetime) -> Iterator[dict[str, Any]]:
    from infra.cli.calls_in_range import calls_between
    from infra.cli.file_records import records_of

    for call in calls_between(deployment.ledger, start, end):
        yield from records_of(call, start, end)


def _print_array(records: Iterator[dict[str, Any]]) -> None:
    """One object a line, written as they come: a year of calls need not fit into memory."""
    opening = "["
    for record in records:
        click.echo(f"{opening}{json.dumps(record)}", nl=False)
        opening = ",\n "
    click.echo("[]" if opening == "[" else "]")


def _print_lines(records: Iterator[dict[str, Any]]) -> None:
    found = False
    for record in records:
        found = True
        transcript = record["transcript"] or {"status": "-"}
        what = record["key"] or f"{record['reference_id']} {record['file_name'] or ''} ({record['reason']})"
        click.echo(
            f"{record['recorded_at']}  {record['status']:17}  transcript {transcript['status']:8}  {what}"
        )
    if not found:
        click.echo("No recordings are known of that range.", err=True)
