"""The fetcher as Lambda invokes it, and the same work done one file after another."""

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import boto3
import requests

from tests.benchmarks.served import DIGESTS_PATH

TABLE, BUCKET, SECRET = "bench-table", "bench-bucket", "bench-secret"
REQUESTS_PER_SECOND = 10_000
"""So high that the provider's budget, which a deployment keeps, does not decide the outcome."""


class MeasureError(Exception):
    """What was measured is not the whole work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    provider_url: str
    sink_url: str
    ca_bundle: str
    customer_id: str
    api_key: str

    def environment(self) -> dict[str, str]:
        """What Lambda, the stack and the SDK would find in the function's environment."""
        return {
            "TABLE_NAME": TABLE,
            "BUCKET_NAME": BUCKET,
            "SECRET_ID": SECRET,
            "FETCH_QUEUE_URL": f"{self.sink_url}/000000000000/fetch",
            "WINDOWS_QUEUE_URL": f"{self.sink_url}/000000000000/windows",
            "PROVIDER_URL": self.provider_url,
            "RECORDING_HOSTS": "telesign.com",
            "REQUESTS_PER_SECOND": str(REQUESTS_PER_SECOND),
            "ARCHIVE_FROM": "2020-01-01T00:00:00",
            "OVERLAP_SECONDS": "900",
            "RECHECK_DAYS": "7",
            "FETCH_QUEUE_TARGET": "1000",
            "TRANSCRIPT_GRACE_SECONDS": "600",
            "TRANSCRIPT_DEADLINE_SECONDS": "86400",
            "RETRY_DEADLINE_SECONDS": "604800",
            "TRANSCRIPT_FAILURES": "failed",
            "LEASE_SECONDS": "1200",
            "POWERTOOLS_SERVICE_NAME": "fetcher",
            "POWERTOOLS_METRICS_NAMESPACE": "CallArchive",
            "POWERTOOLS_LOG_LEVEL": "INFO",
            "AWS_ENDPOINT_URL": self.sink_url,
            "AWS_CA_BUNDLE": self.ca_bundle,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def totals(self) -> dict[str, int]:
        """What the sink has taken so far."""
        totals: dict[str, int] = requests.get(self.sink_url, verify=self.ca_bundle, timeout=20).json()
        return totals

    def digests(self) -> dict[str, str]:
        """Of each object that the sink has taken, by key."""
        url = f"{self.sink_url}{DIGESTS_PATH}"
        digests: dict[str, str] = requests.get(url, verify=self.ca_bundle, timeout=20).json()
        return digests


class _Context:
    aws_request_id = "00000000-0000-0000-0000-000000000000"
    function_name = "fetcher"
    memory_limit_in_mb = 1024
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:fetcher"

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


def sqs_event(reference_ids: Sequence[str]) -> dict[str, Any]:
    sent = str(int(time.time() * 1000))
    return {
        "Records": [
            {
                "messageId": reference_id,
                "receiptHandle": "handle",
                "body": json.dumps({"reference_id": reference_id, "hop": 0}),
                "attributes": {
                    "ApproximateReceiveCount": "1",
                    "SentTimestamp": sent,
                    "SenderId": "bench",
                    "ApproximateFirstReceiveTimestamp": sent,
                },
                "messageAttributes": {},
                "md5OfBody": "",
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:fetch",
                "awsRegion": "us-east-1",
            }
            for reference_id in reference_ids
        ]
    }


def invoke(reference_ids: Sequence[str]) -> None:
    """One invocation of the real handler; raises unless it succeeded for every message."""
    from call_archive.fetcher import handler  # noqa: PLC0415 - what is measured is imported when it is measured

    answer = handler(sqs_event(reference_ids), _Context())
    if answer["batchItemFailures"]:
        raise MeasureError(f"the fetcher failed {len(answer['batchItemFailures'])} of {len(reference_ids)}")


def one_by_one(servers: Servers) -> Callable[[Sequence[str]], None]:
    """The plain script: ask, download whole, put, note; then the next."""
    s3, dynamodb = boto3.client("s3"), boto3.client("dynamodb")

    def archive(reference_id: str) -> None:
        url = f"{servers.provider_url}/v2/call_recording/{reference_id}"
        auth, headers = (servers.customer_id, servers.api_key), {"Content-Type": "application/json"}
        for row in requests.get(url, auth=auth, headers=headers, timeout=20).json():
            key = f"plain/{row['file_name']}"
            content = requests.get(row["url"], timeout=20).content
            s3.put_object(Bucket=BUCKET, Key=key, Body=content)
            transcript = json.dumps(row["transcribe"]).encode()
            s3.put_object(Bucket=BUCKET, Key=f"{key}.json", Body=transcript)
            item: Any = {"pk": {"S": key}, "at": {"S": datetime.now(UTC).isoformat()}}
            dynamodb.put_item(TableName=TABLE, Item=item)

    def archive_all(reference_ids: Sequence[str]) -> None:
        for reference_id in reference_ids:
            archive(reference_id)

    return archive_all
