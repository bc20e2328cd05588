"""What AWS asks a function's role and MiniStack does not, so that it shows nothing here.

Should MiniStack begin to ask, the permission belongs among those that are NEEDED.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from call_archive.model.window import Window
from tests.integration.running_archive import eventually
from tests.proofs.permissions.needed import NOT_ASKED_HERE
from tests.proofs.permissions.policies import Permission

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.proofs.permissions.enforced_stack import EnforcedStack


@pytest.fixture(scope="module")
def not_asked(stack: EnforcedStack, passing_time: None) -> Iterator[EnforcedStack]:
    """All of these permissions taken away at once, and the queues read as they are on AWS."""
    del passing_time
    with stack.denied(*map(Permission.named, NOT_ASKED_HERE)):
        stack.run_by_itself(running=True)
        yield stack
        stack.run_by_itself(running=False)


def test_queues_are_read_and_logs_written_without_being_allowed(not_asked: EnforcedStack) -> None:
    stack, file = not_asked, not_asked.fresh.pop()
    stack.enqueue_windows([Window(start=file.created_at, end=file.created_at)])
    found = eventually(lambda: stack.logged("recording_archived", file.reference_id))
    assert found
    assert stack.logged("call_listed", file.reference_id)


def test_a_failed_event_is_stored_without_being_allowed(not_asked: EnforcedStack) -> None:
    functions, name = not_asked.client("lambda"), not_asked.deployment.lister_function
    which = {"FunctionName": name, "Qualifier": "$LATEST"}
    kept_in = functions.get_function_event_invoke_config(**which)["DestinationConfig"]
    which["DestinationConfig"] = kept_in
    # Two retries would begin minutes later.
    functions.put_function_event_invoke_config(**which, MaximumRetryAttempts=0)
    functions.invoke(FunctionName=name, InvocationType="Event", Payload=b'{"kind": "unknown"}')
    kept = not_asked.deployment.queue(not_asked.deployment.schedule_dlq_url)
    assert eventually(kept.length)
    functions.put_function_event_invoke_config(**which, MaximumRetryAttempts=2)
