"""Storage: the archive's bucket, the ledger's table, and the provider's credentials."""

import json

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.acknowledgements import AWS_SOLUTIONS, HIPAA, NIST, PCI, acknowledge, acknowledge_wildcards, across

# No DeleteObject: nothing archived is ever removed. A HEAD, and its checksum, is a GetObject.
_OBJECT_ACTIONS = ("s3:GetObject", "s3:PutObject")
_ARCHIVED_PREFIXES = ("recordings/*", "transcripts/*")

_LISTING_ACTIONS = (
    "dynamodb:BatchGetItem",
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
)
_VISITING_ACTIONS = ("dynamodb:GetItem", "dynamodb:PutItem")

LEDGER_SCHEMA = 1
"""Of the items that the functions write: `call_archive.storage.ledger_items.SCHEMA`, which no construct imports."""

_OPEN = "open"
"""The one index that the functions read; the others are the operator's."""


class Archive(Construct):
    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            versioned=True,
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            removal_policy=RemovalPolicy.RETAIN,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="abort-unfinished-uploads", abort_incomplete_multipart_upload_after=Duration.days(1)
                )
            ],
        )
        # The L2's event_bridge_enabled adds a function that may configure every bucket of the account;
        # CloudFormation's own property does the same without it.
        resource = self.bucket.node.default_child
        if not isinstance(resource, s3.CfnBucket):
            raise TypeError(f"a bucket made of {type(resource).__name__}")
        resource.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
            event_bridge_configuration=s3.CfnBucket.EventBridgeConfigurationProperty(
                event_bridge_enabled=True
            )
        )
        self._refuse_overwriting()
        self._acknowledge()

    def _refuse_overwriting(self) -> None:
        """Of anybody, not of the functions alone; only the parts of an upload cannot carry the header.

        https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html
        """
        self.bucket.add_to_resource_policy(
            iam.PolicyStatement(
                sid="NothingArchivedIsOverwritten",
                effect=iam.Effect.DENY,
                principals=[iam.AnyPrincipal()],
                actions=["s3:PutObject"],
                resources=self._archived(),
                conditions={
                    "Null": {"s3:if-none-match": "true"},
                    "Bool": {"s3:ObjectCreationOperation": "true"},
                },
            )
        )

    def _acknowledge(self) -> None:
        acknowledge(
            self.bucket,
            "Access logs need a second bucket, and a line for each request that somebody keeps and pays for. Who"
            " needs an audit trail of reads turns on CloudTrail's data events for this bucket.",
            *across("S1", AWS_SOLUTIONS),
            *across("S3BucketLoggingEnabled", NIST, HIPAA, PCI),
            "CKV_AWS_18",
        )
        acknowledge(
            self.bucket,
            "A copy in another region doubles the cost of storage. S3 keeps each object in three zones, versions"
            " are on, and nothing here may delete; a rule can be added to the bucket at any time.",
            *across("S3BucketReplicationEnabled", NIST, HIPAA, PCI),
        )
        acknowledge(
            self.bucket,
            "Every object is encrypted with a key of S3's own. A KMS key costs a dollar a month and its requests,"
            " and whoever loses it loses the archive.",
            *across("S3DefaultEncryptionKMS", NIST, HIPAA, PCI),
        )

    def _archived(self) -> list[str]:
        return [self.bucket.arn_for_objects(prefix) for prefix in _ARCHIVED_PREFIXES]

    def grant_archiving(self, grantee: iam.IGrantable) -> None:
        iam.Grant.add_to_principal(
            grantee=grantee, actions=list(_OBJECT_ACTIONS), resource_arns=self._archived()
        )
        acknowledge_wildcards(
            grantee,
            "It archives under these two prefixes, whatever the calls are named; it may not delete there, and the"
            " bucket refuses it to overwrite.",
            self.bucket,
            *_ARCHIVED_PREFIXES,
        )


class Ledger(Construct):
    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self.table = dynamodb.TableV2(
            self,
            "Table",
            partition_key=_text("pk"),
            billing=dynamodb.Billing.on_demand(),
            encryption=dynamodb.TableEncryptionV2.dynamo_owned_key(),
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            removal_policy=RemovalPolicy.RETAIN,
        )
        # Sparse: an item is in `open` or `failed` only while it has that index's shard.
        self._add_index(_OPEN, "open_shard", "next_visit_at", ["recorded_at", "opened_at", "schema"])
        self._add_index("failed", "failed_shard", "recorded_at", ["opened_at", "schema"])
        self._add_index("by_day", "day", "day_order")

    def grant_listing(self, grantee: iam.IGrantable) -> None:
        self._grant(grantee, _LISTING_ACTIONS, self.table.table_arn)
        self._grant(grantee, ("dynamodb:Query",), f"{self.table.table_arn}/index/{_OPEN}")

    def grant_visiting(self, grantee: iam.IGrantable) -> None:
        self._grant(grantee, _VISITING_ACTIONS, self.table.table_arn)

    def _add_index(
        self, name: str, partition_key: str, sort_key: str, included: list[str] | None = None
    ) -> None:
        projection = dynamodb.ProjectionType.INCLUDE if included else dynamodb.ProjectionType.KEYS_ONLY
        self.table.add_global_secondary_index(
            index_name=name,
            partition_key=_text(partition_key),
            sort_key=_text(sort_key),
            projection_type=projection,
            non_key_attributes=included,
        )

    def _grant(self, grantee: iam.IGrantable, actions: tuple[str, ...], arn: str) -> None:
        iam.Grant.add_to_principal(grantee=grantee, actions=list(actions), resource_arns=[arn])


class Credentials(Construct):
    """The shape of the secret, with an empty customer id and a random key: the operator puts the real ones."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self.secret = secretsmanager.Secret(
            self,
            "Secret",
            description='Telesign credentials: {"customer_id": "...", "api_key": "..."}',
            generate_secret_string=secretsmanager.SecretStringGenerator(
                secret_string_template=json.dumps({"customer_id": ""}), generate_string_key="api_key"
            ),
        )
        acknowledge(
            self.secret,
            "The provider issues the key, and has no call that replaces it: an operator puts a new one, and the"
            " functions take it up within 5 minutes.",
            *across("SMG4", AWS_SOLUTIONS),
            *across("SecretsManagerRotationEnabled", NIST, HIPAA),
        )
        acknowledge(
            self.secret,
            "It is encrypted with the key that AWS manages for Secrets Manager. One of our own costs a dollar a"
            " month; who may read the secret is decided by IAM either way.",
            *across("SecretsManagerUsingKMSKey", NIST, HIPAA, PCI),
            "CKV_AWS_149",
        )

    def grant_reading(self, grantee: iam.IGrantable) -> None:
        # The L2's own grant_read adds DescribeSecret, which nothing here asks for.
        iam.Grant.add_to_principal(
            grantee=grantee,
            actions=["secretsmanager:GetSecretValue"],
            resource_arns=[self.secret.secret_arn],
        )


def _text(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)
