"""`poe pin`: takes the newest of every dependency that resolve together, and writes their versions down.

The commands run here into pyproject.toml, the functions' by hash into the layer's requirements, and checkov's,
which wants another boto3 than ours, into requirements of its own. A lock file would name the registry it was
made with; these do not.
"""

import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click

from infra.packaging.layer import LAMBDA_PYTHON, LAYER_REQUIREMENTS

PROJECT = Path(__file__).resolve().parents[2]
SETTINGS = PROJECT / "pyproject.toml"
CHECKOV_REQUIREMENTS = PROJECT / "infra" / "gates" / "checkov-requirements.txt"
IN_LAYER = ("aws-lambda-powertools", "boto3", "requests")
PINS = re.compile(r"^constraint-dependencies = \[\n[^\]]*\]$", re.MULTILINE)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--check",
    is_flag=True,
    help="Take nothing newer and write nothing: exit code 1 if what is written down does not fit together.",
)
def main(*, check: bool) -> None:
    """Takes the newest of every dependency that resolve together, and writes their versions down."""
    if check:
        stale = [path.relative_to(PROJECT) for path in _stale()]
        click.echo(
            f"Stale: {', '.join(map(str, stale))}. `poe pin` writes them."
            if stale
            else "The pins fit together."
        )
        sys.exit(bool(stale))
    settings = SETTINGS.read_text()
    SETTINGS.write_text(PINS.sub(_pins([]), settings))
    try:
        pinned = _exported("--upgrade")
    except BaseException:
        SETTINGS.write_text(settings)
        raise
    SETTINGS.write_text(PINS.sub(_pins(_versions(pinned)), settings))
    LAYER_REQUIREMENTS.write_text(_layer(pinned))
    CHECKOV_REQUIREMENTS.write_text(_checkov())
    click.echo(f"Pinned {len(_versions(pinned))} packages.")


def _stale() -> Iterator[Path]:
    """The files that do not hold what the registry's packages, at the pinned versions, need."""
    pinned = _exported()
    written = tomllib.loads(SETTINGS.read_text())["tool"]["uv"]["constraint-dependencies"]
    # Without their markers: uv words them another way when it is held to pins.
    if set(map(_bare, written)) != set(map(_bare, _versions(pinned))):
        yield SETTINGS
    # As a set: a file that is added to a release later has a hash of its own, and is none of ours.
    if not set(_lines(LAYER_REQUIREMENTS.read_text())) <= set(_lines(_layer(pinned))):
        yield LAYER_REQUIREMENTS
    if _checkov("--constraint", str(CHECKOV_REQUIREMENTS)) != CHECKOV_REQUIREMENTS.read_text():
        yield CHECKOV_REQUIREMENTS


def _exported(*options: str) -> str:
    return _uv(
        "export", "--quiet", *options, "--all-groups", "--no-emit-project", "--no-hashes", "--no-annotate",
        "--no-header",
    )  # fmt: skip


def _versions(pinned: str) -> list[str]:
    """With their markers: what an older Python cannot take is pinned twice."""
    return [line.strip() for line in pinned.splitlines() if "==" in line]


def _bare(requirement: str) -> str:
    return requirement.partition(" ;")[0]


def _lines(requirements: str) -> list[str]:
    return [line.strip().removesuffix(" \\") for line in requirements.splitlines()]


def _pins(requirements: list[str]) -> str:
    return "\n".join(
        ["constraint-dependencies = [", *(f'    "{requirement}",' for requirement in requirements), "]"]
    )


def _layer(pinned: str) -> str:
    """The layer's closure for Lambda's platform, at the versions that run here as well."""
    command = (
        "pip", "compile", "--quiet", "--generate-hashes", "--no-annotate", "--no-header", "--no-emit-index-url",
        "--python-version", LAMBDA_PYTHON, "--python-platform", "aarch64-manylinux2014", "--only-binary", ":all:", "-",
    )  # fmt: skip
    versions = dict(_bare(requirement).split("==") for requirement in _versions(pinned))
    wanted = "".join(f"{name}=={version}\n" for name, version in versions.items() if name in IN_LAYER)
    constraints = "".join(f"{name}=={version}\n" for name, version in versions.items())
    constraints_file = PROJECT / ".build" / "constraints.txt"
    constraints_file.parent.mkdir(exist_ok=True)
    constraints_file.write_text(constraints)
    compiled = _uv(*command, "--constraint", str(constraints_file), stdin=wanted)
    return f"# The layer's dependencies, pinned by hash. Made by `uv run poe pin`.\n{compiled}"


def _checkov(*options: str) -> str:
    """For whatever Python and machine checks the project."""
    command = (
        "pip", "compile", "--quiet", "--no-annotate", "--no-header", "--no-emit-index-url",
        "--universal", "--python-version", "3.11", *options, "-",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as elsewhere:  # in here, uv would hold it to our own pins
        compiled = _uv(*command, stdin="checkov\n", folder=Path(elsewhere))
    return f"# checkov and its closure, for an environment of its own. Made by `uv run poe pin`.\n{compiled}"


def _uv(*arguments: str, stdin: str | None = None, folder: Path = PROJECT) -> str:
    done = subprocess.run(  # nosec B603, B607  # words of our own, no shell, and the uv that runs this
        ["uv", *arguments], cwd=folder, input=stdin, text=True, stdout=subprocess.PIPE, check=True
    )
    return done.stdout


if __name__ == "__main__":
    main()
