from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.infra.conftest import Resources

PREFIXES = ("recordings", "transcripts")


def test_the_archive_is_versioned_private_and_encrypted(resources: Resources) -> None:
    (bucket,) = resources("AWS::S3::Bucket").values()
    properties = bucket["Properties"]
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(properties["PublicAccessBlockConfiguration"]) == 4
    assert properties["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    (rule,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"


def refused(resources: Resources, action: str) -> dict[str, Any]:
    (policy,) = resources("AWS::S3::BucketPolicy").values()
    statements = policy["Properties"]["PolicyDocument"]["Statement"]
    (found,) = [each for each in statements if each["Action"] == action]
    assert (found["Effect"], found["Principal"]) == ("Deny", {"AWS": "*"})
    return dict(found)


def test_the_archive_answers_over_tls_only(resources: Resources) -> None:
    statement = refused(resources, "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert len(statement["Resource"]) == 2


def test_the_archive_refuses_to_overwrite_whoever_asks(resources: Resources) -> None:
    statement = refused(resources, "s3:PutObject")
    assert statement["Condition"] == {
        "Null": {"s3:if-none-match": "true"},
        # What completes an upload creates the object; its parts could not carry the header.
        "Bool": {"s3:ObjectCreationOperation": "true"},
    }
    (bucket,) = resources("AWS::S3::Bucket")
    archived = [{"Fn::Join": ["", [{"Fn::GetAtt": [bucket, "Arn"]}, f"/{prefix}/*"]]} for prefix in PREFIXES]
    assert statement["Resource"] == archived


def test_the_archive_reports_eventbridge_without_a_function_of_the_cdk(resources: Resources) -> None:
    (bucket,) = resources("AWS::S3::Bucket").values()
    told = bucket["Properties"]["NotificationConfiguration"]["EventBridgeConfiguration"]
    assert told == {"EventBridgeEnabled": True}
    assert len(resources("AWS::Lambda::Function")) == 2


def test_an_unfinished_upload_is_gone_after_a_day_and_nothing_else_ever_is(resources: Resources) -> None:
    (bucket,) = resources("AWS::S3::Bucket").values()
    (rule,) = bucket["Properties"]["LifecycleConfiguration"]["Rules"]
    assert rule.pop("Id")
    assert rule == {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}, "Status": "Enabled"}


def test_bucket_and_table_outlive_the_stack(resources: Resources) -> None:
    for kind in ("AWS::S3::Bucket", "AWS::DynamoDB::GlobalTable"):
        (kept,) = resources(kind).values()
        assert (kept["DeletionPolicy"], kept["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_the_ledger_is_on_demand_and_can_be_restored_to_any_second(resources: Resources) -> None:
    (table,) = resources("AWS::DynamoDB::GlobalTable").values()
    properties = table["Properties"]
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert properties["KeySchema"] == [{"AttributeName": "pk", "KeyType": "HASH"}]
    (replica,) = properties["Replicas"]
    assert replica["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


def test_the_ledger_finds_what_is_open_what_failed_and_what_is_of_a_day(resources: Resources) -> None:
    (table,) = resources("AWS::DynamoDB::GlobalTable").values()
    indexes = {
        index["IndexName"]: ([key["AttributeName"] for key in index["KeySchema"]], index["Projection"])
        for index in table["Properties"]["GlobalSecondaryIndexes"]
    }
    keys_only = {"ProjectionType": "KEYS_ONLY"}
    assert indexes == {
        "open": (
            ["open_shard", "next_visit_at"],
            {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["recorded_at", "opened_at", "schema"]},
        ),
        "failed": (
            ["failed_shard", "recorded_at"],
            {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["opened_at", "schema"]},
        ),
        "by_day": (["day", "day_order"], keys_only),
    }
    kinds = {item["AttributeType"] for item in table["Properties"]["AttributeDefinitions"]}
    assert kinds == {"S"}


def test_the_template_holds_the_shape_of_the_secret_and_no_credential(resources: Resources) -> None:
    (secret,) = resources("AWS::SecretsManager::Secret").values()
    assert secret["Properties"]["GenerateSecretString"] == {
        "GenerateStringKey": "api_key",
        "SecretStringTemplate": '{"customer_id": ""}',
    }
    assert "SecretString" not in secret["Properties"]
