"""The documents say what the code does: settings, commands, files, metrics, events and sums."""

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from call_archive.telemetry import METRICS_BY_EVENT
from infra.cli.main import VERBS
from infra.config import Config
from infra.local.demo.comparison import Comparison
from infra.local.demo.demonstration import Result
from infra.local.demo.summary import print_summary

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
GUARANTEES = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
SETTINGS = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
COST = (ROOT / "docs" / "cost.md").read_text(encoding="utf-8")
DEPENDENCIES = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")), ROOT / "tests" / "README.md"]
ALL_TEXT = "".join(document.read_text(encoding="utf-8") for document in DOCUMENTS)
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def section(text: str, title: str) -> str:
    """What stands below a heading, to the next one of its level."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def rows(text: str) -> list[list[str]]:
    """The cells of each row of the tables in a text, without heads."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    rules = [number for number, row in enumerate(cells) if set("".join(row)) <= set("-:")]
    return [row for number, row in enumerate(cells) if number not in rules and number + 1 not in rules]


def named(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def commands(program: str) -> Iterator[list[str]]:
    """The words of each command of a program that a document writes, in blocks and in code spans."""
    blocks = re.findall(r"```sh\n(.*?)```", ALL_TEXT, re.DOTALL)
    code = "\n".join(
        [*blocks, *re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", ALL_TEXT, flags=re.DOTALL))]
    )
    for found in re.finditer(rf"(?:^|\s){program} ([^\n#]*(?:\\\n[^\n#]*)*)", code):
        yield found[1].replace("\\\n", " ").split()


def settings() -> dict[str, object]:
    return {name.strip("`"): json.loads(value.strip("`")) for name, value, _ in rows(SETTINGS)}


def test_the_settings_page_names_every_setting() -> None:
    assert list(settings()) == [field.name for field in fields(Config)]


def test_the_settings_page_gives_each_default() -> None:
    written = settings()

    assert Config.from_context(written) == Config.from_context({"archive_from": written["archive_from"]})


def test_the_settings_page_gives_the_start_that_is_shipped() -> None:
    shipped = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]

    assert settings()["archive_from"] == shipped["archive_from"]


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"`((?:tests|infra|functions)/[\w./]+\.\w+)`", ALL_TEXT)))
)
def test_a_file_that_a_document_names_exists(path: str) -> None:
    assert (ROOT / path).is_file()


def promises() -> dict[str, str]:
    """What stands below each promise of the guarantees."""
    parts = re.split(r"^### (.+)$", GUARANTEES, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("promise", promises())
def test_a_promise_reports_what_it_rests_on_what_proves_it_and_what_it_does_not_cover(promise: str) -> None:
    titles = re.findall(r"^- \*\*(.+):\*\*", promises()[promise], re.MULTILINE)
    assert titles == ["Rests on", "Proven by", "Does not cover"]


@pytest.mark.parametrize("promise", promises())
def test_a_promise_is_proven_by_tests_that_exist(promise: str) -> None:
    tests = re.findall(r"`(tests/[^`]+)::(\w+)`", promises()[promise])
    assert tests
    assert [(path, test) for path, test in tests if test not in functions_of(ROOT / path)] == []


@cache
def functions_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_promise_is_given_in_short() -> None:
    assert [promise for promise, _ in rows(section(GUARANTEES, "In short"))] == list(promises())


def test_every_invariant_is_promised() -> None:
    assert {f"I{number}" for number in range(1, 14)} <= set(re.findall(r"\bI\d+\b", GUARANTEES))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_link_between_documents_leads_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for target, _, anchor in (link.partition("#") for link in re.findall(r"\]\((?!https?:)([^)]+)\)", text)):
        linked = document.parent / target if target else document
        assert linked.is_file(), target
        assert not anchor or anchor in anchors(linked), anchor


def anchors(document: Path) -> list[str]:
    """The anchors that GitHub gives a document's headings."""
    titles = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]


def test_the_readme_shows_every_verb() -> None:
    assert set(VERBS) <= {word for words in commands("call-archive") for word in words[:1]}


def test_the_readme_reports_what_every_verb_does() -> None:
    told = " ".join(cells[0] for cells in rows(section(README, "Operate")))

    assert all(f"call-archive {verb}" in told for verb in VERBS)


def test_every_task_is_in_the_contributors_guide_and_no_other() -> None:
    listed = {
        named(cells[0])[0].removeprefix("uv run poe ").split()[0]
        for cells in rows(section(CONTRIBUTING, "Tasks"))
    }
    assert listed == set(PYPROJECT["tool"]["poe"]["tasks"])
    assert {words[0] for words in commands("poe")} <= listed


def test_what_is_run_before_a_commit_is_what_check_runs() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    tasks = PYPROJECT["tool"]["poe"]["tasks"]
    first, second, together = tasks["check"]["sequence"]
    checked = [
        each.get("cmd") or tasks[each["ref"]]["cmd"] for each in (first, second, *together["parallel"])
    ]
    assert re.findall(r"entry: uv run ([^,]+),", hooks) == checked


def test_each_dependency_has_its_reason() -> None:
    listed = [*PYPROJECT["project"]["dependencies"], *PYPROJECT["dependency-groups"]["dev"]]
    told = {name for packages, _ in rows(DEPENDENCIES) for name in named(packages)}

    assert told == {re.split(r"[\[<>=!~ ]", package)[0] for package in listed}


def test_the_cost_is_what_its_parts_add_up_to() -> None:
    *parts, (_, _, _, together) = rows(COST)

    for what, units, price, dollars in parts:
        assert round(float(units) * float(price), 2) == pytest.approx(float(dollars)), what
    assert sum(float(part[3]) for part in parts) == pytest.approx(float(together))


def test_the_readmes_output_has_the_lines_of_the_real_one(capsys: pytest.CaptureFixture[str]) -> None:
    nothing = Comparison(
        recordings=0, transcripts=0, size=0, deleted_at_source=0, missing=(), altered=(), extra=()
    )
    print_summary(Result(comparison=nothing, calls=0, events=0, deploy_seconds=0, archive_seconds=0))
    printed = capsys.readouterr().out

    assert labels(README) == labels(printed)
    assert printed.splitlines()[-1] in README


def labels(text: str) -> list[str]:
    return re.findall(r"^│ (\S[^│]*?) +│", text, re.MULTILINE)


def test_the_operators_guide_reports_of_every_event() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "functions").rglob("*.py"))
    told = {name.strip("`") for name, *_ in rows(section(OPERATIONS, "Log events"))}

    assert told == set(re.findall(r'\bemit\(\s*"(\w+)"', source))


def test_the_operators_guide_reports_of_every_metric() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "functions").rglob("*.py"))
    told = {name.strip("`") for name, *_ in rows(section(OPERATIONS, "Metrics"))}

    assert told == {*METRICS_BY_EVENT.values(), *re.findall(r'\bgauge\(\s*"(\w+)"', source)}


def test_the_operators_guide_reports_of_every_alarm() -> None:
    source = (ROOT / "infra" / "constructs" / "monitoring.py").read_text(encoding="utf-8")
    stack = (ROOT / "infra" / "stack.py").read_text(encoding="utf-8")
    told = {name for cells in rows(section(OPERATIONS, "Alarms, and what to do")) for name in named(cells[0])}
    functions = re.findall(r'watch\.function\("(\w+)"', stack)

    assert told == {
        *re.findall(r'_alarm\(\s*"(\w+)"', source),
        *(f"{function}{kind}" for function in functions for kind in ("Errors", "Throttles", "Messages")),
        *re.findall(r'watch\.dead_letters\("(\w+)"', stack),
        *("Consumer-NAME-Dlq", "Consumer-NAME-Waiting"),
    }
