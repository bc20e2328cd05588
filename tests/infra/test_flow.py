"""Queues, functions, schedule and consumers, and how they are wired: each held whole."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from infra.packaging.layer import LAMBDA_PYTHON

if TYPE_CHECKING:
    from tests.infra.chosen import Chosen
    from tests.infra.conftest import Deployed

DAY = 86_400
DEAD: dict[str, Any] = {"SqsManagedSseEnabled": True, "MessageRetentionPeriod": 14 * DAY}


def source(dead: str, *, hidden_seconds: int) -> dict[str, Any]:
    """A queue whose messages its dead-letter queue keeps for ten days longer."""
    return {
        "SqsManagedSseEnabled": True,
        "MessageRetentionPeriod": 4 * DAY,
        "VisibilityTimeout": hidden_seconds,
        "RedrivePolicy": {"deadLetterTargetArn": f"{dead}.Arn", "maxReceiveCount": 5},
    }


def queues(chosen: Chosen) -> dict[str, dict[str, Any]]:
    table = {"ScheduleDlq": DEAD}
    for work in ("WorkQueuesWindows", "WorkQueuesFetch"):
        table |= {f"{work}Dlq": DEAD, work: source(f"{work}Dlq", hidden_seconds=chosen.visibility_seconds)}
    for name in chosen.consumers:
        dead = f"Consumers{name}Dlq"
        table |= {dead: DEAD, f"Consumers{name}Queue": source(dead, hidden_seconds=300)}
    return table


def over_tls_only(queue: str) -> dict[str, Any]:
    return {
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": "sqs:*",
        "Resource": f"{queue}.Arn",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def from_rule(queue: str, rule: str, actions: str | list[str] = "sqs:SendMessage") -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": actions,
        "Resource": f"{queue}.Arn",
        "Condition": {"ArnEquals": {"aws:SourceArn": f"{rule}.Arn"}},
    }


def senders(chosen: Chosen) -> dict[str, list[dict[str, Any]]]:
    """Who may send to which queue by its own policy."""
    table = {"ScheduleDlq": [from_rule("ScheduleDlq", rule) for rule in ("ScheduleTick", "ScheduleRecheck")]}
    for name in chosen.consumers:
        queue, dead, rule = (f"Consumers{name}{part}" for part in ("Queue", "Dlq", "Rule"))
        sending = ["sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:SendMessage"]
        table |= {queue: [from_rule(queue, rule, sending)], dead: [from_rule(dead, rule)]}
    return table


def test_the_queues_are_these_and_no_others(deployed: Deployed) -> None:
    assert deployed.properties("AWS::SQS::Queue") == queues(deployed.chosen)


def test_each_queue_is_encrypted_and_answers_over_tls_only(deployed: Deployed) -> None:
    assert all(queue["SqsManagedSseEnabled"] for queue in deployed.properties("AWS::SQS::Queue").values())
    by_queue = {}
    for policy in deployed.properties("AWS::SQS::QueuePolicy").values():
        (queue,) = policy["Queues"]
        statements = policy["PolicyDocument"]["Statement"]
        by_queue[queue] = [{key: value for key, value in each.items() if key != "Sid"} for each in statements]
    allowed = senders(deployed.chosen)
    expected = {name: [over_tls_only(name), *allowed.get(name, [])] for name in queues(deployed.chosen)}
    assert by_queue == expected


def test_each_function_takes_few_messages_at_once_and_gives_back_those_that_failed(
    deployed: Deployed,
) -> None:
    failed_alone = {"FunctionResponseTypes": ["ReportBatchItemFailures"]}
    assert deployed.properties("AWS::Lambda::EventSourceMapping") == {
        "ListerFunctionFeed": {
            "FunctionName": "ListerFunction",
            "EventSourceArn": "WorkQueuesWindows.Arn",
            "BatchSize": 1,
            "ScalingConfig": {"MaximumConcurrency": 2},
            **failed_alone,
        },
        "FetcherFunctionFeed": {
            "FunctionName": "FetcherFunction",
            "EventSourceArn": "WorkQueuesFetch.Arn",
            "BatchSize": 25,
            "MaximumBatchingWindowInSeconds": 1,
            "ScalingConfig": {"MaximumConcurrency": deployed.chosen.fetcher_concurrency},
            **failed_alone,
        },
    }


def test_the_functions_run_on_lambdas_own_terms(deployed: Deployed) -> None:
    """Nothing is reserved, and Lambda's protection from endless loops stays on: neither is spoken of."""

    def function(name: str, memory: int) -> dict[str, Any]:
        return {
            "Handler": f"call_archive.{name.lower()}.handler",
            "Runtime": f"python{LAMBDA_PYTHON}",
            "Architectures": ["arm64"],
            "MemorySize": memory,
            "Timeout": deployed.chosen.timeout_seconds,
            "Layers": ["DependenciesLayer"],
            "Role": f"{name}Role.Arn",
            "LoggingConfig": {"LogGroup": f"{name}Log"},
        }

    found = deployed.properties("AWS::Lambda::Function")
    for each in found.values():
        del (
            each["Code"],
            each["Environment"],
        )  # the former is in test_packaging, the latter in test_chosen_settings
    assert found == {
        "ListerFunction": function("Lister", 512),
        "FetcherFunction": function("Fetcher", 1024),
    }


def test_all_executions_together_stay_within_the_providers_budget(deployed: Deployed) -> None:
    mappings = deployed.properties("AWS::Lambda::EventSourceMapping")
    total = sum(
        float(function["Environment"]["Variables"]["REQUESTS_PER_SECOND"])
        * mappings[f"{name}Feed"]["ScalingConfig"]["MaximumConcurrency"]
        for name, function in deployed.properties("AWS::Lambda::Function").items()
    )
    assert total == deployed.chosen.requests_per_second


def test_logs_are_stored_for_as_long_as_chosen(deployed: Deployed) -> None:
    kept = {"RetentionInDays": deployed.chosen.log_days}
    assert deployed.properties("AWS::Logs::LogGroup") == {"ListerLog": kept, "FetcherLog": kept}


# --- Rules


def scheduled(expression: str, kind: str) -> dict[str, Any]:
    target = {
        "Id": "Target0",
        "Arn": "ListerFunction.Arn",
        "Input": f'{{"kind":"{kind}"}}',
        "DeadLetterConfig": {"Arn": "ScheduleDlq.Arn"},
    }
    return {"State": "ENABLED", "ScheduleExpression": expression, "Targets": [target]}


def to_consumer(name: str, prefix: str) -> dict[str, Any]:
    detail: dict[str, Any] = {"bucket": {"name": ["ArchiveBucket"]}}
    if prefix:
        detail["object"] = {"key": [{"prefix": prefix}]}
    target = {
        "Id": "Target0",
        "Arn": f"Consumers{name}Queue.Arn",
        # What EventBridge cannot deliver is beside what the consumer could not handle.
        "DeadLetterConfig": {"Arn": f"Consumers{name}Dlq.Arn"},
    }
    pattern = {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": detail}
    return {"State": "ENABLED", "EventPattern": pattern, "Targets": [target]}


def test_the_lister_is_woken_and_consumers_hear_by_these_rules_and_no_others(deployed: Deployed) -> None:
    chosen = deployed.chosen
    assert deployed.properties("AWS::Events::Rule") == {
        "ScheduleTick": scheduled(chosen.tick, "tick"),
        "ScheduleRecheck": scheduled("cron(17 3 * * ? *)", "recheck"),
        **{f"Consumers{name}Rule": to_consumer(name, prefix) for name, prefix in chosen.consumers.items()},
    }


def test_the_two_schedules_alone_may_invoke_a_function(deployed: Deployed) -> None:
    assert list(deployed.properties("AWS::Lambda::Permission").values()) == [
        {
            "Action": "lambda:InvokeFunction",
            "FunctionName": "ListerFunction.Arn",
            "Principal": "events.amazonaws.com",
            "SourceArn": f"{rule}.Arn",
        }
        for rule in ("ScheduleTick", "ScheduleRecheck")
    ]


def test_a_scheduled_event_that_fails_for_good_is_stored(deployed: Deployed) -> None:
    assert deployed.properties("AWS::Lambda::EventInvokeConfig") == {
        "ListerFailedEvents": {
            "FunctionName": "ListerFunction",
            "Qualifier": "$LATEST",
            "MaximumRetryAttempts": 2,
            "DestinationConfig": {"OnFailure": {"Destination": "ScheduleDlq.Arn"}},
        }
    }


# --- Nothing is left out of the tables


def test_the_stack_has_these_resources_and_no_others(deployed: Deployed) -> None:
    """What is new needs a table that holds it whole."""
    consumers = len(deployed.chosen.consumers)
    found = Counter(resource["Type"] for resource in deployed.template["Resources"].values())
    assert found == {
        "AWS::CloudWatch::Alarm": 14 + 2 * consumers,
        "AWS::CloudWatch::Dashboard": 1,
        "AWS::DynamoDB::GlobalTable": 1,
        "AWS::Events::Rule": 2 + consumers,
        "AWS::IAM::Policy": 2,
        "AWS::IAM::Role": 2,
        "AWS::Lambda::EventInvokeConfig": 1,
        "AWS::Lambda::EventSourceMapping": 2,
        "AWS::Lambda::Function": 2,
        "AWS::Lambda::LayerVersion": 1,
        "AWS::Lambda::Permission": 2,
        "AWS::Logs::LogGroup": 2,
        "AWS::S3::Bucket": 1,
        "AWS::S3::BucketPolicy": 1,
        "AWS::SNS::Subscription": 1,
        "AWS::SNS::Topic": 1,
        "AWS::SNS::TopicPolicy": 1,
        "AWS::SQS::Queue": 5 + 2 * consumers,
        "AWS::SQS::QueuePolicy": 5 + 2 * consumers,
        "AWS::SecretsManager::Secret": 1,
    }
