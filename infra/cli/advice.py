"""What an operator should do about how things stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

OLD_SECONDS = 24 * 3600
LAGGING_SECONDS = 30 * 60


def advice_on(summary: Mapping[str, Any]) -> list[str]:
    """A sentence for each thing that wants attention; one that says so when nothing does."""
    calls, queues, error = summary["calls"], summary["queues"], summary["windows"]["last_error"]
    advice = []
    if summary["cursor"] is None:
        advice.append("The tick has not run yet: it comes by itself within minutes of the deployment.")
    if error is not None:
        advice.append(f"Listing fails for now and is tried again by itself: {error}.")
    elif summary["cursor"] is not None and summary["listing_lag_seconds"] > LAGGING_SECONDS:
        advice.append("Listing lags: look at the lister's log for what holds it up.")
    if calls["oldest_open_seconds"] > OLD_SECONDS:
        advice.append("A call has been open for over a day: `call-archive show` with its id says why.")
    if calls["failed"]:
        advice.append(
            "Resolve what the reasons of the failed calls name, then `call-archive backfill` over their days"
            " tries them once more."
        )
    if queues["fetch_dlq"] or queues["windows_dlq"]:
        advice.append(
            "Messages in a dead-letter queue met an error nobody expected: the function's log names it"
            " (message_failed). Their calls are still open and are visited again by the tick; once that is resolved,"
            " purge the queue."
        )
    if queues["schedule_dlq"]:
        advice.append(
            "Scheduled runs of the lister failed: its log says why; the next tick makes up for them."
        )
    return advice or ["All is well: nothing needs you."]
