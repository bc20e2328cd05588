"""The two SQS queues: hints of what to do now. What is pending stands in the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from call_archive.errors import RetryableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_sqs import SQSClient

    from call_archive.model.message import VisitMessage, WindowMessage

SEND_BATCH = 10
"""SQS's most messages in a SendMessageBatch."""


@dataclass(frozen=True, slots=True)
class Queue:
    client: SQSClient
    url: str

    def send(self, messages: Sequence[VisitMessage | WindowMessage], *, delay_seconds: int = 0) -> None:
        """Sends all, or raises RetryableError when SQS would not take some: it answers 200 even then."""
        for start in range(0, len(messages), SEND_BATCH):
            self._send_batch(messages[start : start + SEND_BATCH], delay_seconds)

    def length(self) -> int:
        """About how many messages wait or are being worked on; not those that are delayed."""
        answer = self.client.get_queue_attributes(
            QueueUrl=self.url,
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )
        return sum(int(count) for count in answer["Attributes"].values())

    def _send_batch(self, messages: Sequence[VisitMessage | WindowMessage], delay_seconds: int) -> None:
        unsent = {str(index): message.to_json() for index, message in enumerate(messages)}
        for _ in range(3):
            answer = self.client.send_message_batch(
                QueueUrl=self.url,
                Entries=[
                    {"Id": index, "MessageBody": body, "DelaySeconds": delay_seconds}
                    for index, body in unsent.items()
                ],
            )
            for sent in answer.get("Successful", []):
                unsent.pop(sent["Id"], None)
            if not unsent:
                return
        raise RetryableError(f"the queue would not take {len(unsent)} messages")
