from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.config import Config

if TYPE_CHECKING:
    from tests.infra.conftest import Resources

FUNCTIONS = Path(__file__).resolve().parents[2] / "functions"
AT_AN_AGE = {
    "OldestOpenCallAge": 24 * 3600,
    "ListingLag": 30 * 60,
    "ApproximateAgeOfOldestMessage": 24 * 3600,
}
"""What is late and not lost: told once it is so old, in seconds."""


def alarms(resources: Resources, **wanted: object) -> list[dict[str, Any]]:
    found = [alarm["Properties"] for alarm in resources("AWS::CloudWatch::Alarm").values()]
    return [alarm for alarm in found if all(alarm.get(key) == value for key, value in wanted.items())]


def test_each_dead_letter_queue_raises_an_alarm_at_its_first_message(resources: Resources) -> None:
    queues = resources("AWS::SQS::Queue")
    dead = {name for name, queue in queues.items() if "RedrivePolicy" not in queue["Properties"]}
    found = alarms(resources, MetricName="ApproximateNumberOfMessagesVisible")
    assert {alarm["Dimensions"][0]["Value"]["Fn::GetAtt"][0] for alarm in found} == dead
    assert {(alarm["Threshold"], alarm["EvaluationPeriods"]) for alarm in found} == {(0, 1)}


@pytest.mark.parametrize(
    ("metric", "service", "threshold"),
    [
        ("OldestOpenCallAge", "lister", 24 * 3600),
        ("ListingLag", "lister", 30 * 60),
        ("FailedFiles", "fetcher", 0),
        ("DeletedFiles", "fetcher", 0),
        ("RowsUnreadable", "lister", 0),
    ],
)
def test_each_loss_the_functions_can_see_raises_an_alarm(
    resources: Resources, metric: str, service: str, threshold: float
) -> None:
    (alarm,) = alarms(resources, MetricName=metric)
    assert alarm["Namespace"] == "CallArchive"
    assert alarm["Dimensions"] == [{"Name": "service", "Value": service}]
    assert alarm["Threshold"] == threshold
    assert alarm["ComparisonOperator"] == "GreaterThanThreshold"


@pytest.mark.parametrize("service", ["lister", "fetcher"])
def test_a_message_that_fails_raises_an_alarm_long_before_it_is_dead(
    resources: Resources, service: str
) -> None:
    found = alarms(resources, MetricName="MessagesFailed")
    (alarm,) = (each for each in found if each["Dimensions"] == [{"Name": "service", "Value": service}])
    assert (alarm["Threshold"], alarm["Period"] * alarm["EvaluationPeriods"]) == (0, 300)


def test_every_alarm_looks_at_no_more_than_15_minutes(resources: Resources) -> None:
    looks_at = {
        name: alarm["Properties"]["Period"] * alarm["Properties"]["EvaluationPeriods"]
        for name, alarm in resources("AWS::CloudWatch::Alarm").items()
    }
    assert {name: seconds for name, seconds in looks_at.items() if seconds > 15 * 60} == {}


def test_every_alarm_is_raised_by_one_loss_or_at_an_age(resources: Resources) -> None:
    for alarm in alarms(resources):
        assert alarm["Threshold"] == AT_AN_AGE.get(alarm["MetricName"], 0)
        assert alarm["ComparisonOperator"] == "GreaterThanThreshold"
        # One in five minutes counts, however much went well in them.
        assert alarm["Statistic"] in ("Sum", "Maximum")


def test_a_lister_that_does_not_run_raises_an_alarm_within_15_minutes(resources: Resources) -> None:
    (alarm,) = alarms(resources, TreatMissingData="breaching")
    assert alarm["MetricName"] == "ListingLag"
    assert alarm["Period"] * alarm["EvaluationPeriods"] <= 15 * 60


@pytest.mark.parametrize("metric", ["Errors", "Throttles"])
def test_each_function_raises_an_alarm_when_it_fails_or_may_not_run(
    resources: Resources, metric: str
) -> None:
    found = alarms(resources, MetricName=metric, Namespace="AWS/Lambda")
    assert {alarm["Dimensions"][0]["Value"]["Ref"] for alarm in found} == set(
        resources("AWS::Lambda::Function")
    )


def test_a_consumer_that_stopped_reading_raises_an_alarm_before_anything_expires(
    resources: Resources,
) -> None:
    found = alarms(resources, MetricName="ApproximateAgeOfOldestMessage")
    queues = resources("AWS::SQS::Queue")
    for alarm in found:
        queue = queues[alarm["Dimensions"][0]["Value"]["Fn::GetAtt"][0]]["Properties"]
        assert alarm["Threshold"] < queue["MessageRetentionPeriod"]
    assert len(found) == 2


def test_an_alarm_and_its_end_are_sent_to_the_operator(resources: Resources) -> None:
    (topic,) = resources("AWS::SNS::Topic")
    for alarm in alarms(resources):
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": topic}]
        assert alarm["AlarmDescription"]
    (subscription,) = resources("AWS::SNS::Subscription").values()
    assert subscription["Properties"]["Endpoint"] == "operator@example.com"


def test_cloudwatch_may_publish_alarms_although_the_topic_has_a_policy(resources: Resources) -> None:
    (policy,) = resources("AWS::SNS::TopicPolicy").values()
    allowed = [
        statement
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
    ]
    assert [statement["Principal"] for statement in allowed] == [{"Service": "cloudwatch.amazonaws.com"}]


def test_the_functions_report_each_metric_that_is_watched(resources: Resources) -> None:
    source = "".join(path.read_text() for path in FUNCTIONS.rglob("*.py"))
    watched = {alarm["MetricName"] for alarm in alarms(resources, Namespace="CallArchive")}
    assert {name for name in watched if f'"{name}"' not in source} == set()


def test_two_stacks_in_an_account_report_apart() -> None:
    config = Config.from_context({"archive_from": "2026-01-31", "stack": "SecondAccount"})
    assert config.metrics_namespace == "SecondAccount"
