"""The stacks as CloudFormation would get them, each synthesized once a session by the app itself."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.packaging.cdk_cli import cdk_environment
from tests.infra.chosen import SHIPPED, UNLIKE, Chosen
from tests.infra.plain import properties

ROOT = Path(__file__).resolve().parents[2]

App = Callable[..., subprocess.CompletedProcess[str]]
Resources = Callable[[str], dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    template: dict[str, Any]
    chosen: Chosen

    def properties(self, kind: str) -> dict[str, Any]:
        return properties(self.template, kind)


@pytest.fixture(scope="session")
def shipped_context() -> dict[str, Any]:
    context: dict[str, Any] = json.loads((ROOT / "cdk.json").read_text())["context"]
    return context


@pytest.fixture(scope="session")
def app(shipped_context: Mapping[str, Any]) -> App:
    """Runs the app as the CDK command line would, with the shipped settings and these on top."""

    def run(out: Path, **chosen: object) -> subprocess.CompletedProcess[str]:
        environment = cdk_environment() | {
            "CDK_OUTDIR": str(out),
            "CDK_CONTEXT_JSON": json.dumps({**shipped_context, **chosen}),
        }
        return subprocess.run(
            [sys.executable, "-m", "infra.app"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def assembly(app: App, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cdk.out")
    done = app(out, **SHIPPED.context)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="session")
def template(assembly: Path) -> dict[str, Any]:
    template: dict[str, Any] = json.loads((assembly / "CallArchive.template.json").read_text())
    return template


@pytest.fixture(scope="session")
def unlike_template(app: App, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("cdk.out")
    done = app(out, **UNLIKE.context)
    assert done.returncode == 0, done.stderr
    template: dict[str, Any] = json.loads((out / f"{UNLIKE.stack}.template.json").read_text())
    return template


@pytest.fixture(
    params=[(SHIPPED, "template"), (UNLIKE, "unlike_template")], ids=["as shipped", "all settings unlike"]
)
def deployed(request: pytest.FixtureRequest) -> Deployed:
    """Each of the two stacks, and what must follow from its settings."""
    chosen, fixture = request.param
    return Deployed(template=request.getfixturevalue(fixture), chosen=chosen)


@pytest.fixture(scope="session")
def resources(template: Mapping[str, Any]) -> Resources:
    """The resources of a type, by logical id."""

    def of(kind: str) -> dict[str, Any]:
        return {name: item for name, item in template["Resources"].items() if item["Type"] == kind}

    return of
