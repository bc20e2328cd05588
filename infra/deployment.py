"""A deployed archive, as the outputs of its stack describe it: on AWS or on this machine."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from infra.connection import Connection
from infra.errors import InputError

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
    consumers: Mapping[str, str]

    @cached_property
    def ledger(self) -> "Ledger":
        from call_archive.storage.ledger import Ledger

        return Ledger(self.connection.client("dynamodb"), self.table)

    def queue(self, url: str) -> "Queue":
        from call_archive.storage.queues import Queue

        return Queue(self.connection.client("sqs"), url)


def deployment_of(stack: str, outputs: Mapping[str, str], connection: Connection) -> Deployment:
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
            consumers=json.loads(outputs["Consumers"]),
        )
    except KeyError as missing:
        raise InputError(
            f"The stack {stack} has no output {missing.args[0]}: it is not an archive of this version; "
            "deploy it again, or name another with --stack."
        ) from missing
