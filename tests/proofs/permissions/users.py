"""Users of the account, with a policy of their own; MiniStack refuses its root nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError

from tests.proofs.permissions.policies import as_ministack_asks

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.proofs.permissions.enforced_stack import EnforcedStack
    from tests.proofs.permissions.policies import Statement

EVERYTHING: Statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def refusal(ask: Callable[[], object]) -> str:
    """The code it is refused with; empty when it is not."""
    try:
        ask()
    except ClientError as error:
        return error.response["Error"]["Code"]
    return ""


@dataclass(frozen=True, slots=True)
class User:
    stack: EnforcedStack
    name: str
    key: dict[str, str]

    @classmethod
    def create(cls, stack: EnforcedStack, name: str) -> User:
        iam = stack.client("iam")
        iam.create_user(UserName=name)
        return cls(stack, name, iam.create_access_key(UserName=name)["AccessKey"])

    def allow(self, statements: list[Statement]) -> None:
        """These and nothing else."""
        document = {"Version": "2012-10-17", "Statement": as_ministack_asks(statements, {})}
        self.stack.client("iam").put_user_policy(
            UserName=self.name, PolicyName=self.name, PolicyDocument=json.dumps(document)
        )

    def environment(self) -> dict[str, str]:
        at = self.stack.deployment.connection
        return {
            "AWS_ENDPOINT_URL": at.endpoint_url or "",
            "AWS_CA_BUNDLE": at.ca_bundle or "",
            "AWS_REGION": at.region or "",
            "AWS_DEFAULT_REGION": at.region or "",
            "AWS_ACCESS_KEY_ID": self.key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": self.key["SecretAccessKey"],
            "NO_PROXY": "127.0.0.1",
        }

    def client(self, service: str) -> Any:
        at = self.stack.deployment.connection
        session: Any = boto3.Session(
            aws_access_key_id=self.key["AccessKeyId"],
            aws_secret_access_key=self.key["SecretAccessKey"],
            region_name=at.region,
        )
        return session.client(service, endpoint_url=at.endpoint_url, verify=at.ca_bundle)
