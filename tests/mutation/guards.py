"""Takes each guard of guards.toml away from a copy of the code, and expects its test to fail.

It ends with 1 when a test passes without its guard, and when the table no longer fits the code.
"""

import compileall
import gc
import importlib
import os
import shutil
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import entry_points
from importlib.util import cache_from_source
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import pytest

from tests.synthesis import synthesized

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = ROOT / "functions"
BESIDE = "beside"
PRELOADED = (
    *("aws_lambda_powertools.metrics", "aws_lambda_powertools.utilities.parameters", "boto3", "hypothesis"),
    *("infra.local.embedded_aws.certificate", "infra.simulator", "moto.dynamodb.models", "moto.s3.models"),
    *("moto.secretsmanager.models", "moto.sqs.models", "requests"),
)
"""Imported once, and not by each fork anew. None of them imports the functions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    name: str
    file: str
    """Below functions/call_archive or, if it begins with infra/, below the project."""
    old: str
    new: str
    test: str

    @property
    def path(self) -> Path:
        """Of its file in a copy of the code."""
        return Path(BESIDE, self.file) if self.of_infra else Path("call_archive", self.file)

    @property
    def of_infra(self) -> bool:
        return self.file.startswith("infra/")

    @property
    def node(self) -> str:
        """pytest's name of the test that must fail."""
        file, test = self.test.split("::")
        return str(ROOT / "tests" / "unit" / f"test_{file}.py") + f"::test_{test}"


class StaleError(Exception):
    """The table no longer fits the code."""


def read_guards() -> list[Guard]:
    table = tomllib.loads(Path(__file__).with_name("guards.toml").read_text(encoding="utf-8"))
    return [Guard(**entry) for entry in table["guard"]]


def without(guard: Guard, text: str) -> str:
    """The file's text without the guard; StaleError unless it is there exactly once."""
    if (found := text.count(guard.old)) != 1:
        raise StaleError(f"{guard.file} holds it {found} times: {guard.old.strip()}")
    return text.replace(guard.old, guard.new)


@contextmanager
def removed(guard: Guard, functions: Path) -> Iterator[None]:
    """The guard away from the copy, for so long."""
    path = functions / guard.path
    text = path.read_text(encoding="utf-8")
    path.write_text(without(guard, text), encoding="utf-8")
    # One that was changed in the second in which it was compiled, to the same size, would not be read again.
    Path(cache_from_source(str(path))).unlink(missing_ok=True)
    try:
        yield
    finally:
        path.write_text(text, encoding="utf-8")


def outcome_of(nodes: Sequence[str], functions: Path, *, with_infra: bool = False) -> int | None:
    """How pytest ends in a fork, which imports the functions from there and has everything else already."""
    process = get_context("fork").Process(
        target=_run, args=(functions, nodes), kwargs={"with_infra": with_infra}
    )
    process.start()
    process.join()
    return process.exitcode


def _run(functions: Path, nodes: Sequence[str], *, with_infra: bool) -> None:
    quiet = os.open(functions / "pytest.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    sys.dont_write_bytecode = True
    sys.path[:0] = [str(functions), *([str(functions / BESIDE)] if with_infra else [])]
    anew = {"call_archive", "tests", *(["infra"] if with_infra else [])}
    for name in [name for name in sys.modules if name.split(".")[0] in anew]:
        del sys.modules[name]
    options = [
        "-x",
        "-q",
        "--no-header",
        "--assert=plain",
        "--timeout=120",
        "-p",
        "no:randomly",
        "-p",
        "no:cacheprovider",
    ]
    sys.exit(pytest.main([f"--rootdir={ROOT}", *options, "-p", "tests.mutation.quick", *nodes]))


def failing(guard: Guard, functions: Path) -> str | None:
    """What is wrong with the guard; None when its test fails without it, as it must."""
    try:
        with removed(guard, functions):
            outcome = outcome_of([guard.node], functions, with_infra=guard.of_infra)
    except StaleError as error:
        return str(error)
    if outcome == pytest.ExitCode.OK:
        return f"without it {guard.test} passes"
    if outcome != pytest.ExitCode.TESTS_FAILED:
        return f"without it {guard.test} does not run (exit code {outcome})"
    return None


def copy_code(folder: Path) -> None:
    """`call_archive`, and in a folder beside it `infra`, with what was built once."""
    for source, target in ((FUNCTIONS, folder), (ROOT / "infra", folder / BESIDE / "infra")):
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    (ROOT / ".build").mkdir(exist_ok=True)
    (folder / BESIDE / ".build").symlink_to(ROOT / ".build")


def _prepare(functions: Path) -> None:
    """What each fork would load and compile for itself."""
    for name in PRELOADED:
        importlib.import_module(name)
    for plugin in entry_points(group="pytest11"):
        plugin.load()
    copy_code(functions)
    synthesized()  # kept for all: no test's time limit is to hold it
    for folder in (functions, ROOT / "tests"):
        compileall.compile_dir(folder, quiet=1)
    gc.freeze()


@click.command()
@click.argument("words", nargs=-1)
def main(words: tuple[str, ...]) -> None:
    """Takes each guard away, one by one, and sees its test fail; with WORDS, those whose name or file holds one."""
    guards = [
        guard
        for guard in read_guards()
        if not words or any(word in f"{guard.file} {guard.name}" for word in words)
    ]
    if not guards:
        raise click.UsageError("no guard's name or file holds such a word: see tests/mutation/guards.toml")
    wrong, began = 0, time.monotonic()
    with TemporaryDirectory() as folder:
        functions = Path(folder, "functions")
        _prepare(functions)
        if outcome_of(sorted({guard.node for guard in guards}), functions) != pytest.ExitCode.OK:
            click.echo((functions / "pytest.log").read_text())
            click.echo("The tests fail with every guard in place.")
            sys.exit(1)
        for guard in guards:
            trouble = failing(guard, functions)
            wrong += trouble is not None
            click.echo(f"{'proven' if trouble is None else 'WRONG '}  {guard.file:14} {guard.name}")
            if trouble is not None:
                click.echo(f"        {trouble}")
    click.echo(f"{len(guards) - wrong} of {len(guards)} guards proven in {time.monotonic() - began:.0f} s")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
