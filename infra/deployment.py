"""A deployed archive, as the outputs of its stack describe it: on AWS or on this machine."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from infra.connection import Connection
from infra.errors import InputError, in_one_line

if TYPE_CHECKING:
    from call_archive.storage.ledger import Ledger
    from call_archive.storage.queues import Queue


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """A deployed archive: the outputs of its stack, and the connection to its services."""

    connection: Connection
    stack: str
    bucket: str
    table: str
    fetch_queue_url: str
    fetch_dlq_url: str
    windows_queue_url: str
    windows_dlq_url: str
    schedule_dlq_url: str
    secret_id: str
    lister_function: str
    fetcher_function: str
    dashboard: str
    lease: timedelta
    schema: int
    """Of the items that its functions write."""
    consumers: Mapping[str, str]

    @cached_property
    def ledger(self) -> "Ledger":
        from call_archive.storage.ledger import Ledger

        return Ledger(self.connection.client("dynamodb"), self.table)

    def queue(self, url: str) -> "Queue":
        from call_archive.storage.queues import Queue

        return Queue(self.connection.client("sqs"), url)

    def refuse_older(self) -> None:
        """InputError when its functions could not read what is written here: for every verb that writes."""
        from call_archive.storage.ledger_items import SCHEMA

        if self.schema < SCHEMA:
            raise InputError(
                f"The stack {self.stack} has its ledger in schema {self.schema}, and this call-archive would write"
                f" schema {SCHEMA}: deploy this version first (`cdk deploy`); nothing was changed."
            )


def deployment_of(stack: str, outputs: Mapping[str, str], connection: Connection) -> Deployment:
    """The archive with these outputs; InputError when this version cannot work with it."""
    try:
        return Deployment(
            connection=connection,
            stack=stack,
            bucket=outputs["Bucket"],
            table=outputs["Table"],
            fetch_queue_url=outputs["FetchQueueUrl"],
            fetch_dlq_url=outputs["FetchDlqUrl"],
            windows_queue_url=outputs["WindowsQueueUrl"],
            windows_dlq_url=outputs["WindowsDlqUrl"],
            schedule_dlq_url=outputs["ScheduleDlqUrl"],
            secret_id=outputs["SecretId"],
            lister_function=outputs["ListerFunction"],
            fetcher_function=outputs["FetcherFunction"],
            dashboard=outputs["Dashboard"],
            lease=timedelta(seconds=int(outputs["LeaseSeconds"])),
            schema=_readable_schema(stack, outputs["Schema"]),
            consumers=json.loads(outputs["Consumers"]),
        )
    except KeyError as missing:
        raise InputError(
            f"The stack {stack} has no output {missing.args[0]}: it is not an archive of this version; "
            "deploy it again, or name another with --stack."
        ) from missing


def _readable_schema(stack: str, output: str) -> int:
    from call_archive.storage.ledger_items import SCHEMA

    if not re.fullmatch("[0-9]{1,9}", output):
        raise InputError(
            f"The stack {stack} has the output Schema '{in_one_line(output)}', which is no whole number: deploy it"
            " again, or name another with --stack."
        )
    if int(output) > SCHEMA:
        raise InputError(
            f"The stack {stack} has its ledger in schema {output}, and this call-archive reads up to {SCHEMA}:"
            " upgrade call-archive to the version that was deployed."
        )
    return int(output)
