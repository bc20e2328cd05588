"""Who may import whom: entries know use cases and adapters, use cases know decisions, decisions know nothing."""

import ast
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
PACKAGE = PROJECT / "functions" / "call_archive"
DECISIONS = {
    *("calls", "errors", "keys", "messages", "outcomes", "revisits", "rows", "transcripts", "visits"),
    "windows",
}
USE_CASES = {"listing", "ticking", "visiting"}
ADAPTERS = {"archive", "downloads", "hurried", "items", "ledger", "links", "queues", "telesign"}
ENTRIES = {"fetcher", "lister", "settings", "telemetry", "wiring"}


def imports(path: Path) -> set[str]:
    """The modules that importing this one imports; those for the type checker alone do not count."""
    return {name for node in _run(ast.parse(path.read_text()).body) for name in _names(node)}


def _run(body: list[ast.stmt]) -> list[ast.stmt]:
    return [
        node for node in body if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test))
    ]


def _names(node: ast.stmt) -> list[str]:
    found = []
    for inner in ast.walk(node):
        if isinstance(inner, ast.Import):
            found += [alias.name for alias in inner.names]
        elif isinstance(inner, ast.ImportFrom):
            module = inner.module or ""
            found += [
                f"{module}.{alias.name}" if module == "call_archive" else module for alias in inner.names
            ]
    return found


def ours(path: Path) -> set[str]:
    return {name.split(".")[1] for name in imports(path) if name.startswith("call_archive.")}


def test_every_module_has_its_place() -> None:
    found = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    assert found == DECISIONS | USE_CASES | ADAPTERS | ENTRIES


@pytest.mark.parametrize("name", sorted(DECISIONS))
def test_a_decision_imports_decisions_alone_and_does_no_io(name: str) -> None:
    path = PACKAGE / f"{name}.py"
    assert ours(path) <= DECISIONS
    assert not imports(path) & {"boto3", "botocore", "requests", "socket", "http.client", "os", "time"}


@pytest.mark.parametrize("name", sorted(USE_CASES))
def test_a_use_case_imports_decisions_and_sees_adapters_as_protocols(name: str) -> None:
    assert ours(PACKAGE / f"{name}.py") <= DECISIONS | USE_CASES


@pytest.mark.parametrize("name", sorted(ADAPTERS))
def test_an_adapter_imports_no_use_case_and_no_entry(name: str) -> None:
    assert ours(PACKAGE / f"{name}.py") <= DECISIONS | ADAPTERS


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*.py")), ids=lambda path: path.name)
def test_what_runs_in_lambda_never_imports_what_deploys_it(path: Path) -> None:
    assert not {name for name in imports(path) if name.split(".")[0] in {"infra", "aws_cdk", "click", "rich"}}


@pytest.mark.parametrize("path", sorted((PROJECT / "infra").glob("*.py")), ids=lambda path: path.name)
def test_constructs_name_the_functions_and_do_not_import_them(path: Path) -> None:
    assert not {name for name in imports(path) if name.split(".")[0] == "call_archive"}
