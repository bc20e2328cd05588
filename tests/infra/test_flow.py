"""Queues, functions, schedule and consumers, and how they are wired."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from call_archive.storage.ledger_items import SCHEMA
from infra.config import Config
from infra.packaging.layer import LAMBDA_PYTHON

if TYPE_CHECKING:
    from tests.infra.conftest import Resources

DAY = 86_400


def functions(resources: Resources) -> dict[str, Any]:
    """By handler: the service's name."""
    found = resources("AWS::Lambda::Function")
    return {item["Properties"]["Handler"].split(".")[1]: item["Properties"] for item in found.values()}


def mapping_of(resources: Resources, service: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The function's event source mapping and the queue it reads."""
    for mapping in resources("AWS::Lambda::EventSourceMapping").values():
        properties = mapping["Properties"]
        if service.title() in properties["FunctionName"]["Ref"]:
            queue = resources("AWS::SQS::Queue")[properties["EventSourceArn"]["Fn::GetAtt"][0]]
            return properties, queue["Properties"]
    raise AssertionError(f"nothing feeds the {service}")


def test_each_queue_is_encrypted_and_answers_over_tls_only(resources: Resources) -> None:
    queues = resources("AWS::SQS::Queue")
    assert all(queue["Properties"]["SqsManagedSseEnabled"] for queue in queues.values())
    secured = set()
    for policy in resources("AWS::SQS::QueuePolicy").values():
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
            if statement["Effect"] == "Deny":
                assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
                secured |= {queue["Ref"] for queue in policy["Properties"]["Queues"]}
    assert secured == set(queues)


def test_each_source_has_a_dead_letter_queue_that_keeps_messages_longer(resources: Resources) -> None:
    queues = resources("AWS::SQS::Queue")
    sources = {name for name, queue in queues.items() if "RedrivePolicy" in queue["Properties"]}
    assert len(sources) == 4
    for name in sources:
        source = queues[name]["Properties"]
        dead = queues[source["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]]["Properties"]
        assert source["RedrivePolicy"]["maxReceiveCount"] >= 5
        assert source["MessageRetentionPeriod"] <= 4 * DAY
        assert dead["MessageRetentionPeriod"] == 14 * DAY


@pytest.mark.parametrize("service", ["lister", "fetcher"])
def test_a_message_stays_hidden_for_six_times_the_functions_timeout(
    resources: Resources, service: str
) -> None:
    mapping, queue = mapping_of(resources, service)
    window = mapping.get("MaximumBatchingWindowInSeconds", 0)
    assert queue["VisibilityTimeout"] >= 6 * functions(resources)[service]["Timeout"] + window


@pytest.mark.parametrize(("service", "batch", "concurrency"), [("lister", 1, 2), ("fetcher", 25, 7)])
def test_a_function_takes_few_messages_at_once_and_gives_back_those_that_failed(
    resources: Resources, service: str, batch: int, concurrency: int
) -> None:
    mapping, _ = mapping_of(resources, service)
    assert mapping["BatchSize"] == batch
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": concurrency}
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_the_functions_run_on_lambdas_own_terms(resources: Resources) -> None:
    found = functions(resources)
    assert {name: item["MemorySize"] for name, item in found.items()} == {"lister": 512, "fetcher": 1024}
    for item in found.values():
        assert (item["Runtime"], item["Architectures"]) == (f"python{LAMBDA_PYTHON}", ["arm64"])
        assert item["Timeout"] == 900
        # Lambda's protection from endless loops stays on; nothing may starve the account's other functions.
        assert not {"RecursiveLoop", "ReservedConcurrentExecutions"} & set(item)


def test_the_functions_settings_are_those_they_read(resources: Resources) -> None:
    for service, item in functions(resources).items():
        environment = item["Environment"]["Variables"]
        named = {name: value for name, value in environment.items() if isinstance(value, dict)}
        assert set(named) == {
            "TABLE_NAME",
            "BUCKET_NAME",
            "FETCH_QUEUE_URL",
            "WINDOWS_QUEUE_URL",
            "SECRET_ID",
        }
        assert environment["ARCHIVE_FROM"] == "2026-01-01T00:00:00"
        assert environment["RECORDING_HOSTS"] == "telesign.com,tlsn.io"
        assert environment["TRANSCRIPT_DEADLINE_SECONDS"] == str(DAY)
        assert environment["RETRY_DEADLINE_SECONDS"] == str(7 * DAY)
        assert environment["POWERTOOLS_SERVICE_NAME"] == service
        assert all(isinstance(value, str | dict) for value in environment.values())


def test_all_executions_together_stay_within_the_providers_budget(
    resources: Resources, shipped_context: dict[str, Any]
) -> None:
    total = 0.0
    for service, item in functions(resources).items():
        mapping, _ = mapping_of(resources, service)
        rate = float(item["Environment"]["Variables"]["REQUESTS_PER_SECOND"])
        total += rate * mapping["ScalingConfig"]["MaximumConcurrency"]
    assert total <= Config.from_context(shipped_context).max_requests_per_second


def test_logs_are_stored_for_as_long_as_chosen(resources: Resources) -> None:
    groups = resources("AWS::Logs::LogGroup")
    assert [group["Properties"]["RetentionInDays"] for group in groups.values()] == [90, 90]
    used = {item["LoggingConfig"]["LogGroup"]["Ref"] for item in functions(resources).values()}
    assert used == set(groups)


def test_the_lister_is_woken_every_few_minutes_and_once_a_day(resources: Resources) -> None:
    rules = resources("AWS::Events::Rule").values()
    scheduled = {
        rule["Properties"]["Targets"][0]["Input"]: rule["Properties"]["ScheduleExpression"]
        for rule in rules
        if "ScheduleExpression" in rule["Properties"]
    }
    assert scheduled == {'{"kind":"tick"}': "rate(5 minutes)", '{"kind":"recheck"}': "cron(17 3 * * ? *)"}


def test_a_scheduled_event_that_fails_for_good_is_stored(resources: Resources) -> None:
    (invoked,) = resources("AWS::Lambda::EventInvokeConfig").values()
    assert invoked["Properties"]["MaximumRetryAttempts"] == 2
    kept_in = invoked["Properties"]["DestinationConfig"]["OnFailure"]["Destination"]
    scheduled = [
        rule["Properties"]["Targets"][0]
        for rule in resources("AWS::Events::Rule").values()
        if "ScheduleExpression" in rule["Properties"]
    ]
    assert [target["DeadLetterConfig"]["Arn"] for target in scheduled] == [kept_in, kept_in]


@pytest.mark.parametrize(("consumer", "prefix"), [("everything", None), ("audio", "recordings/")])
def test_a_consumer_hears_of_new_objects_below_its_prefix(
    resources: Resources, consumer: str, prefix: str | None
) -> None:
    rules = [rule["Properties"] for rule in resources("AWS::Events::Rule").values()]
    (rule,) = [rule for rule in rules if consumer in rule.get("Description", "")]
    pattern = rule["EventPattern"]
    assert (pattern["source"], pattern["detail-type"]) == (["aws.s3"], ["Object Created"])
    (bucket,) = resources("AWS::S3::Bucket")
    assert pattern["detail"]["bucket"] == {"name": [{"Ref": bucket}]}
    assert pattern["detail"].get("object") == (prefix and {"key": [{"prefix": prefix}]})
    (target,) = rule["Targets"]
    queue = resources("AWS::SQS::Queue")[target["Arn"]["Fn::GetAtt"][0]]["Properties"]
    # What EventBridge cannot deliver is beside what the consumer could not handle.
    assert target["DeadLetterConfig"]["Arn"] == queue["RedrivePolicy"]["deadLetterTargetArn"]


def test_the_stack_reports_the_schema_that_its_functions_write(template: dict[str, Any]) -> None:
    assert template["Outputs"]["Schema"]["Value"] == str(SCHEMA)


def test_an_operator_is_reported_every_name_needed(template: dict[str, Any]) -> None:
    outputs = template["Outputs"]
    assert set(outputs) == {
        *("Bucket", "Table", "SecretId", "ListerFunction", "FetcherFunction", "Consumers", "Dashboard"),
        *(
            "LeaseSeconds",
            "Schema",
            "FetchQueueUrl",
            "FetchDlqUrl",
            "WindowsQueueUrl",
            "WindowsDlqUrl",
            "ScheduleDlqUrl",
        ),
    }
    consumers = outputs["Consumers"]["Value"]["Fn::Join"][1]
    text = "".join(part if isinstance(part, str) else "url" for part in consumers)
    assert json.loads(text) == {"everything": "url", "audio": "url"}


def test_what_can_be_tagged_is(resources: Resources) -> None:
    for kind in (
        "AWS::S3::Bucket",
        "AWS::SQS::Queue",
        "AWS::Lambda::Function",
        "AWS::SecretsManager::Secret",
    ):
        for item in resources(kind).values():
            tags = {tag["Key"]: tag["Value"] for tag in item["Properties"]["Tags"]}
            assert tags == {"project": "call-archive", "team": "voice"}
