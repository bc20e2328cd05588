"""Who is allowed everything is still refused over plain HTTP.

MiniStack takes a proxy's word for how a request came: these requests say that they came over plain HTTP.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.proofs.permissions.users import EVERYTHING, User, refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.proofs.permissions.enforced_stack import EnforcedStack


@pytest.fixture(scope="module")
def anyone(stack: EnforcedStack) -> User:
    user = User.create(stack, "allowed-everything")
    user.allow([EVERYTHING])
    return user


def says_plain_http(request: Any, **_more: object) -> None:
    request.headers["X-Forwarded-Proto"] = "http"


def both_ways(client: Any, ask: Callable[[], object]) -> tuple[str, str]:
    over_tls = refusal(ask)
    client.meta.events.register("before-send", says_plain_http)
    return over_tls, refusal(ask)


def test_the_archive_answers_nobody_over_plain_http(stack: EnforcedStack, anyone: User) -> None:
    s3, bucket = anyone.client("s3"), stack.deployment.bucket
    assert both_ways(s3, lambda: s3.list_objects_v2(Bucket=bucket)) == ("", "AccessDenied")


def test_no_object_is_given_over_plain_http(stack: EnforcedStack, anyone: User) -> None:
    s3, key = anyone.client("s3"), "recordings/not-there"
    asked = both_ways(s3, lambda: s3.get_object(Bucket=stack.deployment.bucket, Key=key))
    assert asked == ("NoSuchKey", "AccessDenied")


def test_no_queue_answers_over_plain_http(stack: EnforcedStack, anyone: User) -> None:
    urls = stack.client("sqs").list_queues()["QueueUrls"]
    asked = set()
    for url in urls:
        sqs = anyone.client("sqs")
        asked.add(both_ways(sqs, partial(sqs.get_queue_attributes, QueueUrl=url)))
    assert len(urls) == 7
    assert asked == {("", "AccessDenied")}


def test_no_alarm_is_published_over_plain_http(stack: EnforcedStack, anyone: User) -> None:
    sns = anyone.client("sns")
    (topic,) = stack.client("sns").list_topics()["Topics"]
    asked = both_ways(sns, lambda: sns.publish(TopicArn=topic["TopicArn"], Message="probe"))
    assert asked == ("", "AuthorizationError")
