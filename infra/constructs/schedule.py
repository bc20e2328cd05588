"""What wakes the lister: a tick every few minutes, a recheck once a day."""

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.acknowledgements import AWS_SOLUTIONS, acknowledge, across
from infra.config import Config
from infra.constructs.queues import dead_letter_queue

# Off the hour, when fewer others' jobs run.
_RECHECK_AT = {"hour": "3", "minute": "17"}


class Schedule(Construct):
    """The rules, and the queue that holds the events which could not be delivered or handled."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self.dlq: sqs.Queue = dead_letter_queue(self, "Dlq")
        acknowledge(
            self.dlq,
            "It is the dead-letter queue of two rules and a function, which this rule does not look at.",
            *across("SQS3", AWS_SOLUTIONS),
        )

    def start(self, lister: lambda_.IFunction, config: Config) -> None:
        every_tick = events.Schedule.rate(Duration.minutes(config.tick_minutes))
        self._rule("Tick", "tick", every_tick, lister)
        self._rule("Recheck", "recheck", events.Schedule.cron(**_RECHECK_AT), lister)

    def _rule(self, rule_id: str, kind: str, schedule: events.Schedule, lister: lambda_.IFunction) -> None:
        target = targets.LambdaFunction(
            lister,
            event=events.RuleTargetInput.from_object({"kind": kind}),
            dead_letter_queue=self.dlq,
        )
        events.Rule(self, rule_id, description=f"call-archive {kind}", schedule=schedule, targets=[target])
