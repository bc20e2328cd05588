"""`call-archive show`: everything known of one call."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from infra.cli.find_deployment import with_deployment
from infra.cli.time_range import in_utc
from infra.errors import CommandError, InputError, in_one_line

if TYPE_CHECKING:
    from call_archive.model.call import Call, RecordingFile
    from infra.deployment import Deployment


@click.command()
@click.argument("reference_id")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@with_deployment
def show(deployment: Deployment, *, reference_id: str, as_json: bool) -> None:
    """Shows everything known of the call with this REFERENCE_ID: its files, their state, keys and visits."""
    from call_archive.model.message import is_reference_id

    if not is_reference_id(reference_id):
        raise InputError(f"'{in_one_line(reference_id)}' is no reference id: it has 1 to 900 bytes of UTF-8.")
    call = deployment.ledger.read(reference_id)
    if call is None:
        raise CommandError(
            f"The ledger knows no call {in_one_line(reference_id)}; if the provider has it, run `call-archive backfill`"
            " over its day."
        )
    known = _known(call)
    if as_json:
        click.echo(json.dumps(known, indent=2))
    else:
        _print(known)


def _known(call: Call) -> dict[str, Any]:
    files = [_known_file(call, name, file) for name, file in call.files.items()]
    if call.unnamed is not None:
        files.append(_known_file(call, None, call.unnamed))
    return {
        "reference_id": call.reference_id,
        "state": "settled" if call.settled else "open",
        "recorded_at": in_utc(call.recorded_at),
        "opened_at": in_utc(call.opened_at),
        "visits": call.visits,
        "next_visit_at": None if call.settled else in_utc(call.due_at),
        "last_error": call.last_error,
        "files": files,
    }


def _known_file(call: Call, name: str | None, file: RecordingFile) -> dict[str, Any]:
    """What `find` prints, and why the transcript is where it is."""
    from infra.cli.file_records import record_of

    record = record_of(call.reference_id, name, file)
    if file.transcript is not None:
        record["transcript"] |= {"reason": file.transcript.reason}
    return record


def _print(known: dict[str, Any]) -> None:
    for name, value in known.items():
        if name != "files" and value is not None:
            click.echo(f"{name:16} {value}")
    for file in known["files"]:
        click.echo(f"\n{file['file_name'] or '(no file name yet)'}")
        transcript = file["transcript"] or {}
        for name in ("status", "reason", "recorded_at", "key", "size", "sha256"):
            if file[name] is not None:
                click.echo(f"  {name:14} {file[name]}")
        if transcript:
            click.echo(f"  {'transcript':14} {' '.join(str(each) for each in transcript.values() if each)}")
