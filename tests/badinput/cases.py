"""Tables of named cases: a name that reads well to the values of one case. They are counted, each name once."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

METRICS_BY_EVENT: dict[str, set[str]] = {}
"""The names of the cases, by kind of input."""


def cases(kind: str, names: str, table: Mapping[str, Any]) -> pytest.MarkDecorator:
    """One test a case; a tuple holds the values of several `names`. A table may serve several tests."""
    METRICS_BY_EVENT.setdefault(kind, set()).update(table)
    one = "," not in names
    rows: Sequence[tuple[Any, ...]] = [(case,) if one else case for case in table.values()]
    return pytest.mark.parametrize(
        names.split(","), [pytest.param(*row, id=name) for name, row in zip(table, rows, strict=True)]
    )
