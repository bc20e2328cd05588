"""Each permission of each function: what needs it and how its absence is told, or why that cannot be shown here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.proofs.permissions.exercises import (
    Loud,
    listing,
    listing_anew,
    tick,
    visit,
    visit_again,
    visit_anew,
    visit_too_soon,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.proofs.permissions.enforced_stack import EnforcedStack
    from tests.proofs.permissions.exercises import Attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    exercise: Callable[[EnforcedStack], Attempt]
    loud: Loud
    told: str


def message(exercise: Callable[[EnforcedStack], Attempt], operation: str) -> Need:
    return Need(exercise=exercise, loud=Loud.FAILED_MESSAGE, told=f"AWS refused {operation} (AccessDenied")


def invocation(operation: str, code: str = "AccessDeniedException") -> Need:
    told = f"An error occurred ({code}) when calling the {operation} operation"
    return Need(exercise=tick, loud=Loud.FAILED_INVOCATION, told=told)


def open_call(exercise: Callable[[EnforcedStack], Attempt], told: str) -> Need:
    return Need(exercise=exercise, loud=Loud.OPEN_CALL, told=told)


SECRET = "the secret with the provider's credentials cannot be read"
NOT_TAKEN = "S3 did not take or show the object (AccessDenied)"
NOT_SHOWN = "S3 did not take or show the object (403)"

NEEDED = {
    "fetcher dynamodb:GetItem table": message(visit, "GetItem"),
    "fetcher dynamodb:PutItem table": message(visit, "PutItem"),
    "fetcher s3:PutObject recordings": open_call(visit, NOT_TAKEN),
    "fetcher s3:PutObject transcripts": open_call(visit, NOT_TAKEN),
    "fetcher s3:GetObject recordings": open_call(visit_again, NOT_SHOWN),
    "fetcher s3:GetObject transcripts": open_call(visit_again, NOT_SHOWN),
    "fetcher secretsmanager:GetSecretValue secret": open_call(visit_anew, SECRET),
    "fetcher sqs:SendMessage fetch queue": message(visit_too_soon, "SendMessageBatch"),
    "lister dynamodb:BatchGetItem table": message(listing, "BatchGetItem"),
    "lister dynamodb:DeleteItem table": message(listing, "DeleteItem"),
    "lister dynamodb:GetItem table": message(listing, "GetItem"),
    "lister dynamodb:PutItem table": message(listing, "PutItem"),
    "lister dynamodb:Query open index": invocation("Query"),
    "lister dynamodb:UpdateItem table": invocation("UpdateItem"),
    "lister secretsmanager:GetSecretValue secret": Need(
        exercise=listing_anew, loud=Loud.OWED_WINDOW, told=SECRET
    ),
    "lister sqs:GetQueueAttributes fetch queue": invocation("GetQueueAttributes", "AccessDenied"),
    "lister sqs:SendMessage fetch queue": message(listing, "SendMessageBatch"),
    "lister sqs:SendMessage windows queue": invocation("SendMessageBatch", "AccessDenied"),
}
"""What takes a whole statement away takes at least one of these."""

OF_THE_RUNTIME = (
    "Lambda writes the log with the function's role. "
    "https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html"
)
OF_THE_POLLER = (
    "Lambda reads the queue with the function's role. https://docs.aws.amazon.com/"
    "AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-lambda-function-trigger.html"
)
OF_THE_DESTINATION = (
    "Lambda keeps a failed event with the function's role. "
    "https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html"
)
NOT_ASKED_HERE = {
    "fetcher logs:CreateLogStream log": OF_THE_RUNTIME,
    "fetcher logs:PutLogEvents log": OF_THE_RUNTIME,
    "fetcher sqs:DeleteMessage fetch queue": OF_THE_POLLER,
    "fetcher sqs:GetQueueAttributes fetch queue": OF_THE_POLLER,
    "fetcher sqs:ReceiveMessage fetch queue": OF_THE_POLLER,
    "lister logs:CreateLogStream log": OF_THE_RUNTIME,
    "lister logs:PutLogEvents log": OF_THE_RUNTIME,
    "lister sqs:DeleteMessage windows queue": OF_THE_POLLER,
    "lister sqs:GetQueueAttributes windows queue": OF_THE_POLLER,
    "lister sqs:ReceiveMessage windows queue": OF_THE_POLLER,
    "lister sqs:SendMessage schedule dlq": OF_THE_DESTINATION,
}
"""What AWS does for a function with its role, and MiniStack without asking: test_not_asked.py shows that."""
