"""How every verb finds the archive it is to work on, and the sentence when it cannot."""

import functools
import os
import re
from collections.abc import Callable

import click

from infra.connection import Connection
from infra.deployment import Deployment, deployment_of
from infra.errors import InputError, in_one_line
from infra.local.state import read_running

STACK = "CallArchive"
STACK_NAME = r"[A-Za-z][A-Za-z0-9-]{0,127}|arn:[!-~]{1,2000}"


def find_deployment(*, stack: str | None = None, aws: bool = False) -> Deployment:
    """The archive that a shell's AWS environment names, or the local one that is running."""
    if stack is not None and not re.fullmatch(STACK_NAME, stack):
        raise InputError(
            f"'{in_one_line(stack)}' is no stack's name: give letters, digits and hyphens, or its ARN."
        )
    running = None if aws or os.environ.get("AWS_ENDPOINT_URL") else read_running()
    if running is None or not running.is_ready:
        connection = Connection()
        name = stack or STACK
        return deployment_of(name, _outputs(connection, name), connection)
    click.echo(f"Using the local archive at {running.endpoint_url} (--aws for the one on AWS).", err=True)
    name = stack or running.stack
    outputs = running.outputs if name == running.stack else _outputs(running.connection, name)
    return deployment_of(name, outputs, running.connection)


def with_deployment(command: Callable[..., None]) -> Callable[..., None]:
    """For a verb's function: adds --stack and --aws, and passes the archive as first argument."""

    @click.option("--stack", metavar="NAME", help=f"The archive's CloudFormation stack.  [default: {STACK}]")
    @click.option("--aws", is_flag=True, help="The archive on AWS, though a local one is running.")
    @functools.wraps(command)
    def found(*context: object, stack: str | None, aws: bool, **options: object) -> None:
        command(find_deployment(stack=stack, aws=aws), *context, **options)

    return found


def _readable_schema(stack: str, output: str) -> int:
    from call_archive.storage.ledger_items import SCHEMA

    if not re.fullmatch("[0-9]{1,9}", output):
        raise InputError(
            f"The stack {stack} has the output Schema '{in_one_line(output)}', which is no whole number: deploy it"
            " again, or name another with --stack."
        )
    if int(output) > SCHEMA:
        raise InputError(
            f"The stack {stack} keeps its ledger in schema {output}, and this call-archive reads up to {SCHEMA}:"
            " upgrade call-archive to the version that was deployed."
        )
    return int(output)


def _outputs(connection: Connection, stack: str) -> dict[str, str]:
    from botocore.exceptions import ClientError

    try:
        return connection.stack_outputs(stack)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":
            raise
        raise InputError(
            f"There is no stack {stack} in this account and region: deploy it with `cdk deploy`, name it with "
            "--stack, choose another AWS_PROFILE or AWS_REGION, or start one here with `call-archive local up`."
        ) from error
