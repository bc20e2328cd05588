from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.infra.conftest import Resources

# The archive's two prefixes and the ledger's indexes: as narrow as they can be named.
JUSTIFIED = ("/recordings/*", "/transcripts/*", "/index/*")

OF_A_QUEUE_READER = {
    "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:GetQueueUrl",
    "sqs:ReceiveMessage",
}
OF_EITHER = {
    *OF_A_QUEUE_READER,
    *("logs:CreateLogStream", "logs:PutLogEvents", "sqs:SendMessage"),
    *("secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"),
    *("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"),
}
ALLOWED = {
    "Lister": OF_EITHER
    | {"dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", "dynamodb:DeleteItem", "dynamodb:Query"},
    "Fetcher": OF_EITHER | {"s3:GetObject", "s3:ListBucket", "s3:PutObject"},
}


def listed(value: Any) -> list[Any]:
    """IAM writes a list of one as the one."""
    return value if isinstance(value, list) else [value]


def statements(resources: Resources, function: str) -> list[dict[str, Any]]:
    policies = [
        policy["Properties"]["PolicyDocument"]["Statement"]
        for name, policy in resources("AWS::IAM::Policy").items()
        if name.startswith(function)
    ]
    return [statement for policy in policies for statement in policy]


@pytest.mark.parametrize("function", ["Lister", "Fetcher"])
def test_a_function_may_do_what_it_does_and_nothing_else(resources: Resources, function: str) -> None:
    found = statements(resources, function)
    assert {action for statement in found for action in listed(statement["Action"])} == ALLOWED[function]


@pytest.mark.parametrize("function", ["Lister", "Fetcher"])
def test_nothing_is_allowed_on_everything(resources: Resources, function: str) -> None:
    found = statements(resources, function)
    assert found
    for statement in found:
        assert statement["Effect"] == "Allow"
        for resource in listed(statement["Resource"]):
            text = json.dumps(resource)
            assert "*" not in text or text.rstrip('"]}').endswith(JUSTIFIED)


def test_nothing_archived_can_be_deleted_or_changed_in_its_rights(resources: Resources) -> None:
    for function in ("Lister", "Fetcher"):
        for statement in statements(resources, function):
            for action in listed(statement["Action"]):
                assert not action.startswith(("s3:Delete", "s3:PutObjectAcl", "s3:PutBucket", "s3:Bypass"))


def test_a_role_has_no_policy_but_its_own(resources: Resources) -> None:
    roles = resources("AWS::IAM::Role")
    assert len(roles) == 2
    for role in roles.values():
        assert not {"ManagedPolicyArns", "Policies"} & set(role["Properties"])


def test_a_queue_takes_from_eventbridge_only_what_a_rule_of_ours_sends(resources: Resources) -> None:
    rules = resources("AWS::Events::Rule")
    seen = 0
    for policy in resources("AWS::SQS::QueuePolicy").values():
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
            if statement["Effect"] == "Allow":
                seen += 1
                assert statement["Principal"] == {"Service": "events.amazonaws.com"}
                ((_, condition),) = statement["Condition"].items()
                assert condition["aws:SourceArn"]["Fn::GetAtt"][0] in rules
    assert seen
