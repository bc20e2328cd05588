"""How many named cases of bad input there are: the number that the documents tell."""

from importlib import import_module
from pathlib import Path

from tests.badinput.cases import METRICS_BY_EVENT

LEAST = 500


def test_there_are_at_least_so_many_named_cases_of_bad_input() -> None:
    for path in sorted(Path(__file__).parent.glob("test_bad_*.py")):
        import_module(path.stem)
    counts = {kind: len(names) for kind, names in sorted(METRICS_BY_EVENT.items())}
    assert sum(counts.values()) >= LEAST, counts
    assert min(counts.values()) >= 15, counts


if __name__ == "__main__":  # python -m tests.badinput.test_case_count
    for path in sorted(Path(__file__).parent.glob("test_bad_*.py")):
        import_module(f"tests.badinput.{path.stem}")
    for kind, names in sorted(METRICS_BY_EVENT.items()):
        print(f"{kind:20} {len(names):4}")  # noqa: T201 - the command's output
    print(f"{'together':20} {sum(map(len, METRICS_BY_EVENT.values())):4}")  # noqa: T201
