"""Waiting until nothing of a range of time is open any more."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.cli.calls_in_range import indexed_between
from infra.cli.file_records import reasons_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from call_archive.model.call import Call
    from call_archive.model.window import PendingWindow
    from call_archive.storage.ledger import Ledger

POLL_SECONDS = 1.0
MAX_POLL_SECONDS = 30.0
OPEN_CALLS_A_SECOND = 500
"""A larger backlog is looked at less often: each look reads all of it."""

CONFIRMATIONS = 3
"""Looks in a row that find nothing open: the ledger's indexes follow its items with a delay."""

REFUSED_ATTEMPTS = 3
"""A window that the provider refused so often waits for an operator, not for time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What of a range is not done: windows to be listed, windows refused, calls open and calls failed."""

    windows: list[PendingWindow]
    refused: list[PendingWindow]
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
) -> Summary:
    """The range as it stands once it is settled, or when the time is over."""
    deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
    confirmations = 0
    while True:
        began = time.monotonic()
        summary = look(ledger, start, end)
        say(str(summary))
        confirmations = confirmations + 1 if summary.settled else 0
        pause = min(max(POLL_SECONDS, len(summary.open_calls) / OPEN_CALLS_A_SECOND), MAX_POLL_SECONDS)
        if confirmations >= CONFIRMATIONS or (deadline is not None and began + pause > deadline):
            return summary
        time.sleep(pause)


def look(ledger: Ledger, start: datetime, end: datetime) -> Summary:
    # Windows first: a call is noted before its window is finished.
    pending = [each for each in ledger.open_windows() if each.window.overlaps(start, end)]
    refused = [each for each in pending if each.refused and each.attempts >= REFUSED_ATTEMPTS]
    return Summary(
        windows=[each for each in pending if each not in refused],
        refused=refused,
        open_calls=indexed_between(ledger, ledger.open_calls(), start, end),
    )


def failures(
    ledger: Ledger, start: datetime, end: datetime, refused: list[PendingWindow]
) -> list[dict[str, str]]:
    """Each failed call, and each window that the provider refuses to list, with its reason."""
    failed = indexed_between(ledger, ledger.failed_calls(), start, end)
    return [*(window_line(each) for each in refused), *(call_line(call) for call in failed)]


def call_line(call: Call) -> dict[str, str]:
    return {"reference_id": call.reference_id, "reason": reasons_of(call)}


def window_line(pending: PendingWindow) -> dict[str, str]:
    from call_archive.model.window import to_text

    window = f"{to_text(pending.window.start)} to {to_text(pending.window.end)}"
    return {"window": window, "reason": pending.last_error or "not listed yet"}
