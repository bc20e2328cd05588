"""The stack as the app synthesizes it: once for all processes and runs, as long as nothing it is made of changes."""

import fcntl
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from infra.packaging.cache import BUILD_DIRECTORY, completed
from infra.packaging.cdk_cli import cdk_environment

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = "CallArchive.template.json"


@cache
def synthesized(**settings: object) -> dict[str, Any]:
    """The template with the settings that are shipped, and these on top."""
    context = json.dumps(json.loads((ROOT / "cdk.json").read_text())["context"] | settings)
    out = BUILD_DIRECTORY / "synthesized" / _digest(context)
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not out.exists():
            _synthesize(out, context)
    template: dict[str, Any] = json.loads((out / TEMPLATE).read_text())
    return template


def properties_of(template: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Those of all resources of a kind."""
    return [each["Properties"] for each in template["Resources"].values() if each["Type"] == kind]


def table_of(template: dict[str, Any]) -> dict[str, Any]:
    """The ledger's schema, as `CreateTable` takes it."""
    (table,) = properties_of(template, "AWS::DynamoDB::GlobalTable")
    taken = ("KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes", "BillingMode")
    return {name: table[name] for name in taken}


def _synthesize(out: Path, context: str) -> None:
    with completed(out) as unfinished:
        environment = cdk_environment() | {"CDK_OUTDIR": str(unfinished), "CDK_CONTEXT_JSON": context}
        app = [sys.executable, "-m", "infra.app"]
        subprocess.run(app, cwd=ROOT, env=environment, capture_output=True, check=True)


def _digest(context: str) -> str:
    digest = hashlib.sha256(context.encode())
    for path in _sources():
        digest.update(f"{path.relative_to(ROOT)}".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:32]


def _sources() -> Iterator[Path]:
    yield ROOT / "pyproject.toml"  # the versions of all that synthesizes
    for folder in ("functions", "infra"):
        files = (path for path in (ROOT / folder).rglob("*") if path.is_file())
        yield from sorted(path for path in files if "__pycache__" not in path.parts)
