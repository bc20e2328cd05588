"""`python -m infra.simulator`: the simulated Telesign as a process of its own, until SIGTERM."""

import json
import os
import signal
from datetime import datetime
from pathlib import Path
from threading import Event
from types import FrameType
from typing import Any

import click

from infra.simulator import Options, SimulatedTelesign
from infra.simulator.options import utc_now

FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@click.command(context_settings={"show_default": True})
@click.option(
    "--port-file", type=click.Path(path_type=Path), required=True, help="Where to write the addresses."
)
@click.option("--api-key-env", metavar="VAR", help="The environment variable that holds the API key.")
@click.option("--customer-id", default=None, help="The account's customer id.")
@click.option("--calls", default=40, help="Calls in the history.")
@click.option("--seed", default=1, help="The same seed gives the same calls.")
@click.option("--audio", type=FOLDER, default=None, help="Serve these .wav files instead of tones.")
@click.option("--file-bytes", type=int, default=None, help="Give every file exactly this size.")
@click.option("--history-end", default=None, help="ISO 8601 with an offset; now when left out.")
@click.option("--history-hours", default=6.0)
@click.option("--arrivals-per-minute", default=0.0, help="Calls that go on arriving.")
@click.option("--link-lifetime-seconds", default=300)
@click.option("--token-lifetime-seconds", default=600)
@click.option("--first-byte-delay-seconds", default=0.0)
@click.option("--api-port", default=0, help="0: any free port.")
@click.option("--cdn-port", default=0, help="0: any free port.")
@click.option("--public-cdn-url", default=None, help="What links begin with, behind a proxy.")
@click.option("--empty-is-404", is_flag=True, help="Answer an empty range with 404.")
@click.option("--single-row-as-object", is_flag=True, help="Answer one row as an object.")
def main(
    port_file: Path,
    api_key_env: str | None,
    customer_id: str | None,
    history_end: str | None,
    **others: Any,
) -> None:
    """Serve a simulated Telesign account on the loopback until SIGTERM or SIGINT."""
    given: dict[str, Any] = {"customer_id": customer_id, "api_key": _api_key(api_key_env)}
    chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    try:
        simulator = SimulatedTelesign(Options(**others, **chosen, history_end=_moment(history_end)))
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    stopped = _stop_signals()
    with simulator:
        _write_atomically(port_file, _addresses(simulator))
        stopped.wait()


def _api_key(variable: str | None) -> str | None:
    if variable is None:
        return None
    if not os.environ.get(variable):
        raise click.UsageError(f"--api-key-env names {variable}, which is not set")
    return os.environ[variable]


def _moment(text: str | None) -> datetime:
    return utc_now() if text is None else datetime.fromisoformat(text)


def _stop_signals() -> Event:
    stopped = Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopped.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    return stopped


def _addresses(simulator: SimulatedTelesign) -> dict[str, Any]:
    return {
        "api_url": simulator.api_url,
        "cdn_url": simulator.cdn_url,
        "pid": os.getpid(),
        # With the other options, all that another process needs to know the same truth.
        "history_end": simulator.options.history_end.isoformat(),
    }


def _write_atomically(path: Path, document: dict[str, Any]) -> None:
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    beside.write_text(json.dumps(document), encoding="utf-8")
    beside.replace(path)


if __name__ == "__main__":
    main()
