"""The model of an index, which the conformance suite cannot see lag: MiniStack's never do."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from tests.proofs.clock import Clock
from tests.proofs.models.ledger import Index
from tests.unit.factories import NOW

LAG = timedelta(seconds=10)


class Table:
    def __init__(self) -> None:
        self.clock = Clock(NOW)
        self.items: dict[str, datetime] = {}
        self._index: Index[str, datetime] = Index(self.clock, lambda: LAG)

    def put(self, key: str) -> datetime:
        self._index.changes(key, self.items.get(key))
        self.items[key] = self.clock()
        return self.items[key]

    def delete(self, key: str) -> None:
        self._index.changes(key, self.items.pop(key))

    def shown(self) -> Iterator[tuple[str, datetime]]:
        return self._index.shown(self.items)


@pytest.fixture
def table() -> Table:
    return Table()


def test_an_item_that_is_new_is_shown_once_the_index_has_caught_up(table: Table) -> None:
    put = table.put("a")
    shown = [list(table.shown())]
    table.clock.advance(seconds=10)
    assert [*shown, list(table.shown())] == [[], [("a", put)]]


@pytest.mark.parametrize("looked_at", [True, False])
def test_each_change_is_shown_late_though_nobody_looked_at_the_one_before(
    table: Table,
    looked_at: bool,  # noqa: FBT001
) -> None:
    first = table.put("a")
    table.clock.advance(hours=1)
    if looked_at:
        list(table.shown())
    table.put("a")
    assert list(table.shown()) == [("a", first)]


def test_an_item_that_is_gone_is_still_shown(table: Table) -> None:
    put = table.put("a")
    table.clock.advance(hours=1)
    table.delete("a")
    assert list(table.shown()) == [("a", put)]
    table.clock.advance(seconds=10)
    assert list(table.shown()) == []
