"""What the deployed stack fixes and the world needs: the table's schema, environments, the queues' numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.synthesis import properties_of, synthesized, table_of

FUNCTION_TIMEOUT_SECONDS: Final = 180
"""The shortest that may be set: what a killed function had begun is begun again sooner, in fewer steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    table: Mapping[str, Any]
    environment: Mapping[str, str]
    """Both functions' variables; without the names of resources."""
    visibility_seconds: int
    most_receives: int


def synthesized_stack() -> Stack:
    """The stack as the app synthesizes it, with the shipped settings but for the functions' time-out."""
    template = synthesized(function_timeout_seconds=FUNCTION_TIMEOUT_SECONDS)
    functions = [
        each["Environment"]["Variables"] for each in properties_of(template, "AWS::Lambda::Function")
    ]
    queues = [each for each in properties_of(template, "AWS::SQS::Queue") if "RedrivePolicy" in each]
    # Consumers' queues aside, both work queues have the same numbers.
    visibility = max(each["VisibilityTimeout"] for each in queues)
    return Stack(
        table=table_of(template),
        environment={
            name: text for each in functions for name, text in each.items() if isinstance(text, str)
        },
        visibility_seconds=visibility,
        most_receives=min(each["RedrivePolicy"]["maxReceiveCount"] for each in queues),
    )
