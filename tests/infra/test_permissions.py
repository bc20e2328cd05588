from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.infra.plain import plain

if TYPE_CHECKING:
    from tests.infra.conftest import Deployed, Resources

# The archive's two prefixes and the ledger's indexes: as narrow as they can be named.
JUSTIFIED = ("/recordings/*", "/transcripts/*")

OF_A_QUEUE_READER = {"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"}
OF_EITHER = {"CredentialsSecret": {"secretsmanager:GetSecretValue"}}
ALLOWED = {
    "Lister": OF_EITHER
    | {
        "ListerLog": {"logs:CreateLogStream", "logs:PutLogEvents"},
        "LedgerTable": {
            *("dynamodb:BatchGetItem", "dynamodb:DeleteItem", "dynamodb:GetItem"),
            *("dynamodb:PutItem", "dynamodb:UpdateItem"),
        },
        "LedgerTable/index/open": {"dynamodb:Query"},
        "WorkQueuesWindows": OF_A_QUEUE_READER | {"sqs:SendMessage"},
        "WorkQueuesFetch": {"sqs:GetQueueAttributes", "sqs:SendMessage"},
        "ScheduleDlq": {"sqs:SendMessage"},
    },
    "Fetcher": OF_EITHER
    | {
        "FetcherLog": {"logs:CreateLogStream", "logs:PutLogEvents"},
        "LedgerTable": {"dynamodb:GetItem", "dynamodb:PutItem"},
        "ArchiveBucket/recordings/*": {"s3:GetObject", "s3:PutObject"},
        "ArchiveBucket/transcripts/*": {"s3:GetObject", "s3:PutObject"},
        "WorkQueuesFetch": OF_A_QUEUE_READER | {"sqs:SendMessage"},
    },
}
"""By resource: its construct's path, and what follows its ARN."""


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


def resource_named(resource: dict[str, Any]) -> str:
    """A construct's path, and what follows its ARN."""
    return str(plain(resource)).replace(".Arn", "")


@pytest.mark.parametrize("function", ["Lister", "Fetcher"])
def test_a_function_may_do_what_it_does_and_nothing_else(resources: Resources, function: str) -> None:
    found: dict[str, set[str]] = {}
    for statement in statements(resources, function):
        for resource in listed(statement["Resource"]):
            found.setdefault(resource_named(resource), set()).update(listed(statement["Action"]))
    assert found == ALLOWED[function]


@pytest.mark.parametrize("function", ["Lister", "Fetcher"])
def test_nothing_is_allowed_on_everything(resources: Resources, function: str) -> None:
    found = statements(resources, function)
    assert found
    for statement in found:
        assert statement.keys() == {"Effect", "Action", "Resource"}
        assert statement["Effect"] == "Allow"
        for resource in listed(statement["Resource"]):
            text = json.dumps(resource)
            assert "*" not in text or text.rstrip('"]}').endswith(JUSTIFIED)


def test_nothing_archived_can_be_deleted_or_changed_in_its_rights(resources: Resources) -> None:
    for function in ("Lister", "Fetcher"):
        for statement in statements(resources, function):
            for action in listed(statement["Action"]):
                assert not action.startswith(("s3:Delete", "s3:PutObjectAcl", "s3:PutBucket", "s3:Bypass"))


def test_a_role_is_lambdas_alone_and_has_no_policy_but_its_own(deployed: Deployed) -> None:
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    role = {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]}}
    assert deployed.properties("AWS::IAM::Role") == {"ListerRole": role, "FetcherRole": role}
    policies = deployed.properties("AWS::IAM::Policy")
    held_by = {name: policy["Roles"] for name, policy in policies.items()}
    assert held_by == {f"{name}RoleDefaultPolicy": [f"{name}Role"] for name in ("Lister", "Fetcher")}
