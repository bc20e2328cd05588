"""Work in flight: windows to list and calls to visit, each queue with its dead-letter queue."""

from aws_cdk import Duration
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.config import (
    DLQ_RETENTION_DAYS,
    MAX_RECEIVE_COUNT,
    QUEUE_RETENTION_DAYS,
)


def dead_letter_queue(scope: Construct, construct_id: str) -> sqs.Queue:
    return sqs.Queue(
        scope,
        construct_id,
        retention_period=Duration.days(DLQ_RETENTION_DAYS),
        encryption=sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
    )


def queue_with_dlq(
    scope: Construct, construct_id: str, *, dlq: sqs.Queue, visibility_timeout: Duration
) -> sqs.Queue:
    return sqs.Queue(
        scope,
        construct_id,
        visibility_timeout=visibility_timeout,
        retention_period=Duration.days(QUEUE_RETENTION_DAYS),
        dead_letter_queue=sqs.DeadLetterQueue(queue=dlq, max_receive_count=MAX_RECEIVE_COUNT),
        encryption=sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
    )


class WorkQueues(Construct):
    def __init__(self, scope: Construct, construct_id: str, *, visibility_timeout: Duration) -> None:
        super().__init__(scope, construct_id)
        self.windows_dlq = dead_letter_queue(self, "WindowsDlq")
        self.windows = queue_with_dlq(
            self, "Windows", dlq=self.windows_dlq, visibility_timeout=visibility_timeout
        )
        self.fetch_dlq = dead_letter_queue(self, "FetchDlq")
        self.fetch = queue_with_dlq(self, "Fetch", dlq=self.fetch_dlq, visibility_timeout=visibility_timeout)
