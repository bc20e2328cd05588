"""AWS in memory, with the template's table and queues; moto's SQS runs by the virtual clock."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

import boto3
from moto import mock_aws
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.sqs import models as moto_sqs

from tests.proofs.crashes.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

REGION: Final = "eu-central-1"
TABLE, BUCKET, SECRET = "ledger", "archive", "credentials"
QUEUES: Final = ("windows", "fetch")
ACCOUNT: Final = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
}
SESSION: Final = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)
"""One for all worlds: it keeps the service models that it has read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aws:
    dynamodb: "DynamoDBClient"
    s3: "S3Client"
    sqs: "SQSClient"
    urls: dict[str, str]
    """Of the queues, and of each one's dead-letter queue, `NAME-dlq`."""

    def receive(self, queue: str, most: int) -> list[dict[str, Any]]:
        answer = self.sqs.receive_message(QueueUrl=self.urls[queue], MaxNumberOfMessages=most)
        return [dict(message) for message in answer.get("Messages", [])]

    def delete(self, queue: str, message: dict[str, Any]) -> None:
        self.sqs.delete_message(QueueUrl=self.urls[queue], ReceiptHandle=message["ReceiptHandle"])

    def next_at(self, queue: str) -> datetime | None:
        """When the next message of a queue can be received; None when it is empty."""
        # moto shows a message again when its visibility timeout has passed by a moment.
        moments = [max(each.visible_at + 1, each.delayed_until) for each in _messages(queue)]
        return datetime.fromtimestamp(min(moments) / 1000, UTC) if moments else None

    def dead_letters(self) -> list[str]:
        return [str(each.body) for queue in QUEUES for each in _messages(f"{queue}-dlq")]


def _messages(queue: str) -> list[Any]:
    backend = moto_sqs.sqs_backends[DEFAULT_ACCOUNT_ID][REGION]
    return list(backend.queues[queue]._messages)


@contextmanager
def aws_in_memory(stack: Stack, credentials: dict[str, str], seconds: Callable[[], float]) -> Iterator[Aws]:
    """An account with the archive's resources and nothing in them."""
    with (
        mock_aws(),
        patch.object(boto3, "DEFAULT_SESSION", SESSION),
        patch.object(moto_sqs, "unix_time", seconds),
        patch.object(moto_sqs, "unix_time_millis", lambda: seconds() * 1000),
    ):
        sqs, s3, dynamodb = boto3.client("sqs"), boto3.client("s3"), boto3.client("dynamodb")
        dynamodb.create_table(TableName=TABLE, **stack.table)
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        text = json.dumps(credentials)
        boto3.client("secretsmanager").create_secret(Name=SECRET, SecretString=text)
        urls: dict[str, str] = {}
        for queue in QUEUES:
            urls |= _queue_with_dlq(sqs, queue, stack)
        yield Aws(dynamodb=dynamodb, s3=s3, sqs=sqs, urls=urls)


def _queue_with_dlq(sqs: "SQSClient", name: str, stack: Stack) -> dict[str, str]:
    dlq = sqs.create_queue(QueueName=f"{name}-dlq")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dlq, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = {"deadLetterTargetArn": arn, "maxReceiveCount": stack.most_receives}
    attributes: Any = {
        "VisibilityTimeout": str(stack.visibility_seconds),
        "RedrivePolicy": json.dumps(redrive),
    }
    return {name: sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"], f"{name}-dlq": dlq}
