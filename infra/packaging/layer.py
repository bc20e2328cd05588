"""The functions' dependencies as a layer, for Lambda's platform, whatever this machine is; no docker."""

import hashlib
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from infra.packaging.cache import BUILD_DIRECTORY, completed

LAYER_REQUIREMENTS: Final = Path(__file__).with_name("layer-requirements.txt")

LAMBDA_PYTHON: Final = "3.14"

# No bytecode: this Python's would be of no use to Lambda's.
_PIP_OPTIONS: Final = (
    *("--platform", "manylinux2014_aarch64", "--python-version", LAMBDA_PYTHON, "--implementation", "cp"),
    *("--only-binary=:all:", "--no-deps", "--require-hashes", "--no-compile"),
    *("--no-input", "--quiet", "--disable-pip-version-check"),
)


class PackagingError(Exception):
    """pip could not install the layer's requirements."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    path: Path
    fingerprint: str


def build_layer(requirements: Path = LAYER_REQUIREMENTS, into: Path = BUILD_DIRECTORY) -> Layer:
    """Builds once for each content of the requirements; says so on stderr when it does."""
    recipe = requirements.read_bytes() + " ".join(_PIP_OPTIONS).encode()
    fingerprint = hashlib.sha256(recipe).hexdigest()
    layer = Layer(path=into / f"layer-{fingerprint[:16]}", fingerprint=fingerprint)
    if not layer.path.is_dir():
        click.echo("Installing the functions' dependencies (once for each change of them) …", err=True)
        with completed(layer.path) as unfinished:
            _install(requirements, unfinished / "python")
    return layer


def _install(requirements: Path, target: Path) -> None:
    command = (sys.executable, "-m", "pip", "install", *_PIP_OPTIONS)
    files = ("--target", str(target), "--requirement", str(requirements))
    done = subprocess.run(  # noqa: S603  # nosec B603  # our own command, and no shell
        (*command, *files), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise PackagingError(f"pip could not install {requirements.name}:\n{done.stderr.strip()}")
    # Console scripts name this machine's Python, and nothing in Lambda runs them.
    shutil.rmtree(target / "bin", ignore_errors=True)
