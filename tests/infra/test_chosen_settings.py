"""From cdk.json to what a function reads: every setting, in the unit that it is read in."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest

from call_archive.errors import ConfigError
from call_archive.model.policy import Policy
from call_archive.settings import Settings
from call_archive.storage.ledger_items import SCHEMA
from infra.config import Config
from tests.infra.chosen import RESOURCES, SHIPPED, UNLIKE
from tests.infra.plain import plain

if TYPE_CHECKING:
    from tests.infra.conftest import Deployed


TELEMETRY = {"POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_LOG_LEVEL"}


def environments(deployed: Deployed) -> dict[str, dict[str, str]]:
    """By service."""
    functions = deployed.properties("AWS::Lambda::Function").values()
    found = [function["Environment"]["Variables"] for function in functions]
    return {each["POWERTOOLS_SERVICE_NAME"]: each for each in found}


def test_each_function_reads_what_was_chosen(deployed: Deployed) -> None:
    read = {service: Settings.from_env(each) for service, each in environments(deployed).items()}
    assert read == {"lister": deployed.chosen.lister, "fetcher": deployed.chosen.fetcher}


def test_each_function_measures_and_logs_as_itself_in_the_stacks_own_namespace(deployed: Deployed) -> None:
    for service, environment in environments(deployed).items():
        assert {name: environment[name] for name in TELEMETRY} == {
            "POWERTOOLS_SERVICE_NAME": service,
            "POWERTOOLS_METRICS_NAMESPACE": deployed.chosen.stack,
            "POWERTOOLS_LOG_LEVEL": "INFO",
        }


def test_each_function_is_given_nothing_that_it_does_not_read(deployed: Deployed) -> None:
    for environment in environments(deployed).values():
        for name in environment.keys() - TELEMETRY:
            with pytest.raises(ConfigError, match=f"{name} is missing"):
                Settings.from_env({key: text for key, text in environment.items() if key != name})


def test_an_operator_is_reported_every_name_and_number_needed(deployed: Deployed) -> None:
    urls = {name: f"Consumers{name}Queue" for name in deployed.chosen.consumers}
    assert {name: plain(output["Value"]) for name, output in deployed.template["Outputs"].items()} == {
        "Bucket": "ArchiveBucket",
        "Table": "LedgerTable",
        "SecretId": "CredentialsSecret",
        "ListerFunction": "ListerFunction",
        "FetcherFunction": "FetcherFunction",
        "FetchQueueUrl": "WorkQueuesFetch",
        "FetchDlqUrl": "WorkQueuesFetchDlq",
        "WindowsQueueUrl": "WorkQueuesWindows",
        "WindowsDlqUrl": "WorkQueuesWindowsDlq",
        "ScheduleDlqUrl": "ScheduleDlq",
        "Consumers": json.dumps(urls, separators=(",", ":")),
        "LeaseSeconds": str(deployed.chosen.lease_seconds),
        "Schema": str(SCHEMA),
        "Dashboard": "MonitoringDashboard",
    }


def tags_of(resource: dict[str, Any]) -> list[dict[str, str]]:
    """A global table's stand on its replicas."""
    (holder,) = resource["Properties"].get("Replicas", [resource["Properties"]])
    found: list[dict[str, str]] = holder["Tags"]
    return found


def test_whatever_can_be_tagged_is(deployed: Deployed) -> None:
    untaggable = {
        *("AWS::IAM::Policy", "AWS::Lambda::EventInvokeConfig", "AWS::Lambda::LayerVersion"),
        *("AWS::Lambda::Permission", "AWS::S3::BucketPolicy", "AWS::SNS::Subscription"),
        *("AWS::SNS::TopicPolicy", "AWS::SQS::QueuePolicy"),
    }
    for resource in deployed.template["Resources"].values():
        if resource["Type"] not in untaggable:
            tags = {tag["Key"]: tag["Value"] for tag in tags_of(resource)}
            assert tags == deployed.chosen.tags, resource["Type"]


# --- Nothing is left out of the table


def test_every_setting_is_chosen_unlike_its_default(shipped_context: dict[str, Any]) -> None:
    assert set(UNLIKE.context) == {field.name for field in fields(Config)}
    assert [name for name, value in UNLIKE.context.items() if value == shipped_context[name]] == []


@pytest.mark.parametrize("service", ["lister", "fetcher"])
def test_every_field_that_a_function_reads_follows_from_a_setting(service: str) -> None:
    shipped, unlike = getattr(SHIPPED, service), getattr(UNLIKE, service)
    same = {
        field.name
        for field in fields(Settings)
        if getattr(shipped, field.name) == getattr(unlike, field.name)
    }
    assert same == set(RESOURCES)
    for field in fields(Policy):
        assert getattr(shipped.policy, field.name) != getattr(unlike.policy, field.name)


def test_no_two_durations_and_counts_are_alike() -> None:
    """Else one could stand in another's place."""
    read = UNLIKE.lister
    durations = [getattr(read.policy, field.name) for field in fields(Policy)]
    durations += [getattr(read, field.name) for field in fields(Settings)]
    durations += [UNLIKE.fetcher.requests_per_second]
    assert all(one not in durations[:place] for place, one in enumerate(durations))
