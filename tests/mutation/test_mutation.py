"""Both runs can fail: a change that no test notices, and a guard that no test needs, are found."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.mutation.__main__ import FEWEST_NOTICED, Change, Result, accepted, report
from tests.mutation.guards import ROOT, Guard, StaleError, copy_code, failing, read_guards, without

NEEDED = Guard(
    name="one second has no halves",
    file="model/window.py",
    old="if self.start >= self.end:",
    new="if False:",
    test="window::one_second_has_no_halves",
)
UNNOTICED = Change(function="model.window.cut", lines="- 1\n+ 2")


@pytest.fixture
def functions(tmp_path: Path) -> Path:
    copy_code(tmp_path)
    return tmp_path


def test_a_guard_whose_test_fails_without_it_is_proven(functions: Path) -> None:
    assert failing(NEEDED, functions) is None


def test_a_guard_that_no_test_needs_is_found(functions: Path) -> None:
    unneeded = replace(NEEDED, new="if not self.start < self.end:")
    assert failing(unneeded, functions) == "without it window::one_second_has_no_halves passes"


def test_a_change_that_cannot_be_run_proves_nothing(functions: Path) -> None:
    assert "does not run" in (failing(replace(NEEDED, new="if:"), functions) or "")


def test_a_guards_file_is_put_back(functions: Path) -> None:
    failing(NEEDED, functions)
    assert NEEDED.old in (functions / "call_archive" / "model" / "window.py").read_text()


@pytest.mark.parametrize("text", ["", f"{NEEDED.old}\n{NEEDED.old}\n"])
def test_a_guard_that_is_not_there_exactly_once_is_stale(text: str) -> None:
    with pytest.raises(StaleError):
        without(NEEDED, text)


@pytest.mark.parametrize("guard", read_guards(), ids=lambda guard: guard.name)
def test_every_guard_of_the_table_is_in_the_code(guard: Guard) -> None:
    root = ROOT if guard.of_infra else ROOT / "functions" / "call_archive"
    text = (root / guard.file).read_text(encoding="utf-8")
    assert without(guard, text) != text


def found(*, noticed: int, unnoticed: int) -> list[Result]:
    return [
        Result(module="model/window", status="killed" if number < noticed else "survived", change=change)
        for number, change in enumerate([None] * noticed + [UNNOTICED] * unnoticed)
    ]


def test_a_change_that_no_test_notices_needs_a_reason() -> None:
    assert [report(found(noticed=99, unnoticed=1), reasons) for reasons in ({}, {UNNOTICED: "the same"})] == [
        False,
        True,
    ]


def test_a_reason_for_a_change_that_is_noticed_is_stale() -> None:
    assert not report(found(noticed=100, unnoticed=0), {UNNOTICED: "the same"})


def test_reasons_do_not_make_up_for_too_few_changes_noticed() -> None:
    assert not report(found(noticed=FEWEST_NOTICED - 1, unnoticed=21), {UNNOTICED: "the same"})


def test_every_reason_is_given_in_words() -> None:
    assert all(accepted().values())
