"""Who hears of what is archived: a rule, a queue and a dead-letter queue for each consumer in cdk.json."""

from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.constructs.queues import dead_letter_queue, queue_with_dlq

_VISIBILITY_TIMEOUT = Duration.minutes(5)


class Consumer(Construct):
    def __init__(self, scope: Construct, name: str, *, prefix: str, bucket: s3.IBucket) -> None:
        super().__init__(scope, name)
        self.dlq: sqs.Queue = dead_letter_queue(self, "Dlq")
        self.queue: sqs.Queue = queue_with_dlq(
            self, "Queue", dlq=self.dlq, visibility_timeout=_VISIBILITY_TIMEOUT
        )
        events.Rule(
            self,
            "Rule",
            description=f"Archived objects for the consumer {name}",
            event_pattern=_object_created(bucket, prefix),
            # EventBridge retries for a day by default; what it then gives up on goes to the same queue.
            targets=[targets.SqsQueue(self.queue, dead_letter_queue=self.dlq)],
        )


class Consumers(Construct):
    def __init__(
        self, scope: Construct, construct_id: str, *, prefixes: Mapping[str, str], bucket: s3.IBucket
    ) -> None:
        super().__init__(scope, construct_id)
        self.by_name = {
            name: Consumer(self, name, prefix=prefix, bucket=bucket) for name, prefix in prefixes.items()
        }

    def queue_urls(self) -> dict[str, str]:
        return {name: consumer.queue.queue_url for name, consumer in self.by_name.items()}


def _object_created(bucket: s3.IBucket, prefix: str) -> events.EventPattern:
    detail: dict[str, object] = {"bucket": {"name": [bucket.bucket_name]}}
    if prefix:
        detail["object"] = {"key": [{"prefix": prefix}]}
    return events.EventPattern(source=["aws.s3"], detail_type=["Object Created"], detail=detail)
