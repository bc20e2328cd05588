"""Backoff: when to visit again what is not ready, or what failed for now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING

from call_archive.model.call import LEASE, FileStatus
from call_archive.model.pending import named_rows
from call_archive.model.transcript import Progress, transcript_progress

if TYPE_CHECKING:
    from call_archive.model.call import Call
    from call_archive.model.policy import Policy
    from call_archive.model.visit_result import VisitResult

MAX_CHAIN = 10
"""Messages in a chain. AWS stops a Lambda and SQS loop at about 16 rounds, and we keep that detection on:
https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html"""

MAX_DELAY_SECONDS = 900
"""SQS delays a message by at most 15 minutes."""

MAX_PAUSE_SECONDS = 3600
"""Between two visits of something parked, unless the provider's Retry-After asks for more."""

FIRST_DELAY_SECONDS = 5
JITTER = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class NextVisit:
    due_at: datetime
    next_visit_at: datetime
    delay_seconds: int
    hop: int | None
    """The hop of the delayed message that brings the visit; None when it is parked for the tick."""


def back_off(
    *,
    now: datetime,
    hop: int,
    unchanged: int,
    jitter: float,
    factor: int = 2,
    retry_after_seconds: float = 0,
    at_latest_seconds: float = MAX_PAUSE_SECONDS,
    lease: timedelta = LEASE,
) -> NextVisit:
    """Plans the next visit after `unchanged` visits in a row that changed nothing.

    Exponential by `factor`, spread by `jitter` (0 to 1) so that an outage's end is no stampede, never sooner
    than the provider asked, and by delayed message while the chain lasts, else parked for the tick.
    """
    grown = min(FIRST_DELAY_SECONDS * float(factor) ** min(unchanged, 20), MAX_PAUSE_SECONDS)
    wanted = min(grown * (1 - JITTER + 2 * JITTER * jitter), at_latest_seconds)
    # Once the pauses have grown to their longest, a chain would only ask more often.
    chained = hop < MAX_CHAIN and grown < MAX_PAUSE_SECONDS
    if chained:
        wanted = min(wanted, MAX_DELAY_SECONDS)
    delay_seconds = max(1, round(wanted), ceil(retry_after_seconds))
    due_at = now + timedelta(seconds=delay_seconds)
    if chained and delay_seconds <= MAX_DELAY_SECONDS:
        return NextVisit(
            due_at=due_at, next_visit_at=due_at + lease, delay_seconds=delay_seconds, hop=hop + 1
        )
    return NextVisit(due_at=due_at, next_visit_at=due_at, delay_seconds=delay_seconds, hop=None)


def plan_next_visit(call: Call, result: VisitResult, policy: Policy, *, hop: int, jitter: float) -> NextVisit:
    """Names the next visit of an open call."""
    grace_ends = _grace_ends(call, result, policy)
    return back_off(
        now=result.now,
        hop=hop,
        unchanged=call.unchanged_visits,
        jitter=jitter,
        # A transcript that is absent mostly stays so: few visits, and the last when its grace ends.
        factor=4 if grace_ends else 2,
        retry_after_seconds=result.retry_after_seconds,
        lease=policy.lease,
        at_latest_seconds=(
            max(1, (min(grace_ends) - result.now).total_seconds()) if grace_ends else MAX_PAUSE_SECONDS
        ),
    )


def _grace_ends(call: Call, result: VisitResult, policy: Policy) -> list[datetime]:
    """When the grace of each absent transcript ends; empty when anything else is pending as well."""
    rows = named_rows(result.rows)
    ends = []
    for name, file in call.files.items():
        if file.settled:
            continue
        row = rows.get(name)
        if file.status is FileStatus.RECORDING or row is None or file.available_at is None:
            return []
        if transcript_progress(row.transcribe, policy.transcript_failures) is not Progress.ABSENT:
            return []
        ends.append(file.available_at + policy.transcript_grace)
    return ends if call.unnamed is None or call.unnamed.settled else []
