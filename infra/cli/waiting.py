"""Waiting until nothing of a range of time is open any more."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.cli.records import reasons_of
from infra.cli.searching import indexed_between

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from call_archive.calls import Call
    from call_archive.ledger import Ledger
    from call_archive.windows import OwedWindow

POLL_SECONDS = 1.0
LONGEST_POLL_SECONDS = 30.0
OPEN_CALLS_A_SECOND = 500
"""A larger backlog is looked at less often: each look reads all of it."""

CONFIRMATIONS = 3
"""Looks in a row that find nothing open: the ledger's indexes follow its items with a delay."""

REFUSED_ATTEMPTS = 3
"""A window that the provider refused so often waits for an operator, not for time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What of a range is not done: windows to be listed, windows refused, calls open and calls failed."""

    windows: list[OwedWindow]
    refused: list[OwedWindow]
    open_calls: list[Call]

    def __str__(self) -> str:
        return f"{len(self.windows)} windows to be listed, {len(self.open_calls)} calls open"

    @property
    def settled(self) -> bool:
        return not self.windows and not self.open_calls


def wait_until_settled(
    ledger: Ledger,
    start: datetime,
    end: datetime,
    *,
    timeout_seconds: float | None,
    say: Callable[[str], None],
) -> Standing:
    """The range as it stands once it is settled, or when the time is over."""
    deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
    quiet = 0
    while True:
        began = time.monotonic()
        standing = look(ledger, start, end)
        say(str(standing))
        quiet = quiet + 1 if standing.settled else 0
        pause = min(max(POLL_SECONDS, len(standing.open_calls) / OPEN_CALLS_A_SECOND), LONGEST_POLL_SECONDS)
        if quiet >= CONFIRMATIONS or (deadline is not None and began + pause > deadline):
            return standing
        time.sleep(pause)


def look(ledger: Ledger, start: datetime, end: datetime) -> Standing:
    # Windows first: a call is noted before its window is finished.
    owed = [each for each in ledger.open_windows() if each.window.overlaps(start, end)]
    refused = [each for each in owed if each.refused and each.attempts >= REFUSED_ATTEMPTS]
    return Standing(
        windows=[each for each in owed if each not in refused],
        refused=refused,
        open_calls=indexed_between(ledger, ledger.open_calls(), start, end),
    )


def failures(
    ledger: Ledger, start: datetime, end: datetime, refused: list[OwedWindow]
) -> list[dict[str, str]]:
    """Each failed call, and each window that the provider refuses to list, with its reason."""
    failed = indexed_between(ledger, ledger.failed_calls(), start, end)
    return [*(window_line(each) for each in refused), *(call_line(call) for call in failed)]


def call_line(call: Call) -> dict[str, str]:
    return {"reference_id": call.reference_id, "reason": reasons_of(call)}


def window_line(owed: OwedWindow) -> dict[str, str]:
    from call_archive.windows import to_text

    window = f"{to_text(owed.window.start)} to {to_text(owed.window.end)}"
    return {"window": window, "reason": owed.last_error or "not listed yet"}
