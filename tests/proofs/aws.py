"""An account with the archive's resources: in memory, on an embedded AWS, or as a stack has deployed them."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Final, Self
from unittest.mock import patch

import boto3
from botocore.client import BaseClient
from moto import mock_aws
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb import models as moto_dynamodb
from moto.sqs import models as moto_sqs

from call_archive.model.object_key import Origin
from call_archive.storage.ledger import Ledger
from infra.deployment import Deployment
from infra.simulator import TrueFile
from tests.synthesis import properties_of, synthesized, table_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

REGION: Final = "eu-central-1"
NAME, SECRET = "archive", "credentials"
QUEUES: Final = ("windows", "fetch")
FUNCTION_TIMEOUT_SECONDS: Final = 180
"""The shortest that may be set: what a killed function had begun is begun again sooner, in fewer steps."""
SESSION: Final = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)
"""One for all accounts in memory: it keeps the service models that it has read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """What the template fixes: the table's schema, the functions' environment, the queues' numbers."""

    table: Mapping[str, Any]
    environment: Mapping[str, str]
    """Both functions' variables; without the names of resources."""
    visibility_seconds: int
    most_receives: int

    @classmethod
    def synthesized(cls) -> Self:
        """As the app synthesizes it, with the shipped settings but for the functions' time-out."""
        template = synthesized(function_timeout_seconds=FUNCTION_TIMEOUT_SECONDS)
        functions = [
            each["Environment"]["Variables"] for each in properties_of(template, "AWS::Lambda::Function")
        ]
        queues = [each for each in properties_of(template, "AWS::SQS::Queue") if "RedrivePolicy" in each]
        variables = [(name, text) for each in functions for name, text in each.items()]
        return cls(
            table=table_of(template),
            environment={name: text for name, text in variables if isinstance(text, str)},
            # Consumers' queues aside, both work queues have the same numbers.
            visibility_seconds=max(each["VisibilityTimeout"] for each in queues),
            most_receives=min(each["RedrivePolicy"]["maxReceiveCount"] for each in queues),
        )


@dataclass(frozen=True, kw_only=True)
class Account:
    dynamodb: "DynamoDBClient"
    s3: "S3Client"
    sqs: "SQSClient"
    table: str
    bucket: str
    urls: Mapping[str, str]
    """Of the queues, and of each one's dead-letter queue, `NAME-dlq`."""
    readers: int = 1
    """How many read objects side by side."""

    @classmethod
    def created(cls, client: Callable[[Any], Any], stack: Stack, name: str = NAME) -> Self:
        """Everything anew, and empty."""
        dynamodb, s3, sqs = map(client, ("dynamodb", "s3", "sqs"))
        dynamodb.create_table(TableName=name, **stack.table)
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        urls: dict[str, str] = {}
        for queue in QUEUES:
            urls |= _queue_with_dlq(sqs, f"{name}-{queue}", queue, stack)
        return cls(dynamodb=dynamodb, s3=s3, sqs=sqs, table=name, bucket=name, urls=urls)

    @classmethod
    def of(cls, deployment: Deployment) -> Self:
        client = deployment.connection.client
        return cls(
            dynamodb=client("dynamodb"),
            s3=client("s3"),
            sqs=client("sqs"),
            table=deployment.table,
            bucket=deployment.bucket,
            urls={
                "fetch": deployment.fetch_queue_url,
                "fetch-dlq": deployment.fetch_dlq_url,
                "windows": deployment.windows_queue_url,
                "windows-dlq": deployment.windows_dlq_url,
                "schedule-dlq": deployment.schedule_dlq_url,
            },
            readers=8,
        )

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self.dynamodb, self.table)

    def items(self) -> Iterator[dict[str, Any]]:
        for page in self.dynamodb.get_paginator("scan").paginate(TableName=self.table, ConsistentRead=True):
            yield from page["Items"]

    def uploads(self) -> list[str]:
        """Keys of those that were begun and not ended."""
        return [each["Key"] for each in self.s3.list_multipart_uploads(Bucket=self.bucket).get("Uploads", [])]

    def receive(self, queue: str, most: int) -> list[dict[str, Any]]:
        answer = self.sqs.receive_message(QueueUrl=self.urls[queue], MaxNumberOfMessages=most)
        return [dict(message) for message in answer.get("Messages", [])]

    def delete(self, queue: str, message: Mapping[str, Any]) -> None:
        self.sqs.delete_message(QueueUrl=self.urls[queue], ReceiptHandle=message["ReceiptHandle"])

    def give_back(self, queue: str, message: Mapping[str, Any]) -> None:
        """It can be received at once."""
        self.sqs.change_message_visibility(
            QueueUrl=self.urls[queue], ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
        )

    def put(self, file: TrueFile) -> str:
        """Puts a recording where it belongs, as a visit that was cut short would have; the object's version."""
        origin = Origin(reference_id=file.reference_id, file_name=file.file_name, recorded_at=file.created_at)
        stored = self.s3.put_object(
            Bucket=self.bucket, Key=origin.recording_key, Body=file.audio(), ChecksumAlgorithm="SHA256"
        )
        return str(stored["VersionId"])

    def dead_letters(self) -> dict[str, list[str]]:
        """Bodies, by queue."""
        return {name: self._lying(name) for name in self.urls if name.endswith("-dlq")}

    def _lying(self, queue: str) -> list[str]:
        taken: list[dict[str, Any]] = []
        while found := self.receive(queue, 10):
            taken += found
        for message in taken:  # the next look finds them too
            self.give_back(queue, message)
        return [str(message["Body"]) for message in taken]


class InMemory(Account):
    """moto's: what lies there can be looked at as it is, in no time, and without being taken."""

    def items(self) -> Iterator[dict[str, Any]]:
        table = moto_dynamodb.dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].get_table(self.table)
        for item in list(table.all_items()):
            yield item.to_json()["Attributes"]

    def next_at(self, queue: str) -> datetime | None:
        """When the next message of a queue can be received; None when it is empty."""
        # moto shows a message again when its visibility timeout has passed by a moment.
        moments = [max(each.visible_at + 1, each.delayed_until) for each in self._messages(queue)]
        return datetime.fromtimestamp(min(moments) / 1000, UTC) if moments else None

    def _lying(self, queue: str) -> list[str]:
        return [str(each.body) for each in self._messages(queue)]

    def _messages(self, queue: str) -> list[Any]:
        backend = moto_sqs.sqs_backends[DEFAULT_ACCOUNT_ID][REGION]
        return list(backend.queues[self.urls[queue].rpartition("/")[2]]._messages)


@contextmanager
def account_in_memory(
    stack: Stack, credentials: Mapping[str, str], seconds: Callable[[], float]
) -> Iterator[InMemory]:
    """An account with the archive's resources and nothing in them; its SQS goes by the virtual clock."""
    with (
        mock_aws(),
        patch.object(boto3, "DEFAULT_SESSION", SESSION),
        patch.object(moto_sqs, "unix_time", seconds),
        patch.object(moto_sqs, "unix_time_millis", lambda: seconds() * 1000),
        _checksums_kept(),
    ):
        account = InMemory.created(_client, stack)
        _client("secretsmanager").create_secret(Name=SECRET, SecretString=json.dumps(credentials))
        yield account


@cache
def _client(service: Any) -> Any:
    """One for all accounts in memory: making it takes longer than all that an empty account is asked."""
    return SESSION.client(service)


def _checksums_kept() -> AbstractContextManager[object]:
    """moto keeps a checksum, and answers with it, only when its algorithm is named too."""
    make_api_call: Any = BaseClient._make_api_call  # type: ignore[attr-defined]

    def named(client: Any, operation: str, request: dict[str, Any]) -> Any:
        if operation == "PutObject" and "ChecksumSHA256" in request:
            request = {**request, "ChecksumAlgorithm": "SHA256"}
        return make_api_call(client, operation, request)

    return patch.object(BaseClient, "_make_api_call", named)


def _queue_with_dlq(sqs: "SQSClient", name: str, queue: str, stack: Stack) -> dict[str, str]:
    dlq = sqs.create_queue(QueueName=f"{name}-dlq")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dlq, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = {"deadLetterTargetArn": arn, "maxReceiveCount": stack.most_receives}
    attributes: Any = {
        "VisibilityTimeout": str(stack.visibility_seconds),
        "RedrivePolicy": json.dumps(redrive),
    }
    return {
        queue: sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"],
        f"{queue}-dlq": dlq,
    }
