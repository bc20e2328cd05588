"""Work in flight: windows to list and calls to visit, each queue with its dead-letter queue."""

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.acknowledgements import SERVERLESS, acknowledge, across
from infra.config import DLQ_RETENTION_DAYS, MAX_RECEIVE_COUNT, QUEUE_RETENTION_DAYS

# What Lambda asks of the role that it reads a queue with: no GetQueueUrl, no ChangeMessageVisibility.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-lambda-function-trigger.html
_FEEDING_ACTIONS = ("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage")


def dead_letter_queue(scope: Construct, construct_id: str) -> sqs.Queue:
    queue = sqs.Queue(
        scope,
        construct_id,
        retention_period=Duration.days(DLQ_RETENTION_DAYS),
        encryption=sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
    )
    acknowledge(
        queue,
        "This is a dead-letter queue itself: a message in it raises an alarm and waits for an operator.",
        *across("SQSRedrivePolicy", SERVERLESS),
    )
    _acknowledge_encryption(queue)
    return queue


def queue_with_dlq(
    scope: Construct, construct_id: str, *, dlq: sqs.Queue, visibility_timeout: Duration
) -> sqs.Queue:
    queue = sqs.Queue(
        scope,
        construct_id,
        visibility_timeout=visibility_timeout,
        retention_period=Duration.days(QUEUE_RETENTION_DAYS),
        dead_letter_queue=sqs.DeadLetterQueue(queue=dlq, max_receive_count=MAX_RECEIVE_COUNT),
        encryption=sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
    )
    _acknowledge_encryption(queue)
    return queue


def _acknowledge_encryption(queue: sqs.Queue) -> None:
    acknowledge(
        queue,
        "It is encrypted, by SQS's own key, which this check does not know of. Messages hold ids and keys of"
        " objects; a KMS key would cost a dollar a month and a request for each batch.",
        "CKV_AWS_27",
    )


def grant_sending(queue: sqs.IQueue, grantee: iam.IGrantable) -> None:
    """Not the L2's own grant, which adds two ways to ask about the queue."""
    _grant(queue, grantee, ("sqs:SendMessage",))


def grant_measuring(queue: sqs.IQueue, grantee: iam.IGrantable) -> None:
    _grant(queue, grantee, ("sqs:GetQueueAttributes",))


def grant_feeding(queue: sqs.IQueue, grantee: iam.IGrantable) -> None:
    """For the function that Lambda brings the queue's messages to."""
    _grant(queue, grantee, _FEEDING_ACTIONS)


def _grant(queue: sqs.IQueue, grantee: iam.IGrantable, actions: tuple[str, ...]) -> None:
    iam.Grant.add_to_principal(grantee=grantee, actions=list(actions), resource_arns=[queue.queue_arn])


class WorkQueues(Construct):
    def __init__(self, scope: Construct, construct_id: str, *, visibility_timeout: Duration) -> None:
        super().__init__(scope, construct_id)
        self.windows_dlq = dead_letter_queue(self, "WindowsDlq")
        self.windows = queue_with_dlq(
            self, "Windows", dlq=self.windows_dlq, visibility_timeout=visibility_timeout
        )
        self.fetch_dlq = dead_letter_queue(self, "FetchDlq")
        self.fetch = queue_with_dlq(self, "Fetch", dlq=self.fetch_dlq, visibility_timeout=visibility_timeout)
