"""Bills of materials (CycloneDX): of what runs in Lambda, and of this environment."""

import json
import os
import sys
from pathlib import Path
from typing import Final

from infra.gates.tools import PROJECT, installed, output_of
from infra.packaging.layer import LAYER_REQUIREMENTS

OF_THE_FUNCTIONS: Final = ("requirements", str(LAYER_REQUIREMENTS))
OF_THE_PROJECT: Final = ("environment", sys.executable)


def write_sboms() -> list[str]:
    build = PROJECT / "build"
    build.mkdir(exist_ok=True)
    return [
        write_sbom(build / "sbom-functions.json", OF_THE_FUNCTIONS),
        write_sbom(build / "sbom-project.json", OF_THE_PROJECT),
    ]


def write_sbom(file: Path, source: tuple[str, str]) -> str:
    """The same bytes for the same packages: no time, no serial number."""
    # Held against its schema, the project's takes a quarter of a minute more.
    options = ("--no-validate", "--output-reproducible", "--pyproject", str(PROJECT / "pyproject.toml"))
    # A list of requirements does not say which one needs which: a warning, every time.
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    kind, of = source
    output_of(installed("cyclonedx-py"), kind, *options, "--output-file", str(file), of, env=environment)
    components = json.loads(file.read_text(encoding="utf-8"))["components"]
    return f"sbom: {file.parent.name}/{file.name}: {len(components)} packages"
