"""One permission taken away at a time: nothing is lost in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.proofs.permissions.exercises import Loud, listing, tick, visit, visit_again, visit_too_soon
from tests.proofs.permissions.needed import NEEDED, NOT_ASKED_HERE, Need
from tests.proofs.permissions.policies import Permission

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.proofs.permissions.enforced_stack import EnforcedStack
    from tests.proofs.permissions.exercises import Attempt


def test_every_permission_is_taken_away_once_or_reported_why_not(stack: EnforcedStack) -> None:
    assert {str(each) for each in stack.permissions()} == NEEDED.keys() | NOT_ASKED_HERE.keys()
    assert not NEEDED.keys() & NOT_ASKED_HERE.keys()


@pytest.mark.parametrize(("missing", "need"), NEEDED.items(), ids=NEEDED.keys())
def test_without_a_permission_the_work_stays_pending_and_it_is_reported_why(
    stack: EnforcedStack, missing: str, need: Need
) -> None:
    waiting, attempt = need.exercise(stack)
    with stack.denied(Permission.named(missing)):
        outcome = attempt()
    assert outcome.still_owed
    assert need.told in outcome.told.get(need.loud, "")
    stack.refused.update(dict.fromkeys(waiting, missing))


@pytest.mark.parametrize("exercise", [visit, visit_again, listing, tick])
def test_with_every_permission_nothing_stays_pending(
    stack: EnforcedStack, exercise: Callable[[EnforcedStack], Attempt]
) -> None:
    """Else what is told above could have another cause."""
    _, attempt = exercise(stack)
    outcome = attempt()
    assert (outcome.still_owed, outcome.told) == (False, {})


def test_with_every_permission_a_visit_that_came_too_soon_is_no_failed_message(stack: EnforcedStack) -> None:
    _, attempt = visit_too_soon(stack)
    assert Loud.FAILED_MESSAGE not in attempt().told
