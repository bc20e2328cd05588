"""Changes the decisions and use cases in every way that mutmut knows, and expects the unit tests to notice.

It ends with 1 when fewer than 80 in a hundred changes are noticed, and when one is not that survivors.toml does
not give a reason for. A run that was stopped goes on where it was, as long as neither code nor tests changed.

mutmut wants its sources in `src` and copies all that it finds: the run has a folder of its own.
"""

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.stats import status_by_exit_code

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = ROOT / "functions" / "call_archive"
FEWEST_NOTICED = 80
MODULES = (
    *("model/after_listing", "model/after_visit", "model/backoff", "model/call", "model/file_names"),
    *("model/message", "model/object_key", "model/pending", "model/policy", "model/transcript"),
    *("model/visit_result", "model/window", "provider/parse", "storage/ledger_items"),
    *("list_window", "tick", "visit_call"),
)
TESTED_WITH = ("conftest.py", "factories.py", "models.py")
TESTS = (
    *(
        "test_after_visit.py",
        "test_backoff.py",
        "test_call.py",
        "test_ledger_items.py",
        "test_list_window.py",
    ),
    *("test_message.py", "test_object_key.py", "test_parse.py", "test_tick.py", "test_transcript.py"),
    *("test_visit_call.py", "test_window.py"),
)
MODELS = ("archive.py", "ledger.py", "parts.py", "provider.py", "queue.py", "steps.py")
NOTICED = {"killed", "timeout", "segfault"}
"""A change that makes a test run for ever, or take all memory, is noticed."""

CONFIG = """
[tool.pytest.ini_options]
testpaths = ["tests"]
addopts = ["--assert=plain", "-p", "no:cacheprovider"]
filterwarnings = ["error"]

[tool.mutmut]
source_paths = ["src"]
only_mutate = {files}
also_copy = ["infra"]
pytest_add_cli_args_test_selection = ["tests/unit"]
pytest_add_cli_args = ["-p", "tests.mutation.quick"]
timeout_multiplier = 5.0
track_dependencies = false
use_git_change_detection = false
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One that no test noticed: the lines it takes from a function, and those it puts there."""

    function: str
    lines: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    module: str
    status: str
    change: Change | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What is changed, and what must notice. It has a folder of its own, and leaves the whole run's as it is."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]

    @property
    def workspace(self) -> Path:
        whole = (self.modules, self.tests) == (MODULES, TESTS)
        return ROOT / ".build" / ("mutation" if whole else "mutation-part")

    @property
    def config(self) -> str:
        return CONFIG.replace("{files}", str([f"src/call_archive/{module}.py" for module in self.modules]))

    def accepted(self) -> dict[Change, str]:
        """The changes of these modules that no test needs to notice, with the reason."""
        names = tuple(f"{module.replace('/', '.')}." for module in self.modules)
        return {change: why for change, why in accepted().items() if change.function.startswith(names)}


def prepare(part: Part) -> None:
    """Fills the folder, and empties it first unless it holds a run of this very code and these tests."""
    sources = {
        **{
            Path("src/call_archive", package): sorted((FUNCTIONS / package).glob("*.py"))
            for package in ("", "model", "provider", "storage")
        },
        Path("tests/unit"): [ROOT / "tests" / "unit" / name for name in (*TESTED_WITH, *part.tests)],
        Path("tests/proofs/models"): [ROOT / "tests" / "proofs" / "models" / name for name in MODELS],
        Path("tests/proofs"): [ROOT / "tests" / "proofs" / "clock.py"],
        Path("tests"): [ROOT / "tests" / name for name in ("raw_server.py", "synthesis.py")],
        Path("tests/mutation"): [Path(__file__).with_name("quick.py")],
    }
    workspace = part.workspace
    digest = hashlib.sha256(part.config.encode())
    for path in (path for paths in sources.values() for path in paths):
        digest.update(path.read_bytes())
    stamp = workspace / "of.sha256"
    if stamp.exists() and stamp.read_text() == digest.hexdigest():
        return
    shutil.rmtree(workspace, ignore_errors=True)
    for folder, paths in sources.items():
        (workspace / folder).mkdir(parents=True, exist_ok=True)
        for path in paths:
            shutil.copy2(path, workspace / folder)
    shutil.copytree(ROOT / "infra", workspace / "infra", ignore=shutil.ignore_patterns("__pycache__"))
    (workspace / "pyproject.toml").write_text(part.config)
    stamp.write_text(digest.hexdigest())


def results(part: Part) -> Iterator[Result]:
    """Of every change, from the files that mutmut keeps."""
    with contextlib.chdir(part.workspace):
        for module in part.modules:
            path = Path("src/call_archive") / f"{module}.py"
            data = SourceFileMutationData(path=path)
            data.load()
            for name, code in data.exit_code_by_key.items():
                status = status_by_exit_code[code]
                change = None if status in NOTICED else _change(name, get_diff_for_mutant(name, path=path))
                yield Result(module=module, status=status, change=change)


def _change(name: str, diff: str) -> Change:
    function = name.removeprefix("call_archive.").rpartition("__mutmut_")[0].replace("x_", "", 1)
    lines = [f"{line[0]} {line[1:].strip()}" for line in diff.splitlines()[2:] if line[0] in "+-"]
    return Change(function=function.replace("xǁ", "").replace("ǁ", "."), lines="\n".join(lines))


def accepted() -> dict[Change, str]:
    """The changes that no test needs to notice, with the reason."""
    table = tomllib.loads(Path(__file__).with_name("survivors.toml").read_text(encoding="utf-8"))
    return {
        Change(function=each["function"], lines=each["change"].strip()): each["why"]
        for each in table["survivor"]
    }


def report(found: list[Result], reasons: dict[Change, str]) -> bool:
    """Prints it; whether it is as it must be."""
    totals = Counter(result.module for result in found)
    noticed = Counter(result.module for result in found if result.change is None)
    for module in totals:
        click.echo(f"{module:22} {noticed[module]:5} of {totals[module]:5} noticed")
    unnoticed = {result.change for result in found if result.change is not None}
    for title, changes in (
        ("Noticed by no test, and survivors.toml gives no reason:", unnoticed - reasons.keys()),
        ("In survivors.toml, but noticed or gone:", reasons.keys() - unnoticed),
    ):
        if changes:
            click.echo(f"\n{title}")
        for change in sorted(changes, key=lambda change: change.function):
            click.echo(f"\n[[survivor]]\nfunction = \"{change.function}\"\nchange = '''\n{change.lines}\n'''")
    percent = 100 * noticed.total() / max(1, totals.total())
    click.echo(f"\n{noticed.total()} of {totals.total()} changes noticed ({percent:.1f} %)")
    return percent >= FEWEST_NOTICED and unnoticed == reasons.keys()


@click.command()
@click.option("--children", default=1, show_default=True, help="How many changes are tried at once.")
@click.argument("modules", nargs=-1, type=click.Choice(MODULES), metavar="[MODULE]...")
@click.option(
    "--test",
    "tests",
    multiple=True,
    type=click.Choice(TESTS),
    metavar="FILE",
    help="A test file that may notice; all if not given.",
)
def main(children: int, modules: tuple[str, ...], tests: tuple[str, ...]) -> None:
    """Tries every change, or those of each MODULE (such as model/window), and prints which ones no test notices."""
    part = Part(modules=modules or MODULES, tests=tests or TESTS)
    prepare(part)
    mutmut = Path(sys.executable).with_name("mutmut")
    environment = os.environ | {"PYTHONHASHSEED": "0", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    subprocess.run(
        [mutmut, "run", "--max-children", str(children)], cwd=part.workspace, env=environment, check=True
    )
    sys.exit(0 if report(list(results(part)), part.accepted()) else 1)


if __name__ == "__main__":
    main()
