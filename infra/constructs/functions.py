"""The two functions, their shared dependencies and settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.acknowledgements import HIPAA, NIST, PCI, SERVERLESS, acknowledge, across
from infra.config import LOG_RETENTION_DAYS, Config
from infra.constructs.queues import grant_sending
from infra.packaging.layer import Layer

_CODE = Path(__file__).resolve().parents[2] / "functions"
_ARCHITECTURE = lambda_.Architecture.ARM_64
_RUNTIME = lambda_.Runtime.PYTHON_3_14


class Dependencies(Construct):
    """One layer for both functions, so that a change of our code uploads our code alone."""

    def __init__(self, scope: Construct, construct_id: str, layer: Layer) -> None:
        super().__init__(scope, construct_id)
        self.layer = lambda_.LayerVersion(
            self,
            "Layer",
            code=lambda_.Code.from_asset(str(layer.path), asset_hash=layer.fingerprint),
            compatible_architectures=[_ARCHITECTURE],
            compatible_runtimes=[_RUNTIME],
            description="boto3, requests and Powertools, pinned",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What both functions get alike."""

    config: Config
    dependencies: Dependencies
    resources: Mapping[str, str]
    """Environment variables that name the stack's own resources."""


class ArchiveFunction(Construct):
    """A function with a role that may do nothing but write its own log; stack.py grants the rest."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        shared: Shared,
        *,
        service: str,
        description: str,
        memory_mb: int,
        requests_per_second: float,
    ) -> None:
        super().__init__(scope, construct_id)
        days = shared.config.log_retention_days
        log_group = logs.LogGroup(
            self,
            "Log",
            retention=logs.RetentionDays[LOG_RETENTION_DAYS[days]],
            removal_policy=RemovalPolicy.DESTROY,
        )
        acknowledge(
            log_group,
            "CloudWatch Logs encrypts it with a key of its own. No line holds a credential or a link (a test"
            " plants some and looks); a KMS key costs a dollar a month.",
            *across("CloudWatchLogGroupEncrypted", NIST, HIPAA, PCI),
            "CKV_AWS_158",
        )
        # Lambda's default role may write every log group of the account.
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        log_group.grant_write(role)
        acknowledge(
            role.node.find_child("DefaultPolicy"),
            "It is of use to this role alone, and is gone with it; it cannot be attached to anything else.",
            *across("IAMNoInlinePolicy", NIST, HIPAA, PCI),
        )
        self.function = lambda_.Function(
            self,
            "Function",
            description=description,
            runtime=_RUNTIME,
            architecture=_ARCHITECTURE,
            code=lambda_.Code.from_asset(str(_CODE), exclude=["**/__pycache__", "**/*.pyc"]),
            handler=f"call_archive.{service}.handler",
            layers=[shared.dependencies.layer],
            memory_size=memory_mb,
            timeout=Duration.seconds(shared.config.function_timeout_seconds),
            role=role,
            log_group=log_group,
            environment={
                **shared.resources,
                **_settings(shared.config),
                **_telemetry(shared.config, service),
                "REQUESTS_PER_SECOND": f"{requests_per_second:.6g}",
            },
        )
        self._acknowledge()

    def feed_from(
        self,
        queue: sqs.IQueue,
        *,
        batch_size: int,
        max_concurrency: int,
        max_batching_window: Duration | None = None,
    ) -> None:
        # A mapping, and not the L2's SqsEventSource, which grants more than Lambda asks for.
        mapping = self.function.add_event_source_mapping(
            "Feed",
            event_source_arn=queue.queue_arn,
            batch_size=batch_size,
            max_batching_window=max_batching_window,
            max_concurrency=max_concurrency,
            report_batch_item_failures=True,
        )
        acknowledge(
            mapping,
            "Lambda has no such destination for a queue: what fails 5 times goes to the queue's own dead-letter"
            " queue.",
            *across("LambdaEventSourceMappingDestination", SERVERLESS),
        )

    def _acknowledge(self) -> None:
        function = self.function
        acknowledge(
            function,
            "It speaks to a provider on the public internet. A VPC would need a NAT gateway for that, for over 30"
            " dollars a month and a charge on each recording's bytes, and would protect nothing: nothing connects"
            " to a function.",
            *across("LambdaInsideVPC", NIST, HIPAA, PCI),
            "CKV_AWS_117",
        )
        acknowledge(
            function,
            "The queues' MaximumConcurrency limits it. Reserving would take from what the account's other functions"
            " have, and new accounts have nothing to reserve: the deployment would fail.",
            *across("LambdaConcurrency", NIST, HIPAA),
            "CKV_AWS_115",
        )
        acknowledge(
            function,
            "Nothing is dropped: its queue has a dead-letter queue, and what invokes it on a schedule has an"
            " on-failure destination, which is asked for in place of this.",
            *across("LambdaDLQ", NIST, HIPAA, SERVERLESS),
            "CKV_AWS_116",
        )
        acknowledge(
            function,
            "Each decision is a log line with the call's id, which finds all about a call. Traces cost 5 dollars a"
            " million, and writing them wants a permission on every resource.",
            *across("LambdaTracing", SERVERLESS),
        )
        acknowledge(
            function,
            "The variables hold names and numbers; the credentials are in Secrets Manager. Lambda encrypts them"
            " with a key of its own.",
            "CKV_AWS_173",
        )
        acknowledge(
            function,
            "The CDK adds this dependency on the role beside that on its policy; it changes nothing.",
            "W3005",
        )


class Lister(ArchiveFunction):
    def __init__(
        self, scope: Construct, construct_id: str, shared: Shared, *, on_failure: sqs.IQueue
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            shared,
            service="lister",
            description="Lists the provider's recordings and enqueues the calls to visit",
            memory_mb=512,
            requests_per_second=shared.config.lister_requests_per_second,
        )
        self._keep_failed_events(on_failure)

    def _keep_failed_events(self, queue: sqs.IQueue) -> None:
        """Scheduled events are asynchronous: after its retries Lambda would drop them."""
        grant_sending(queue, self.function)
        destination = lambda_.CfnEventInvokeConfig.OnFailureProperty(destination=queue.queue_arn)
        # The L2's own destination would let the function ask about the queue as well.
        lambda_.CfnEventInvokeConfig(
            self,
            "FailedEvents",
            function_name=self.function.function_name,
            qualifier="$LATEST",
            maximum_retry_attempts=2,
            destination_config=lambda_.CfnEventInvokeConfig.DestinationConfigProperty(on_failure=destination),
        )


class Fetcher(ArchiveFunction):
    def __init__(self, scope: Construct, construct_id: str, shared: Shared) -> None:
        super().__init__(
            scope,
            construct_id,
            shared,
            service="fetcher",
            description="Archives the recordings and transcripts of the calls that its messages name",
            memory_mb=1024,
            requests_per_second=shared.config.fetcher_requests_per_second,
        )


def _settings(config: Config) -> dict[str, str]:
    return {
        "PROVIDER_URL": config.provider_url,
        "RECORDING_HOSTS": ",".join(config.recording_hosts),
        "ARCHIVE_FROM": f"{config.archive_from:%Y-%m-%dT%H:%M:%S}",
        "OVERLAP_SECONDS": str(config.overlap_minutes * 60),
        "RECHECK_DAYS": str(config.recheck_days),
        "FETCH_QUEUE_TARGET": str(config.fetch_queue_target),
        "TRANSCRIPT_GRACE_SECONDS": str(config.transcript_grace_seconds),
        "TRANSCRIPT_DEADLINE_SECONDS": str(config.transcript_deadline_hours * 3600),
        "RETRY_DEADLINE_SECONDS": str(config.retry_deadline_days * 86_400),
        "TRANSCRIPT_FAILURES": ",".join(config.transcript_failures),
        "LEASE_SECONDS": str(config.lease_seconds),
    }


def _telemetry(config: Config, service: str) -> dict[str, str]:
    return {
        "POWERTOOLS_SERVICE_NAME": service,
        "POWERTOOLS_METRICS_NAMESPACE": config.metrics_namespace,
        "POWERTOOLS_LOG_LEVEL": "INFO",
    }
