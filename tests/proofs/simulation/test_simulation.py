"""Some seeds of the simulation, and the proof that it can fail. `poe simulate` runs as many as you like."""

import subprocess
from pathlib import Path
from shutil import which

import pytest

from tests.proofs.planted import BUGS
from tests.proofs.simulation.running import is_caught, run_seed
from tests.proofs.simulation.seeds import MAX_AT_ONCE, drawn

SEEDS = range(30)
EACH = 10


@pytest.mark.parametrize("first", SEEDS[::EACH])
def test_nothing_is_broken_whatever_goes_wrong(first: int) -> None:
    broken = {seed: found for seed in range(first, first + EACH) if (found := run_seed(seed).violations)}
    assert broken == {}


@pytest.mark.parametrize("seed", [0, 4])
def test_a_seed_gives_the_same_steps_each_time(seed: int) -> None:
    once: list[str] = []
    again: list[str] = []
    for steps in (once, again):
        run_seed(seed, trace=steps.append)
    assert once == again


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_caught_as_what_it_breaks(name: str) -> None:
    assert is_caught(BUGS[name], BUGS[name].seed)


def test_each_commit_draws_seeds_of_its_own_and_the_same_each_time(tmp_path: Path) -> None:
    def commit(text: str) -> tuple[int, str]:
        for words in (("add", "file"), ("commit", "--quiet", "--message", text)):
            (tmp_path / "file").write_text(text, encoding="utf-8")
            git(*words)
        return drawn(tmp_path)

    def git(*words: str) -> None:
        who = ("-c", "user.name=x", "-c", "user.email=x@x.example", "-c", "commit.gpgsign=false")
        subprocess.run([str(which("git")), "-C", str(tmp_path), *who, *words], check=True)

    git("init", "--quiet")
    one, other = commit("one"), commit("other")
    assert other == drawn(tmp_path)
    assert abs(one[0] - other[0]) >= MAX_AT_ONCE
    assert other[1].startswith("commit ")


def test_outside_of_a_checkout_chance_draws_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert drawn(tmp_path)[0] != drawn(tmp_path)[0]
    assert drawn(tmp_path)[1] == "chance"
