"""Who may import whom. Each table reads from the bottom up: a part may import those above its line, never below."""

import ast
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
IO_LIBRARIES = {"boto3", "botocore", "requests", "socket", "http", "os", "time"}

FUNCTIONS = {
    "errors": set[str](),
    "model": {"errors"},
    "provider": {"errors", "model"},
    "storage": {"errors", "model"},
    "list_window": {"errors", "model"},
    "visit_call": {"errors", "model"},
    "tick": {"errors", "model", "list_window"},
    "settings": {"errors", "model", "provider"},
    "telemetry": {"errors"},
    "wiring": {"errors", "provider", "settings", "storage"},
    "lister": {"errors", "list_window", "model", "telemetry", "tick", "wiring"},
    "fetcher": {"errors", "model", "provider", "storage", "telemetry", "visit_call", "wiring"},
}
"""What each part of what runs in Lambda may import. Use cases see adapters as Protocols, and so import none."""

INFRA = {
    "errors": set[str](),
    "connection": {"errors"},
    "deployment": {"connection", "errors"},
    "context": set[str](),
    "config": {"context"},
    "acknowledgements": set[str](),
    "packaging": set[str](),
    "constructs": {"acknowledgements", "config", "packaging"},
    "stack": {"config", "constructs", "packaging"},
    "app": {"config", "packaging", "stack"},
    "gates": {"acknowledgements", "config", "packaging", "stack"},
    "simulator": set[str](),
    "verification": {"errors"},
    "local": {"connection", "deployment", "errors", "packaging", "simulator"},
    "cli": {"connection", "deployment", "errors", "local", "verification"},
}
"""What each part of what deploys and operates it may import of the others."""

USES_THE_FUNCTIONS = {"cli", "deployment", "local", "verification"}
"""Parts of infra that may import the functions' code: they read the ledger as the functions do."""

MODULES = [
    (package, part, path)
    for package, parts in (("functions/call_archive", FUNCTIONS), ("infra", INFRA))
    for path in sorted((PROJECT / package).rglob("*.py"))
    if (part := path.relative_to(PROJECT / package).parts[0].removesuffix(".py")) in parts
]


def imports(path: Path) -> set[tuple[str, ...]]:
    """The dotted names that importing this module imports; those for the type checker alone do not count."""
    return {
        tuple(name.split(".")) for node in _run(ast.parse(path.read_text()).body) for name in _names(node)
    }


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
            whole_package = module in {"call_archive", "infra"}
            found += [f"{module}.{alias.name}" if whole_package else module for alias in inner.names]
    return found


@pytest.mark.parametrize(("package", "parts"), [("functions/call_archive", FUNCTIONS), ("infra", INFRA)])
def test_every_part_has_its_line_in_the_table(package: str, parts: dict[str, set[str]]) -> None:
    found = {path.name.removesuffix(".py") for path in (PROJECT / package).iterdir()}
    code = {name for name in found if not name.startswith("__") and "." not in name}
    assert code == set(parts)


@pytest.mark.parametrize("parts", [FUNCTIONS, INFRA], ids=["functions", "infra"])
def test_no_arrow_runs_back_up(parts: dict[str, set[str]]) -> None:
    """Some order of the parts puts each one after all that it imports: there is no circle."""
    placed: set[str] = set()
    while ready := {part for part, needs in parts.items() if part not in placed and needs <= placed}:
        placed |= ready
    assert placed == set(parts)


@pytest.mark.parametrize(("package", "part", "path"), MODULES, ids=lambda each: getattr(each, "name", None))
def test_a_module_imports_only_what_its_line_allows(package: str, part: str, path: Path) -> None:
    root, parts = Path(package).name, FUNCTIONS if "functions" in package else INFRA
    used = {name[1] for name in imports(path) if name[0] == root and len(name) > 1}
    assert used <= parts[part] | {part}


@pytest.mark.parametrize(
    "path", sorted((PROJECT / "functions/call_archive/model").glob("*.py")), ids=lambda p: p.name
)
def test_a_decision_does_no_io(path: Path) -> None:
    assert not {name[0] for name in imports(path)} & IO_LIBRARIES


@pytest.mark.parametrize(("package", "part", "path"), MODULES, ids=lambda each: getattr(each, "name", None))
def test_lambda_and_deployment_code_stay_apart(package: str, part: str, path: Path) -> None:
    used = {name[0] for name in imports(path)}
    if package != "infra":
        assert not used & {"infra", "aws_cdk", "click", "rich"}
    elif part not in USES_THE_FUNCTIONS:
        assert "call_archive" not in used
