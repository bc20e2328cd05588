"""Alarms, where they are sent, and the dashboard: each held whole."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.infra.chosen import Chosen
    from tests.infra.conftest import Deployed, Resources

ALARM = "AWS::CloudWatch::Alarm"
DAY = 86_400


def alarm(
    namespace: str,
    metric: str,
    dimension: tuple[str, str],
    statistic: str,
    *,
    above: int = 0,
    seconds: int = 300,
    periods: int = 1,
    missing: str = "notBreaching",
    **more: int,
) -> dict[str, Any]:
    """One that is raised by the first thing that is counted, unless said otherwise."""
    name, value = dimension
    return {
        "Namespace": namespace,
        "MetricName": metric,
        "Dimensions": [{"Name": name, "Value": value}],
        "Statistic": statistic,
        "Period": seconds,
        "EvaluationPeriods": periods,
        "Threshold": above,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": missing,
        "AlarmActions": ["MonitoringAlarms"],
        "OKActions": ["MonitoringAlarms"],
        **more,
    }


def counted(chosen: Chosen, metric: str, service: str) -> dict[str, Any]:
    return alarm(chosen.stack, metric, ("service", service), "Sum")


def of_function(name: str, metric: str, *, periods: int = 1) -> dict[str, Any]:
    return alarm("AWS/Lambda", metric, ("FunctionName", f"{name}Function"), "Sum", periods=periods)


def dead_letters(queue: str) -> dict[str, Any]:
    metric, dimension = "ApproximateNumberOfMessagesVisible", ("QueueName", f"{queue}.QueueName")
    return alarm("AWS/SQS", metric, dimension, "Maximum")


def unread(queue: str) -> dict[str, Any]:
    metric, dimension = "ApproximateAgeOfOldestMessage", ("QueueName", f"{queue}.QueueName")
    return alarm("AWS/SQS", metric, dimension, "Maximum", above=DAY)


def alarms(chosen: Chosen) -> dict[str, dict[str, Any]]:
    """By construct."""
    lister, tick = ("service", "lister"), chosen.gauge_seconds
    table = {
        "OldestOpenCall": alarm(
            chosen.stack, "OldestOpenCallAge", lister, "Maximum", above=DAY, seconds=tick
        ),
        # A lister that does not run writes no gauge: its absence is an alarm too.
        "ListingLag": alarm(
            chosen.stack,
            "ListingLag",
            lister,
            "Maximum",
            above=chosen.lag_seconds,
            seconds=tick,
            periods=3,
            missing="breaching",
            DatapointsToAlarm=1,
        ),
        "FailedFiles": counted(chosen, "FailedFiles", "fetcher"),
        "DeletedFiles": counted(chosen, "DeletedFiles", "fetcher"),
        "RowsUnreadable": counted(chosen, "RowsUnreadable", "lister"),
        "ListerErrors": of_function("Lister", "Errors"),
        "ListerThrottles": of_function("Lister", "Throttles", periods=3),
        "ListerMessages": counted(chosen, "MessagesFailed", "lister"),
        "FetcherErrors": of_function("Fetcher", "Errors"),
        "FetcherThrottles": of_function("Fetcher", "Throttles", periods=3),
        "FetcherMessages": counted(chosen, "MessagesFailed", "fetcher"),
        "FetchDlq": dead_letters("WorkQueuesFetchDlq"),
        "WindowsDlq": dead_letters("WorkQueuesWindowsDlq"),
        "ScheduleDlq": dead_letters("ScheduleDlq"),
    }
    for name in chosen.consumers:
        table[f"Consumer{name}Dlq"] = dead_letters(f"Consumers{name}Dlq")
        table[f"Consumer{name}Waiting"] = unread(f"Consumers{name}Queue")
    return {f"Monitoring{name}": item for name, item in table.items()}


def test_the_alarms_are_these_and_no_others(deployed: Deployed) -> None:
    assert deployed.properties(ALARM) == alarms(deployed.chosen)


def test_each_alarm_says_what_happened(resources: Resources) -> None:
    for found in resources(ALARM).values():
        assert found["Properties"]["AlarmDescription"].endswith(".")


def test_each_dead_letter_queue_raises_an_alarm_at_its_first_message(deployed: Deployed) -> None:
    queues = deployed.properties("AWS::SQS::Queue")
    dead = [name for name, queue in queues.items() if "RedrivePolicy" not in queue]
    found = list(deployed.properties(ALARM).values())
    assert [name for name in dead if dead_letters(name) not in found] == []


def test_each_function_raises_an_alarm_when_it_fails_or_may_not_run(deployed: Deployed) -> None:
    watched = {
        (found["Dimensions"][0]["Value"], found["MetricName"])
        for found in deployed.properties(ALARM).values()
        if found["Namespace"] == "AWS/Lambda"
    }
    functions = deployed.properties("AWS::Lambda::Function")
    assert watched == {(name, metric) for name in functions for metric in ("Errors", "Throttles")}


def test_every_alarm_looks_at_no_more_than_15_minutes(resources: Resources) -> None:
    looks_at = {
        name: found["Properties"]["Period"] * found["Properties"]["EvaluationPeriods"]
        for name, found in resources(ALARM).items()
    }
    assert {name: seconds for name, seconds in looks_at.items() if seconds > 15 * 60} == {}


def test_a_consumer_that_stopped_reading_raises_an_alarm_before_anything_expires(deployed: Deployed) -> None:
    queues = deployed.properties("AWS::SQS::Queue")
    for name in deployed.chosen.consumers:
        assert unread("any")["Threshold"] < queues[f"Consumers{name}Queue"]["MessageRetentionPeriod"]


def test_alarms_are_published_by_this_accounts_cloudwatch_alone_and_over_tls(deployed: Deployed) -> None:
    topic = "MonitoringAlarms"
    assert deployed.properties("AWS::SNS::Topic") == {topic: {}}
    (policy,) = deployed.properties("AWS::SNS::TopicPolicy").values()
    assert policy == {
        "Topics": [topic],
        "PolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "AllowPublishThroughSSLOnly",
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "sns:Publish",
                    "Resource": topic,
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                },
                {
                    "Sid": "1",
                    "Effect": "Allow",
                    "Principal": {"Service": "cloudwatch.amazonaws.com"},
                    "Action": "sns:Publish",
                    "Resource": topic,
                    "Condition": {"StringEquals": {"aws:SourceAccount": "AWS::AccountId"}},
                },
            ],
        },
    }


def test_the_operator_is_sent_every_alarm_by_mail(deployed: Deployed) -> None:
    assert list(deployed.properties("AWS::SNS::Subscription").values()) == [
        {"TopicArn": "MonitoringAlarms", "Protocol": "email", "Endpoint": deployed.chosen.alarm_email}
    ]


# --- The dashboard


def widgets(deployed: Deployed) -> dict[str, dict[str, Any]]:
    """By title."""
    (dashboard,) = deployed.properties("AWS::CloudWatch::Dashboard").values()
    assert dashboard["DashboardName"] == deployed.chosen.stack
    shown = [widget["properties"] for widget in json.loads(dashboard["DashboardBody"])["widgets"]]
    return {each["title"]: each for each in shown}


def test_the_dashboard_shows_every_alarm(deployed: Deployed) -> None:
    assert widgets(deployed)["Alarms"]["alarms"] == [f"{name}.Arn" for name in alarms(deployed.chosen)]


def test_the_dashboard_shows_what_was_done_what_waits_and_how_late_it_is(deployed: Deployed) -> None:
    stack, seconds = deployed.chosen.stack, deployed.chosen.gauge_seconds
    # The dashboard's own period goes without saying.
    gauge = {"stat": "Maximum"} | ({} if seconds == 300 else {"period": seconds})

    def depth(queue: str, metric: str, label: str) -> list[Any]:
        name = f"WorkQueues{queue.title()}.QueueName"
        options = {"label": f"{queue}: {label}", "stat": "Maximum"}
        return ["AWS/SQS", f"ApproximateNumberOfMessages{metric}", "QueueName", name, options]

    metrics = {title: each.get("metrics") for title, each in widgets(deployed).items() if title != "Alarms"}
    assert metrics == {
        "Done in five minutes": [
            [stack, "CallsListed", "service", "lister", {"stat": "Sum"}],
            [stack, "RecordingsArchived", "service", "fetcher", {"stat": "Sum"}],
            [stack, "TranscriptsArchived", "service", "fetcher", {"stat": "Sum"}],
            [stack, "FailedFiles", "service", "fetcher", {"stat": "Sum"}],
            [stack, "DeletedFiles", "service", "fetcher", {"stat": "Sum"}],
        ],
        "Queues": [
            depth(queue, metric, label)
            for queue in ("fetch", "windows")
            for metric, label in (("Visible", "waiting"), ("Delayed", "delayed"), ("NotVisible", "in work"))
        ],
        "Oldest open call": [[stack, "OldestOpenCallAge", "service", "lister", gauge]],
        "Listing lag": [[stack, "ListingLag", "service", "lister", gauge]],
    }
