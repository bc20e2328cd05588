"""The functions' policies as data: what they allow, one permission less, and as MiniStack asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Statement = dict[str, Any]
Allowed = tuple[str, str]
"""An action, and the ARN it is allowed on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """One action of one function on one resource, by a name that a reader knows it by."""

    function: str
    action: str
    resource: str

    @classmethod
    def named(cls, text: str) -> Permission:
        function, action, resource = text.split(" ", 2)
        return cls(function=function, action=action, resource=resource)

    def __str__(self) -> str:
        return f"{self.function} {self.action} {self.resource}"


def listed(value: Any) -> list[Any]:
    """IAM writes a list of one as the one."""
    return value if isinstance(value, list) else [value]


def allowed(statements: Iterable[Statement]) -> Iterator[Allowed]:
    for statement in statements:
        # Anything else would widen or narrow it in a way that is not read here.
        assert statement.keys() == {"Effect", "Action", "Resource"}
        assert statement["Effect"] == "Allow"
        for action in listed(statement["Action"]):
            for resource in listed(statement["Resource"]):
                yield action, resource


def without(statements: Iterable[Statement], removed: set[Allowed]) -> list[Statement]:
    return [
        {"Effect": "Allow", "Action": action, "Resource": resource}
        for action, resource in allowed(statements)
        if (action, resource) not in removed
    ]


def as_ministack_asks(statements: Iterable[Statement], arns_of_secrets: Mapping[str, str]) -> list[Statement]:
    """The same policy for MiniStack, which differs from AWS in two names.

    For a SendMessageBatch it asks for an action of that name, which AWS does not have: sqs:SendMessage it is.
    And a Ref to a secret gives its name and not its ARN, so that the grant names nothing.
    """
    return [
        statement
        | {
            "Action": [
                asked
                for action in listed(statement["Action"])
                for asked in ([action, "sqs:SendMessageBatch"] if action == "sqs:SendMessage" else [action])
            ],
            "Resource": [arns_of_secrets.get(arn, arn) for arn in listed(statement["Resource"])],
        }
        for statement in statements
    ]
