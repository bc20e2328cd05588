"""`poe pin`: takes the newest of every dependency that resolve together, and writes their versions down.

The commands run here into pyproject.toml, the functions' by hash into the layer's requirements, and checkov's,
which wants another boto3 than ours, into requirements of its own. A lock file would name the registry it was
made with; these do not.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from infra.packaging.layer import LAMBDA_PYTHON

PROJECT = Path(__file__).resolve().parents[2]
SETTINGS = PROJECT / "pyproject.toml"
LAYER = PROJECT / "infra" / "layer-requirements.txt"
CHECKOV = PROJECT / "infra" / "gates" / "checkov-requirements.txt"
IN_LAYER = ("aws-lambda-powertools", "boto3", "requests")
PINS = re.compile(r"^constraint-dependencies = \[\n[^\]]*\]$", re.MULTILINE)


def main() -> None:
    settings = SETTINGS.read_text()
    SETTINGS.write_text(PINS.sub(_pins([]), settings))
    try:
        pinned = _uv(
            "export", "--quiet", "--upgrade", "--all-groups", "--no-emit-project", "--no-hashes",
            "--no-annotate", "--no-header",
        )  # fmt: skip
    except BaseException:
        SETTINGS.write_text(settings)
        raise
    # With their markers: what an older Python cannot take is pinned twice.
    lines = [line.strip() for line in pinned.splitlines() if "==" in line]
    SETTINGS.write_text(PINS.sub(_pins(lines), settings))
    LAYER.write_text(_layer(pinned))
    CHECKOV.write_text(_checkov())
    sys.stdout.write(f"Pinned {len(lines)} packages.\n")


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
    versions = dict(line.split(" ;")[0].strip().split("==") for line in pinned.splitlines() if "==" in line)
    wanted = "".join(f"{name}=={version}\n" for name, version in versions.items() if name in IN_LAYER)
    constraints = "".join(f"{name}=={version}\n" for name, version in versions.items())
    constraints_file = PROJECT / ".build" / "constraints.txt"
    constraints_file.parent.mkdir(exist_ok=True)
    constraints_file.write_text(constraints)
    compiled = _uv(*command, "--constraint", str(constraints_file), stdin=wanted)
    return f"# The layer's dependencies, pinned by hash. Made by `uv run poe pin`.\n{compiled}"


def _checkov() -> str:
    """For whatever Python and machine checks the project."""
    command = (
        "pip", "compile", "--quiet", "--no-annotate", "--no-header", "--no-emit-index-url",
        "--universal", "--python-version", "3.11", "-",
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
