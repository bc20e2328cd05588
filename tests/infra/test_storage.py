"""What is kept, held whole: bucket, table and secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.infra.conftest import Deployed

BUCKET = "ArchiveBucket"


def test_the_archive_is_versioned_private_encrypted_and_reports_eventbridge(deployed: Deployed) -> None:
    """The one thing that ever ends is an upload that was not finished."""
    unfinished = {
        "Id": "abort-unfinished-uploads",
        "Status": "Enabled",
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
    }
    assert deployed.properties("AWS::S3::Bucket") == {
        BUCKET: {
            "VersioningConfiguration": {"Status": "Enabled"},
            "PublicAccessBlockConfiguration": {
                "BlockPublicAcls": True,
                "BlockPublicPolicy": True,
                "IgnorePublicAcls": True,
                "RestrictPublicBuckets": True,
            },
            "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
            "BucketEncryption": {
                "ServerSideEncryptionConfiguration": [
                    {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
                ]
            },
            "LifecycleConfiguration": {"Rules": [unfinished]},
            "NotificationConfiguration": {"EventBridgeConfiguration": {"EventBridgeEnabled": True}},
        }
    }


def refusals(deployed: Deployed) -> list[dict[str, Any]]:
    """All that the bucket's policy says."""
    (policy,) = deployed.properties("AWS::S3::BucketPolicy").values()
    assert policy["Bucket"] == BUCKET
    found: list[dict[str, Any]] = policy["PolicyDocument"]["Statement"]
    return found


def test_the_archive_answers_over_tls_only(deployed: Deployed) -> None:
    assert refusals(deployed)[0] == {
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": "s3:*",
        "Resource": [f"{BUCKET}.Arn", f"{BUCKET}.Arn/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def test_the_archive_refuses_to_overwrite_whoever_asks(deployed: Deployed) -> None:
    assert refusals(deployed)[1:] == [
        {
            "Sid": "NothingArchivedIsOverwritten",
            "Effect": "Deny",
            "Principal": {"AWS": "*"},
            "Action": "s3:PutObject",
            "Resource": [f"{BUCKET}.Arn/recordings/*", f"{BUCKET}.Arn/transcripts/*"],
            "Condition": {
                "Null": {"s3:if-none-match": "true"},
                # What completes an upload creates the object; its parts could not carry the header.
                "Bool": {"s3:ObjectCreationOperation": "true"},
            },
        }
    ]


def test_bucket_and_table_outlive_the_stack(deployed: Deployed) -> None:
    kept = {
        resource["Type"]
        for resource in deployed.template["Resources"].values()
        if (resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy")) == ("Retain", "Retain")
    }
    assert kept == {"AWS::S3::Bucket", "AWS::DynamoDB::GlobalTable"}


def index(name: str, partition_key: str, sort_key: str, included: list[str] | None = None) -> dict[str, Any]:
    return {
        "IndexName": name,
        "KeySchema": [
            {"AttributeName": partition_key, "KeyType": "HASH"},
            {"AttributeName": sort_key, "KeyType": "RANGE"},
        ],
        "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": included}
        if included
        else {"ProjectionType": "KEYS_ONLY"},
    }


def test_the_ledger_finds_what_is_open_failed_or_of_a_day_and_can_be_restored_to_any_second(
    deployed: Deployed,
) -> None:
    keys = ("pk", "open_shard", "next_visit_at", "failed_shard", "recorded_at", "day", "day_order")
    (table,) = deployed.properties("AWS::DynamoDB::GlobalTable").values()
    (replica,) = table["Replicas"]
    del replica["Tags"]
    assert table == {
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"} for key in keys],
        "GlobalSecondaryIndexes": [
            index("open", "open_shard", "next_visit_at", ["recorded_at", "opened_at", "schema"]),
            index("failed", "failed_shard", "recorded_at", ["opened_at", "schema"]),
            index("by_day", "day", "day_order"),
        ],
        # With DynamoDB's own key, which is always on.
        "SSESpecification": {"SSEEnabled": False},
        "Replicas": [
            {
                "Region": "AWS::Region",
                "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
                "GlobalSecondaryIndexes": [{"IndexName": name} for name in ("open", "failed", "by_day")],
            }
        ],
    }


def test_the_template_holds_the_shape_of_the_secret_and_no_credential(deployed: Deployed) -> None:
    assert deployed.properties("AWS::SecretsManager::Secret") == {
        "CredentialsSecret": {
            "GenerateSecretString": {
                "GenerateStringKey": "api_key",
                "SecretStringTemplate": '{"customer_id": ""}',
            }
        }
    }
