"""Every command that a document writes is one: a task that CI runs, a verb whose words parse, or AWS's own."""

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import botocore.session
import click
import pytest
from botocore import xform_name

from infra.cli.main import cli
from infra.config import Config

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md")), ROOT / "tests" / "README.md"]
POE: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["poe"]
TASKS: dict[str, Any] = POE["tasks"]
CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")

SAMPLES = {
    "START": "2026-01-01",
    "END": "2026-01-31",
    "REFERENCE_ID": "9F3CCA2147CA0D7600BA9712C60900B6",
    "YOUR_CUSTOMER_ID": "5A1F0C3E",
}
"""What a reader writes in place of a word in capitals."""
NOT_OURS = {
    "cat": "the shell's",
    "export": "the shell's",
    "pip": "installs uv: .ci/run begins with it",
    "read": "the shell's",
    "rm": "the shell's",
    "umask": "the shell's",
}
DEPLOYS = {"bootstrap", "deploy"}
"""What `call-archive local` runs of the CDK, and so the tests in `tests/e2e`."""
PROGRAMS = {"aws", "call-archive", "cdk", "poe", "pytest", "uv"}
"""Whose name in a span of code begins a command."""


@dataclass(frozen=True, slots=True)
class Command:
    words: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join(self.words)


def written_in(text: str) -> Iterator[Command]:
    """The commands of its blocks of shell, and those spans of code that begin with a program's name."""
    for block in re.findall(r"^ *```sh\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            yield from commands_of(line)
    for span in re.findall(
        r"`([^`\n]+)`", re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)
    ):
        if span.split()[0] in PROGRAMS and " " in span:
            yield from commands_of(span)


def commands_of(line: str) -> Iterator[Command]:
    """The simple commands of a line of shell, without comments, redirections and `uv run`."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="();<>|&")
    lexer.whitespace_split = True
    words: list[str] = []
    tokens = iter([*lexer, ";"])
    for token in tokens:
        if set(token) <= set("<>"):
            next(tokens)
        elif set(token) <= set("();|&"):
            if words:
                yield Command(tuple(words[2:] if words[:2] == ["uv", "run"] else words))
            words = []
        else:
            words.append(token)


ALL = sorted(
    {each for document in DOCUMENTS for each in written_in(document.read_text(encoding="utf-8"))}, key=str
)


def of(program: str) -> pytest.MarkDecorator:
    """A parameter for each command of a program, without its name."""
    found = [each.words[1:] for each in ALL if each.words[0] == program]
    return pytest.mark.parametrize("words", found, ids=" ".join)


def parts(task: dict[str, Any]) -> Iterator[str]:
    """What a task runs of others, as their names and options."""
    for part in [*task.get("sequence", []), *task.get("parallel", [])]:
        if "ref" in part:
            yield part["ref"]
        yield from parts(part)


def run_by_ci() -> set[str]:
    """The tasks that .ci/run reaches, directly or as parts."""
    reached: set[str] = set()
    left = re.findall(r"^uv run poe (\w+)", CI, re.MULTILINE)
    while left:
        name = left.pop()
        reached.add(name)
        left.extend(part.split()[0] for part in parts(TASKS[name]) if part.split()[0] not in reached)
    return reached


def commands_in(task: dict[str, Any]) -> Iterator[str]:
    """What a task runs that is no other task."""
    for part in [*task.get("sequence", []), *task.get("parallel", [])]:
        if "cmd" in part:
            yield " ".join(part["cmd"].split())
        yield from commands_in(part)


def test_the_documents_are_read() -> None:
    assert {str(each) for each in ALL} >= {
        "call-archive status --aws",  # in a block
        "cdk deploy -c stack=CallArchiveSales -c archive_from=2026-03-01",
        "poe simulate --planted",  # in a span
        "call-archive verify --aws --resume audit.verify --json",  # before a redirection
        "aws secretsmanager put-secret-value --secret-id SECRET_ID --secret-string file://telesign.json",
    }


def test_every_program_is_known() -> None:
    assert {each.words[0] for each in ALL} <= {*PROGRAMS, *NOT_OURS} - {"uv"}


def test_what_is_let_pass_is_written_somewhere() -> None:
    assert set(NOT_OURS) <= {each.words[0] for each in ALL}


@pytest.mark.parametrize("name", TASKS)
def test_every_task_is_run_by_ci(name: str) -> None:
    assert name in run_by_ci()


@pytest.mark.parametrize("name", TASKS)
def test_every_task_has_a_help_text(name: str) -> None:
    assert TASKS[name].get("help")


@of("poe")
def test_a_task_takes_the_words_that_are_written(words: tuple[str, ...]) -> None:
    name, *given = words
    assert name in TASKS
    if not given:
        return
    verbs = [word for word in given if not word.startswith("-")][:1] if name == "volume" else []
    listed = help_of(TASKS[name]["cmd"], *verbs)
    assert [word for word in given if word.startswith("-") and not re.search(rf"{word}\b", listed)] == []


@cache
def help_of(command: str, *verbs: str) -> str:
    """Of a task that is a module; fails for a verb that there is not."""
    python, *module = command.split()
    assert python == "python"
    asked = [sys.executable, *module, *verbs, "--help"]
    return subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120).stdout


MODULES = [name for name, task in TASKS.items() if task.get("cmd", "").startswith("python ")]


@pytest.mark.parametrize("name", MODULES)
def test_a_task_that_is_asked_for_help_gives_it(name: str) -> None:
    assert "--help" in help_of(TASKS[name]["cmd"])


@of("call-archive")
def test_a_verb_takes_the_words_that_are_written(words: tuple[str, ...]) -> None:
    parse(cli, [SAMPLES.get(word, word) for word in words])


def parse(command: click.Command, words: list[str]) -> None:
    """As click does it, short of doing anything; raises click.UsageError."""
    context = command.make_context(command.name, words)
    if isinstance(command, click.Group) and (left := [*context._protected_args, *context.args]):
        _name, verb, others = command.resolve_command(context, left)
        assert verb is not None
        parse(verb, others)


@pytest.mark.parametrize(
    "words",
    [["stutus"], ["status", "--avs"], ["backfill", "2026-01-01"], ["find", "--start", "yesterday"]],
    ids=" ".join,
)
def test_words_that_no_verb_takes_are_found(words: list[str]) -> None:
    with pytest.raises(click.UsageError):
        parse(cli, words)


@of("cdk")
def test_a_cdk_command_is_run_by_ci(words: tuple[str, ...]) -> None:
    assert words[0] in DEPLOYS or f"cdk {words[0]} --help" in commands_in(TASKS["short"])


@of("cdk")
def test_a_cdk_command_sets_what_can_be_set(words: tuple[str, ...]) -> None:
    given = dict(setting.split("=", 1) for option, setting in pairwise(words) if option == "-c")
    given.pop("name", None)  # in place of any
    assert set(given) <= {field.name for field in fields(Config)}
    Config.from_context({"archive_from": "2026-01-01", **given})


@of("pytest")
def test_what_pytest_is_given_is_given_by_a_task(words: tuple[str, ...]) -> None:
    run = [cmd for task in TASKS.values() for cmd in (task.get("cmd", ""), *commands_in(task))]
    assert any({"pytest", *words} <= set(cmd.split()) for cmd in run)


@of("aws")
def test_an_aws_command_is_one(words: tuple[str, ...]) -> None:
    service, operation, *given = words
    model = botocore.session.get_session().get_service_model(service)
    names = {xform_name(name, "-"): name for name in model.operation_names}
    shape = model.operation_model(names[operation]).input_shape
    taken = {f"--{xform_name(name, '-')}" for name in (shape.members if shape else ())}
    assert {word for word in given if word.startswith("--")} <= taken
