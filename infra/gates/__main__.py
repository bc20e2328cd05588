"""`poe gates`: runs every check, prints what it found, and fails when there is anything left to do."""

import sys
from concurrent.futures import ThreadPoolExecutor

import click

from infra.gates.code_check import check_code
from infra.gates.findings import GateError
from infra.gates.sbom import write_sboms
from infra.gates.stack_checks import check_stack


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Runs the security checks of the stack and the code, and writes bills of materials."""
    sys.exit(_run())


def _run() -> int:
    with ThreadPoolExecutor() as pool:
        code, sboms = pool.submit(check_code), pool.submit(write_sboms)
        try:
            verdicts = [*check_stack(), code.result()]
            written = sboms.result()
        except GateError as error:
            click.echo(error, err=True)
            return 2
    for verdict in verdicts:
        click.echo("\n".join(verdict.lines()))
    click.echo("\n".join(written))
    return 0 if all(verdict.passed for verdict in verdicts) else 1


if __name__ == "__main__":
    main()
