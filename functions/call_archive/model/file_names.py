"""Names for recording files, where the provider gives none or gives one name to two files. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

from call_archive.model.row import LATEST, Row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime


def deduplicate_names(rows: Iterable[Row], known: Mapping[str, datetime]) -> tuple[Row, ...]:
    """Gives a file a name of its own where the provider gives none, or one that another file has: the one that is
    `known` by it, with its date, or else the earliest.

    Two rows with one name and one date are one file, listed twice. Two without a name are two files.
    """
    files: dict[str, tuple[object, datetime | None]] = {}
    nameless: Counter[datetime | None] = Counter()
    deduplicated = []
    for row in sorted(rows, key=lambda row: (_is_other(row, known), row.recorded_at or LATEST)):
        name = row.file_name
        if name is not None or row.url is not None:
            nameless[row.recorded_at] += name is None
            file = (name or nameless[row.recorded_at], row.recorded_at)
            names = _names(row, nameless[row.recorded_at])
            name = next(each for each in names if files.setdefault(each, file) == file)
        deduplicated.append(replace(row, file_name=name))
    return tuple(deduplicated)


def _is_other(row: Row, known: Mapping[str, datetime]) -> bool:
    name = row.file_name
    return name is None or name not in known or known[name] != row.recorded_at


def _names(row: Row, number: int) -> Iterator[str]:
    """What a file may be called, the `number`th without a name of its date: the first that no other is called."""
    suffix = _suffix(row)
    if row.file_name is None:
        yield from (f"unnamed{suffix}{f'-{each}' if each > 1 else ''}.wav" for each in count(number))
    else:
        yield row.file_name
        yield f"{row.file_name}{suffix}"
        yield from (f"{row.file_name}{suffix}-{each}" for each in count(2))


def _suffix(row: Row) -> str:
    return f"-{row.recorded_at:%Y%m%dT%H%M%S}" if row.recorded_at else "-undated"
