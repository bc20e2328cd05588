"""What the functions do, in parts that each need some of their permissions, and what is told when one fails."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum, auto
from typing import TYPE_CHECKING

from infra.simulator import Fault
from tests.proofs.permissions.policies import Permission

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.proofs.permissions.enforced_stack import Answer, EnforcedStack

DELIVERIES = 5
"""As often as SQS delivers a message: a worker's last log lines may come with its next answer."""

TO_NOTE_A_VISIT = Permission.named("fetcher dynamodb:PutItem table")


class Loud(StrEnum):
    FAILED_MESSAGE = auto()
    """Given back to SQS, logged as `message_failed` and counted; the fifth time it goes to the DLQ, with an alarm."""
    FAILED_INVOCATION = auto()
    """Counted by Lambda, with an alarm; a scheduled event is tried twice more, then kept in the schedule's DLQ."""
    OPEN_CALL = auto()
    """Open in the ledger with a reason: `status` shows it, and an alarm once it is a day old."""
    OWED_WINDOW = auto()
    """Owed in the ledger with a reason: the listing lag grows, with an alarm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    still_owed: bool
    told: dict[Loud, str]


Attempt = tuple[tuple[str, ...], "Callable[[], Outcome]"]
"""The reference ids of the calls that wait for it; and what to do once the permission is taken."""


def visit(stack: EnforcedStack) -> Attempt:
    """A call that has been listed: its recording and its transcript are archived."""
    file = stack.noted()

    def attempt() -> Outcome:
        failed = _failed_message(lambda: stack.visit(file.reference_id))
        call = stack.deployment.ledger.read(file.reference_id)
        assert call is not None
        told = {Loud.FAILED_MESSAGE: failed, Loud.OPEN_CALL: call.last_error or ""}
        return _outcome(told, still_owed=not call.settled)

    return (file.reference_id,), attempt


def visit_anew(stack: EnforcedStack) -> Attempt:
    """The same, by a function that remembers no secret."""
    prepared = visit(stack)
    stack.begin_anew("fetcher")
    return prepared


def visit_again(stack: EnforcedStack) -> Attempt:
    """The same, when an earlier visit stored both objects and then could not note it."""
    waiting, attempt = visit(stack)
    with stack.denied(TO_NOTE_A_VISIT):
        assert attempt().still_owed
    return waiting, attempt


def visit_too_soon(stack: EnforcedStack) -> Attempt:
    """A call that the provider cannot tell of at the moment: the next visit is planned."""
    file = stack.noted()
    stack.simulator.faults.add(Fault(where="call", kind="503", times=1, reference_id=file.reference_id))

    def attempt() -> Outcome:
        failed = _failed_message(lambda: stack.visit(file.reference_id))
        call = stack.deployment.ledger.read(file.reference_id)
        assert call is not None
        return _outcome({Loud.FAILED_MESSAGE: failed}, still_owed=not call.settled)

    return (file.reference_id,), attempt


def listing(stack: EnforcedStack) -> Attempt:
    """A window with one new call in it."""
    file, window = stack.pending()

    def attempt() -> Outcome:
        failed = _failed_message(lambda: stack.list_window(window))
        pending = stack.deployment.ledger.read_window(window)
        told = {Loud.FAILED_MESSAGE: failed, Loud.OWED_WINDOW: (pending and pending.last_error) or ""}
        return _outcome(told, still_owed=pending is not None)

    return (file.reference_id,), attempt


def listing_anew(stack: EnforcedStack) -> Attempt:
    stack.begin_anew("lister")
    return listing(stack)


def tick(stack: EnforcedStack) -> Attempt:
    """Windows are cut and queued, the cursor moves, what is due is queued again: a window and a call."""
    unlisted, window = stack.pending()
    unvisited = stack.due()

    def attempt() -> Outcome:
        began, cursor = datetime.now(UTC).replace(microsecond=0), stack.cursor()
        error = stack.tick().error
        # It may have moved over what the ledger owes alone.
        assert stack.is_owed(cursor, stack.cursor())
        pending = stack.deployment.ledger.read_window(window)
        call = stack.deployment.ledger.read(unvisited.reference_id)
        assert pending is not None
        assert call is not None
        still_due = [each for each in (pending.next_visit_at, call.next_visit_at) if each <= began]
        return _outcome({Loud.FAILED_INVOCATION: error}, still_owed=stack.cursor() < began or bool(still_due))

    return (unlisted.reference_id, unvisited.reference_id), attempt


def _outcome(told: dict[Loud, str], *, still_owed: bool) -> Outcome:
    return Outcome(still_owed=still_owed, told={loud: text for loud, text in told.items() if text})


def _failed_message(deliver: Callable[[], Answer]) -> str:
    """Why the message fails, as the log has it; empty when it does not fail."""
    answer = deliver()
    if not answer.failed_messages:
        return ""
    for _ in range(DELIVERIES):
        reasons = [str(event["reason"]) for event in answer.told("message_failed")]
        if reasons:
            return "; ".join(reasons)
        answer = deliver()
    raise AssertionError("the message failed and the log does not tell why")
