"""What AWS asks and MiniStack does not, so that it shows nothing here.

Most is done with a function's role: should MiniStack begin to ask, the permission belongs among those that are NEEDED.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from call_archive.windows import Window
from tests.integration.running_archive import eventually
from tests.permissions.needed import NOT_ASKED_HERE
from tests.permissions.policies import Permission
from tests.permissions.users import EVERYTHING, User, refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.permissions.enforced_stack import EnforcedStack


@pytest.fixture(scope="module")
def not_asked(stack: EnforcedStack, passing_time: None) -> Iterator[EnforcedStack]:
    """All of these permissions taken away at once, and the queues read as they are on AWS."""
    del passing_time
    with stack.denied(*map(Permission.named, NOT_ASKED_HERE)):
        stack.run_by_itself(running=True)
        yield stack
        stack.run_by_itself(running=False)


@pytest.fixture
def spare_key(stack: EnforcedStack) -> Iterator[str]:
    """Among what is archived, and gone afterwards."""
    key, at = "recordings/2026/01/31/SPARE/spare.wav", {"Bucket": stack.deployment.bucket}
    yield key
    s3 = stack.client("s3")
    for version in s3.list_object_versions(**at, Prefix=key)["Versions"]:
        s3.delete_object(**at, Key=key, VersionId=version["VersionId"])


def test_queues_are_read_and_logs_written_without_being_allowed(not_asked: EnforcedStack) -> None:
    stack, file = not_asked, not_asked.fresh.pop()
    stack.owe([Window(start=file.created_at, end=file.created_at)])
    found = eventually(lambda: stack.logged("recording_archived", file.reference_id))
    assert found
    assert stack.logged("call_listed", file.reference_id)


def test_a_failed_event_is_kept_without_being_allowed(not_asked: EnforcedStack) -> None:
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


def test_a_put_is_not_asked_to_overwrite_nothing(stack: EnforcedStack, spare_key: str) -> None:
    """By the bucket's policy AWS asks each put for the header, in keys that MiniStack does not fill.

    Should it begin to, a put without the header is refused: then the guarantee covers that.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html
    """
    user = User.create(stack, "puts-over")
    user.allow([EVERYTHING])
    s3 = user.client("s3")
    put = partial(s3.put_object, Bucket=stack.deployment.bucket, Key=spare_key, Body=b"RIFF")
    told_not_to = partial(put, IfNoneMatch="*")
    assert [refusal(each) for each in (told_not_to, told_not_to, put)] == ["", "PreconditionFailed", ""]
