"""What the command line says of AWS's errors: one sentence, exit code 2 where the operator can mend it."""

import pytest
from botocore import exceptions as aws

from infra.cli.aws_errors import explained
from infra.errors import InputError


def refused(code: str) -> aws.ClientError:
    return aws.ClientError({"Error": {"Code": code, "Message": "No."}}, "DescribeStacks")


@pytest.mark.parametrize(
    ("error", "what_to_do"),
    [
        (aws.NoCredentialsError(), "AWS_PROFILE"),
        (aws.NoRegionError(), "AWS_REGION"),
        (aws.ProfileNotFound(profile="x"), "x"),
        (aws.EndpointConnectionError(endpoint_url="https://h"), "does not answer"),
        (aws.ConnectTimeoutError(endpoint_url="https://h"), "does not answer"),
        (aws.SSLError(endpoint_url="https://h", error=ValueError("no")), "AWS_CA_BUNDLE"),
        (refused("ExpiredToken"), "log in again"),
        (refused("AccessDenied"), "may not DescribeStacks"),
    ],
)
def test_what_an_operator_can_fix_says_how(error: Exception, what_to_do: str) -> None:
    sentence = explained(error)
    assert isinstance(sentence, InputError)
    assert what_to_do in str(sentence)


def test_another_refusal_is_a_failure_and_not_a_wrong_command() -> None:
    sentence = explained(refused("InternalFailure"))
    assert sentence is not None
    assert sentence.exit_code == 1


def test_an_error_of_another_kind_is_left_alone() -> None:
    assert explained(ValueError("a bug")) is None
