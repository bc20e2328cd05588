"""`call-archive local`: the demonstration, and an archive on this machine that stays."""

import contextlib
import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

import click

from infra.connection import LOCAL_ACCESS_KEY

if TYPE_CHECKING:
    from infra.local.state import Running

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@click.group(invoke_without_command=True)
@click.option(
    "--calls", default=40, show_default=True, type=click.IntRange(1, 100_000), help="How many calls."
)
@click.option(
    "--audio",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Serve the WAV files of this folder; without it, recordings are synthesized.",
)
@click.option("--seed", default=1, show_default=True, help="Another seed, another history.")
@click.pass_context
def local(context: click.Context, calls: int, audio: Path | None, seed: int) -> None:
    """Runs the whole archive on this machine, on an embedded AWS (MiniStack).

    Alone, it is a demonstration: it deploys the real stack, lets it archive six hours of simulated calls, among
    them calls in progress and late transcripts, compares every object in S3 with the bytes that were served,
    prints what it found and stops. Exit code 0 only if nothing is missing, altered or extra.

    \b
        call-archive local
        call-archive local --calls 500 --audio /usr/share/asterisk/sounds
    """
    if context.invoked_subcommand is not None:
        return
    from infra.local.demo.demonstration import demonstrate
    from infra.local.demo.summary import print_summary
    from infra.local.progress import Progress

    with _stopped_by_signals():
        with Progress() as progress:
            result = demonstrate(calls=calls, audio=audio, seed=seed, progress=progress)
        print_summary(result)
    context.exit(0 if result.holds else 1)


@local.command(short_help="Leave an archive running here.")
@click.option(
    "--provider-url", metavar="URL", help="Read this provider; without it, a simulated one is started."
)
@click.option("--customer-id", metavar="C", help="The provider's customer id.")
@click.option(
    "--api-key",
    metavar="K",
    envvar="CALL_ARCHIVE_API_KEY",
    help="The provider's API key; better in the environment: CALL_ARCHIVE_API_KEY.",
)
@click.option(
    "--recording-host",
    "recording_hosts",
    metavar="SUFFIX",
    multiple=True,
    help="Allow download links to hosts that end so (again for more); this machine always may.",
)
@click.option(
    "--port", default=0, type=click.IntRange(0, 65535), help="Of the AWS endpoint.  [default: a free one]"
)
@click.option("--json", "as_json", is_flag=True, help="Print where everything is as one JSON object.")
def up(
    *,
    provider_url: str | None,
    customer_id: str | None,
    api_key: str | None,
    recording_hosts: tuple[str, ...],
    port: int,
    as_json: bool,
) -> None:
    """Leaves an archive running here, which lists new calls each minute, until `local down`.

    It archives calls from now on; for earlier ones use `call-archive backfill`. (The simulated provider's
    are all archived; six more arrive a minute.) The other verbs find it by themselves. Asked again while it
    runs, it says where it is.

    \b
        call-archive local up
        call-archive local up --provider-url http://127.0.0.1:8080 --customer-id C --api-key K --json
    """
    from infra.local.progress import Progress
    from infra.local.provider import checked_hosts, provider_from_options
    from infra.local.up import Request, bring_up

    request = Request(
        provider=provider_from_options(provider_url, customer_id, api_key),
        recording_hosts=checked_hosts(recording_hosts),
        port=port,
    )
    with _stopped_by_signals(), Progress() as progress:
        running = bring_up(request, progress)
    click.echo(json.dumps(_as_object(running), indent=2) if as_json else _as_text(running))


@local.command(short_help="End what `local up` began.")
def down() -> None:
    """Ends what `local up` began, and only that; what it archived is gone with it."""
    from infra.local.up import take_down

    click.echo("The local archive is stopped." if take_down() else "No local archive is running.")


def _as_object(running: "Running") -> dict[str, object]:
    from infra.deployment import deployment_of

    deployment = deployment_of(running.stack, running.outputs, running.connection)
    return {
        "endpoint_url": running.endpoint_url,
        "ca_bundle": running.ca_bundle,
        "region": running.region,
        "stack": deployment.stack,
        "bucket": deployment.bucket,
        "table": deployment.table,
        "fetch_queue_url": deployment.fetch_queue_url,
        "fetch_dlq_url": deployment.fetch_dlq_url,
        "windows_queue_url": deployment.windows_queue_url,
        "windows_dlq_url": deployment.windows_dlq_url,
        "schedule_dlq_url": deployment.schedule_dlq_url,
        "consumers": dict(deployment.consumers),
        "secret_id": deployment.secret_id,
        "provider_url": running.provider_url,
        "log_file": running.log_file,
    }


def _as_text(running: "Running") -> str:
    return f"""\
An archive of {running.provider_url} is running here; it looks for new calls each minute.

  recordings and transcripts   s3://{running.outputs["Bucket"]}
  its log                      {running.log_file}

`call-archive status` and the other verbs find it. For other AWS tools in this shell:

export AWS_ENDPOINT_URL={running.endpoint_url}
export AWS_CA_BUNDLE={running.ca_bundle}
export AWS_REGION={running.region} AWS_DEFAULT_REGION={running.region}
export AWS_ACCESS_KEY_ID={LOCAL_ACCESS_KEY} AWS_SECRET_ACCESS_KEY={LOCAL_ACCESS_KEY}

`call-archive local down` ends it."""


@contextlib.contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """The first signal to stop unwinds and so cleans up; others then no longer interrupt that."""

    def unwind(number: int, _frame: FrameType | None) -> NoReturn:
        for stop in STOP_SIGNALS:
            signal.signal(stop, signal.SIG_IGN)
        sys.exit(128 + number)

    before = {stop: signal.signal(stop, unwind) for stop in STOP_SIGNALS}
    try:
        yield
    except SystemExit:
        click.echo("Stopped; nothing of it is left running.", err=True)
        raise
    finally:
        for stop, handler in before.items():
            signal.signal(stop, handler)
