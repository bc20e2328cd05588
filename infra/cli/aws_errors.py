"""What AWS's client library raises, as one sentence that says what to do."""

import os
from pathlib import Path

from infra.errors import CommandError, InputError

UNKNOWN_CREDENTIALS = {
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation"}


def explained(error: Exception) -> CommandError | None:
    """None for an error that is not the client library's."""
    if type(error).__module__.partition(".")[0] not in {"botocore", "boto3"}:
        return None
    from botocore.exceptions import ClientError

    if isinstance(error, ClientError):
        answer = error.response["Error"]
        return _refused(error.operation_name, answer.get("Code", "no code"), answer.get("Message", ""))
    what_to_do = _what_to_do(error)
    return InputError(what_to_do) if what_to_do else CommandError(f"AWS's client library failed: {error}")


def _what_to_do(error: Exception) -> str | None:
    from botocore import exceptions as aws

    endpoint = os.environ.get("AWS_ENDPOINT_URL") or "AWS"
    bundle = os.environ.get("AWS_CA_BUNDLE")
    if bundle and not Path(bundle).exists():
        return f"AWS_CA_BUNDLE names {bundle}, which is not there: unset it, or point it to a bundle."
    match error:
        case aws.NoCredentialsError() | aws.PartialCredentialsError() | aws.CredentialRetrievalError():
            return (
                "There are no AWS credentials: set AWS_PROFILE, log in as you do for the AWS CLI, "
                "or start an archive here with `call-archive local up`."
            )
        case aws.SSOError() | aws.TokenRetrievalError():
            return "The AWS login has ended: run `aws sso login`, then try again."
        case aws.NoRegionError():
            return "There is no AWS region: set AWS_REGION, or start an archive here with `call-archive local up`."
        case aws.ProfileNotFound() | aws.ConfigParseError() | aws.InvalidRegionError():
            return f"The AWS configuration cannot be used: {error}"
        case aws.SSLError():
            return (
                f"The certificate of {endpoint} is not trusted: "
                "point AWS_CA_BUNDLE to a bundle that holds its authority."
            )
        case aws.HTTPClientError() | aws.ConnectionError():
            return f"{endpoint} does not answer: check the network, AWS_REGION, and AWS_ENDPOINT_URL if it is set."
        case _:
            return None


def _refused(operation: str, code: str, message: str) -> CommandError:
    if code in UNKNOWN_CREDENTIALS:
        return InputError(
            f"AWS does not accept these credentials ({code}): log in again, or set another AWS_PROFILE."
        )
    if code in DENIED:
        return InputError(f"These AWS credentials may not {operation}: {message.rstrip('.')}.")
    return CommandError(f"{operation} failed with {code}: {message.rstrip('.')}.")
