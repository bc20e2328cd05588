"""The archive runs by itself, with the permissions of the synthesized template and no others.

It has all to do that there is: a history, a tick's listing, late transcripts, an object that is there already,
and what the other tests left behind when something was not allowed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import pytest

from call_archive.model.call import FileStatus, TranscriptStatus
from call_archive.model.object_key import Origin
from call_archive.model.window import Window, cut
from infra.local.demo.comparison import Comparison, compare
from infra.local.demo.watch import watch_until_settled
from infra.local.progress import Progress
from tests.proofs.aws import Account
from tests.proofs.permissions.needed import NEEDED

if TYPE_CHECKING:
    from call_archive.model.call import Call
    from infra.simulator import TrueFile
    from tests.proofs.permissions.enforced_stack import EnforcedStack

REFUSALS = ("AccessDenied", "(403)", "cannot be read")


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    stack: EnforcedStack
    calls: dict[str, Call]
    comparison: Comparison
    stored_before: TrueFile
    version_before: str
    begun_at: int
    """In milliseconds, as logs count."""


@pytest.fixture(scope="module")
def archived(stack: EnforcedStack, passing_time: None) -> Archived:
    del passing_time
    stored_before = stack.noted()
    version = Account.of(stack.deployment).put(stored_before)
    begun_at = time.time_ns() // 1_000_000
    stack.enqueue_windows(history(stack))
    stack.run_by_itself(running=True)
    truth = watch_until_settled(stack.deployment, stack.simulator, Progress())
    stack.run_by_itself(running=False)
    return Archived(
        stack=stack,
        calls=stack.deployment.ledger.read_many(call.reference_id for call in truth),
        comparison=compare(stack.deployment, truth, stack.clock()),
        stored_before=stored_before,
        version_before=version,
        begun_at=begun_at,
    )


def history(stack: EnforcedStack) -> list[Window]:
    """Of all that no tick lists. What was refused is left out: nobody acts on it but the archive itself."""
    calls = stack.simulator.truth()
    refused = {call.files[0].created_at for call in calls if call.reference_id in stack.refused}
    times = sorted({call.files[0].created_at for call in calls})
    older = [each for each in times if each < stack.archive_from]
    spans = [list(span) for left_out, span in groupby(older, refused.__contains__) if not left_out]
    return [window for span in spans for window in cut(span[0], span[-1])]


def test_nothing_is_missing_altered_or_extra(archived: Archived) -> None:
    compared = archived.comparison
    assert (compared.missing, compared.altered, compared.extra) == ((), (), ())
    assert compared.recordings >= 50
    assert compared.transcripts >= 30


def test_what_was_refused_is_archived_once_it_is_allowed_with_nobody_acting(archived: Archived) -> None:
    refused = archived.stack.refused
    # Each permission by the test that took it away.
    assert set(refused.values()) == NEEDED.keys()
    unhealed = {
        missing: archived.calls[reference_id]
        for reference_id, missing in refused.items()
        if {file.status for file in archived.calls[reference_id].files.values()} != {FileStatus.ARCHIVED}
    }
    assert unhealed == {}


def test_an_object_that_was_there_already_is_found_and_left_as_it_was(archived: Archived) -> None:
    file = archived.stored_before
    recording = archived.calls[file.reference_id].files[file.file_name].recording
    assert recording is not None
    assert (recording.sha256, recording.version_id) == (file.sha256, archived.version_before)
    assert (
        recording.key
        == Origin(
            reference_id=file.reference_id, file_name=file.file_name, recorded_at=file.created_at
        ).recording_key
    )


def test_what_was_pending_was_visited_again(archived: Archived) -> None:
    visits = {
        call.reference_id: call.visits
        for call in archived.calls.values()
        for file in call.files.values()
        if file.transcript and file.transcript.status is TranscriptStatus.NONE
    }
    assert visits
    # Only a second visit can tell that a transcript has not come.
    assert min(visits.values()) > 1


def test_nothing_was_refused(archived: Archived) -> None:
    lines = archived.stack.lines_since(archived.begun_at)
    assert [line for line in lines if any(refusal in line for refusal in REFUSALS)] == []
    assert any("recording_archived" in line for line in lines)


def test_no_message_met_its_dead_letter_queue(archived: Archived) -> None:
    at = archived.stack.deployment
    assert [at.queue(url).length() for url in (at.fetch_dlq_url, at.windows_dlq_url)] == [0, 0]
