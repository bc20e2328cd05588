"""What takes long: many calls, and large files, through the real stack on an embedded AWS."""

import json
import sys

import click

from infra.local.progress import Progress
from tests.proofs.volume import calls as volume_of_calls
from tests.proofs.volume import sizes as volume_of_sizes


@click.group(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
def main() -> None:
    """Archives much, and looks at all of it from outside. Prints one JSON object; exit code 1 if it does not hold, or if nothing was looked at."""


@main.command("calls")
@click.option("--calls", default=10_000, help="Calls in the provider's history.")
@click.option("--faults", default=10.0, metavar="PER_CENT", help="Of the provider's answers.")
@click.option("--file-bytes", default=16_384, help="The size of each recording.")
@click.option("--timeout", default=5400.0, metavar="S", help="Give up after S seconds.")
def many_calls(calls: int, faults: float, file_bytes: int, timeout: float) -> None:
    """Many calls, with faults of the provider; 5 per cent of the messages come twice."""
    volume = volume_of_calls.Volume(
        calls=calls,
        faults_per_cent=faults,
        file_bytes=file_bytes,
        timeout_seconds=timeout,
    )
    with Progress() as progress:
        found = volume_of_calls.run(volume, progress)
    click.echo(json.dumps(found, indent=2))
    wrong = any(found[name] for name in ("missing", "altered", "extra", "violations"))
    sys.exit(wrong or not all(found["looked_at"].values()))


@main.command("sizes")
@click.option("--largest/--no-largest", default=True, help="Also one of 2 GiB, which takes minutes.")
@click.option(
    "--size",
    "chosen",
    type=click.IntRange(min=0),
    multiple=True,
    metavar="BYTES",
    help=f"This one, and the smallest; else {', '.join(map(str, volume_of_sizes.SIZES))}.",
)
def every_size(*, largest: bool, chosen: tuple[int, ...]) -> None:
    """Recordings of every size, and how much memory they take."""
    whole = (*volume_of_sizes.SIZES, *([volume_of_sizes.LARGEST] if largest else []))
    sizes = (volume_of_sizes.SMALLEST, *chosen) if chosen else whole
    with Progress() as progress:
        found = volume_of_sizes.run(sizes, progress)
    click.echo(json.dumps(found, indent=2))
    above = found["above_idle_mib"] > volume_of_sizes.MAX_ABOVE_IDLE_MIB
    wrong = any(found[name] for name in ("missing", "altered", "violations"))
    sys.exit(above or wrong or not all(found["looked_at"].values()))


if __name__ == "__main__":
    main()
