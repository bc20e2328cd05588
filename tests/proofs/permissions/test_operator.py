"""What an operator must be allowed for each verb, and that without any part of it the verb says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from infra.cli.main import run
from tests.proofs.permissions.users import User

if TYPE_CHECKING:
    from infra.deployment import Deployment
    from tests.proofs.permissions.enforced_stack import EnforcedStack

Command = Callable[[str, set[tuple[str, str]]], tuple[int, str]]

DONE, NOT_POSSIBLE, STILL_OPEN = 0, 2, 3
REFUSED = "These AWS credentials may not "
STACK = ("cloudformation:DescribeStacks", "stack")
QUEUES = ("fetch queue", "fetch dlq", "windows queue", "windows dlq", "schedule dlq")
VERBS: dict[str, tuple[int, set[tuple[str, str]]]] = {
    "status": (
        DONE,
        {
            STACK,
            ("dynamodb:GetItem", "table"),
            ("dynamodb:BatchGetItem", "table"),
            ("dynamodb:Query", "open index"),
            ("dynamodb:Query", "failed index"),
            *(("sqs:GetQueueAttributes", queue) for queue in QUEUES),
        },
    ),
    "find --start {day} --end {day}": (
        DONE,
        {STACK, ("dynamodb:Query", "by_day index"), ("dynamodb:BatchGetItem", "table")},
    ),
    "show {reference_id}": (DONE, {STACK, ("dynamodb:GetItem", "table")}),
    "backfill {moment} {moment}": (
        DONE,
        {STACK, ("dynamodb:PutItem", "table"), ("sqs:SendMessage", "windows queue")},
    ),
    "backfill {moment} {moment} --wait --timeout 0": (
        STILL_OPEN,
        {
            STACK,
            ("dynamodb:PutItem", "table"),
            ("dynamodb:BatchGetItem", "table"),
            ("dynamodb:Query", "open index"),
            ("dynamodb:Query", "failed index"),
            ("sqs:SendMessage", "windows queue"),
        },
    ),
}
"""By verb: the exit code, and what it needs."""


@pytest.fixture(scope="module")
def words(stack: EnforcedStack) -> dict[str, str]:
    """Of a call that is known, and still open."""
    file = stack.noted()
    return {
        "day": f"{file.created_at:%Y-%m-%d}",
        "moment": f"{file.created_at:%Y-%m-%dT%H:%M:%S}",
        "reference_id": file.reference_id,
    }


@pytest.fixture(scope="module")
def user(stack: EnforcedStack) -> User:
    return User.create(stack, "operator")


@pytest.fixture
def command(
    user: User, words: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Runs a verb with these permissions; its exit code, and what it says of trouble."""
    for name, value in user.environment().items():
        monkeypatch.setenv(name, value)
    arns = operators_arns(user.stack.deployment)

    def run_with(verb: str, allowed: set[tuple[str, str]]) -> tuple[int, str]:
        user.allow([{"Effect": "Allow", "Action": action, "Resource": arns[on]} for action, on in allowed])
        code = run([*verb.format(**words).split(), "--aws"])
        return code, capsys.readouterr().err

    return run_with


def operators_arns(at: Deployment) -> dict[str, str]:
    made = "arn:aws:{}:us-east-1:000000000000:{}"
    urls = {
        "fetch queue": at.fetch_queue_url,
        "fetch dlq": at.fetch_dlq_url,
        "windows queue": at.windows_queue_url,
        "windows dlq": at.windows_dlq_url,
        "schedule dlq": at.schedule_dlq_url,
    }
    return {
        "stack": made.format("cloudformation", f"stack/{at.stack}/*"),
        "table": made.format("dynamodb", f"table/{at.table}"),
        **{
            f"{index} index": made.format("dynamodb", f"table/{at.table}/index/{index}")
            for index in ("open", "failed", "by_day")
        },
        **{name: made.format("sqs", url.rsplit("/", 1)[1]) for name, url in urls.items()},
    }


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_works_with_what_it_needs_alone(command: Command, verb: str) -> None:
    code, needed = VERBS[verb]
    assert command(verb, needed)[0] == code


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_says_what_it_was_not_allowed(command: Command, verb: str) -> None:
    _, needed = VERBS[verb]
    told = {missing: command(verb, needed - {missing}) for missing in sorted(needed)}
    assert {missing: outcome for missing, outcome in told.items() if REFUSED not in outcome[1]} == {}
    assert {code for code, _ in told.values()} == {NOT_POSSIBLE}
