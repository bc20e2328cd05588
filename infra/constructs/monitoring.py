"""What raises an alarm, and what the dashboard shows."""

from collections.abc import Mapping

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.acknowledgements import HIPAA, NIST, PCI, SERVERLESS, acknowledge, across
from infra.config import CONSUMER_AGE_ALARM_SECONDS, OLDEST_OPEN_CALL_ALARM_SECONDS, Config

_FIVE_MINUTES = Duration.minutes(5)
_ABOVE = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
_QUIET = cloudwatch.TreatMissingData.NOT_BREACHING
_ALARMING = cloudwatch.TreatMissingData.BREACHING


class Monitoring(Construct):
    def __init__(self, scope: Construct, construct_id: str, *, config: Config) -> None:
        super().__init__(scope, construct_id)
        self._config = config
        self._alarms: list[cloudwatch.Alarm] = []
        self.topic = self._topic()
        self.dashboard = cloudwatch.Dashboard(
            self, "Dashboard", dashboard_name=config.stack, default_interval=Duration.days(1)
        )

    def own_metrics(self) -> None:
        """What the functions measure themselves; a queue's own age is blind to what is not in a queue."""
        self._alarm(
            "OldestOpenCall",
            self._gauge("OldestOpenCallAge"),
            threshold=OLDEST_OPEN_CALL_ALARM_SECONDS,
            description="A call has been waiting for its recording or transcript for more than a day.",
        )
        self._alarm(
            "ListingLag",
            self._gauge("ListingLag"),
            threshold=self._config.listing_lag_alarm_seconds,
            # A lister that does not run reports nothing.
            missing=_ALARMING,
            periods=3,
            breaching=1,
            description="Listing is behind, or the lister does not run.",
        )
        self._alarm(
            "FailedFiles",
            self._count("FailedFiles", "fetcher"),
            threshold=0,
            description="A file or transcript was given up; `call-archive status` names the call and the reason.",
        )
        self._alarm(
            "DeletedFiles",
            self._count("DeletedFiles", "fetcher"),
            threshold=0,
            description="The provider deleted a recording before it was archived; the fetcher's log names it.",
        )
        self._alarm(
            "RowsUnreadable",
            self._count("RowsUnreadable", "lister"),
            threshold=0,
            description="The provider listed something that names no call; the lister's log shows it.",
        )

    def function(self, name: str, function: lambda_.IFunction) -> None:
        self._alarm(
            f"{name}Errors",
            function.metric_errors(period=_FIVE_MINUTES),
            threshold=0,
            description=f"The {name.lower()} raised an unexpected error; its log names it.",
        )
        self._alarm(
            f"{name}Throttles",
            function.metric_throttles(period=_FIVE_MINUTES),
            threshold=0,
            periods=3,
            description=f"The {name.lower()} was refused to run for 15 minutes; look at the account's concurrency.",
        )
        self._alarm(
            f"{name}Messages",
            self._count("MessagesFailed", name.lower()),
            threshold=0,
            description=f"A message met an unexpected error; message_failed in the {name.lower()}'s log names it.",
        )

    def dead_letters(self, name: str, queue: sqs.IQueue) -> None:
        self._alarm(
            name,
            queue.metric_approximate_number_of_messages_visible(
                period=_FIVE_MINUTES, statistic=cloudwatch.Stats.MAXIMUM
            ),
            threshold=0,
            description=f"Messages are in the dead-letter queue {name}; find the cause, then redrive them.",
        )

    def waiting(self, name: str, queue: sqs.IQueue) -> None:
        self._alarm(
            f"{name}-Waiting",
            queue.metric_approximate_age_of_oldest_message(
                period=_FIVE_MINUTES, statistic=cloudwatch.Stats.MAXIMUM
            ),
            threshold=CONSUMER_AGE_ALARM_SECONDS,
            description=f"{name} has left an event unread for a day; after four days it is gone.",
        )

    def show(self, queues: Mapping[str, sqs.IQueue]) -> None:
        """Call it last: the first row shows the alarms there are by then."""
        depths = [
            metric
            for name, queue in queues.items()
            for metric in (
                queue.metric_approximate_number_of_messages_visible(label=f"{name}: waiting"),
                queue.metric_approximate_number_of_messages_delayed(label=f"{name}: delayed"),
                queue.metric_approximate_number_of_messages_not_visible(label=f"{name}: in work"),
            )
        ]
        self.dashboard.add_widgets(
            cloudwatch.AlarmStatusWidget(title="Alarms", alarms=list(self._alarms), width=24, height=4)
        )
        done = [
            self._count("CallsListed", "lister"),
            self._count("RecordingsArchived", "fetcher"),
            self._count("TranscriptsArchived", "fetcher"),
            self._count("FailedFiles", "fetcher"),
            self._count("DeletedFiles", "fetcher"),
        ]
        self.dashboard.add_widgets(
            _graph("Done in five minutes", "count", done),
            _graph("Queues", "messages", depths),
        )
        self.dashboard.add_widgets(
            _graph("Oldest open call", "seconds", [self._gauge("OldestOpenCallAge")]),
            _graph("Listing lag", "seconds", [self._gauge("ListingLag")]),
        )

    def _gauge(self, name: str) -> cloudwatch.Metric:
        period = Duration.minutes(self._config.gauge_period_minutes)
        return self._own_metric(name, "lister", cloudwatch.Stats.MAXIMUM, period)

    def _count(self, name: str, service: str) -> cloudwatch.Metric:
        return self._own_metric(name, service, cloudwatch.Stats.SUM, _FIVE_MINUTES)

    def _own_metric(self, name: str, service: str, statistic: str, period: Duration) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace=self._config.metrics_namespace,
            metric_name=name,
            dimensions_map={"service": service},
            statistic=statistic,
            period=period,
        )

    def _alarm(
        self,
        alarm_id: str,
        metric: cloudwatch.Metric,
        *,
        threshold: float,
        description: str,
        missing: cloudwatch.TreatMissingData = _QUIET,
        periods: int = 1,
        breaching: int | None = None,
    ) -> None:
        alarm = metric.create_alarm(
            self,
            alarm_id,
            alarm_description=description,
            comparison_operator=_ABOVE,
            threshold=threshold,
            evaluation_periods=periods,
            datapoints_to_alarm=breaching,
            treat_missing_data=missing,
        )
        alarm.add_alarm_action(actions.SnsAction(self.topic))
        alarm.add_ok_action(actions.SnsAction(self.topic))
        self._alarms.append(alarm)

    def _topic(self) -> sns.Topic:
        topic = sns.Topic(self, "Alarms", enforce_ssl=True)
        acknowledge(
            topic,
            "It carries names of alarms, and nothing of a call. CloudWatch may not use the key that AWS manages for"
            " SNS, and one of our own costs a dollar a month.",
            *across("SNSEncryptedKMS", NIST, HIPAA, PCI),
            "CKV_AWS_26",
        )
        # A topic with a policy of its own loses the default one, which let this account's alarms in.
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["sns:Publish"],
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                resources=[topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": Stack.of(self).account}},
            )
        )
        if self._config.alarm_email:
            subscription = topic.add_subscription(subscriptions.EmailSubscription(self._config.alarm_email))
            acknowledge(
                subscription,
                "What could not be mailed still stands as an alarm in CloudWatch and on the dashboard; a queue of"
                " unsent mail would need somebody to watch it as well.",
                *across("SNSRedrivePolicy", SERVERLESS),
            )
        return topic


def _graph(title: str, unit: str, metrics: list[cloudwatch.Metric]) -> cloudwatch.GraphWidget:
    axis = cloudwatch.YAxisProps(label=unit, min=0, show_units=False)
    return cloudwatch.GraphWidget(title=title, left=list(metrics), left_y_axis=axis, width=12)
