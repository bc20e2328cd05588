"""One way to reach AWS, or the local stand-in for it."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self, overload

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

from infra.errors import InputError

CONNECT_TIMEOUT_SECONDS = 10
CONNECTIONS = 16
"""Kept by each client: the ledger writes as many windows side by side."""
LOCAL_ACCESS_KEY = "test"
"""The access key and the secret of the local stand-in, which takes any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Opens clients. Without an endpoint, everything is as the AWS environment and its files say."""

    endpoint_url: str | None = None
    ca_bundle: str | None = None
    region: str | None = None
    access_key: str | None = None

    @classmethod
    def to_local(cls, *, endpoint_url: str, ca_bundle: str, region: str) -> Self:
        return cls(endpoint_url=endpoint_url, ca_bundle=ca_bundle, region=region, access_key=LOCAL_ACCESS_KEY)

    def stack_outputs(self, stack: str) -> dict[str, str]:
        """By logical name. An absent stack is a ClientError, code ValidationError."""
        stacks = self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in stacks[0].get("Outputs", [])}

    @overload
    def client(self, service: Literal["cloudformation"]) -> "CloudFormationClient": ...
    @overload
    def client(self, service: Literal["cloudwatch"]) -> "CloudWatchClient": ...
    @overload
    def client(self, service: Literal["dynamodb"]) -> "DynamoDBClient": ...
    @overload
    def client(self, service: Literal["lambda"]) -> "LambdaClient": ...
    @overload
    def client(self, service: Literal["logs"]) -> "CloudWatchLogsClient": ...
    @overload
    def client(self, service: Literal["s3"]) -> "S3Client": ...
    @overload
    def client(self, service: Literal["secretsmanager"]) -> "SecretsManagerClient": ...
    @overload
    def client(self, service: Literal["sqs"]) -> "SQSClient": ...
    def client(self, service: Any) -> Any:
        # Imported here: half a second that `--help` need not wait for.
        import boto3
        from botocore.config import Config

        config = Config(
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            max_pool_connections=CONNECTIONS,
            retries={"mode": "standard", "total_max_attempts": 4},
        )
        if self.endpoint_url is None:
            # boto3 itself reads AWS_DEFAULT_REGION alone; the other SDKs and Lambda go by AWS_REGION.
            try:
                return boto3.client(service, region_name=os.environ.get("AWS_REGION") or None, config=config)
            except (
                ValueError
            ) as error:  # of an endpoint or a number in the environment; it may repeat a password
                raise InputError(
                    "The AWS environment cannot be used: look at AWS_ENDPOINT_URL, AWS_MAX_ATTEMPTS and the like."
                ) from error
        # A proxy of the caller's cannot reach this machine's loopback.
        direct = Config(proxies={}, s3={"addressing_style": "path"})
        return boto3.client(
            service,
            endpoint_url=self.endpoint_url,
            verify=self.ca_bundle,
            region_name=self.region,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.access_key,
            aws_session_token=None,
            config=config.merge(direct),
        )
