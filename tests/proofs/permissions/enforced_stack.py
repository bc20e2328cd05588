"""The deployed stack under enforced IAM: its functions called by hand, with one permission less or with all."""

from __future__ import annotations

import base64
import json
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from call_archive.list_window import enqueue_windows
from call_archive.model.message import VisitMessage, WindowMessage
from call_archive.model.window import SECOND, PendingWindow, Window
from tests.proofs.permissions.policies import (
    Allowed,
    Permission,
    Statement,
    allowed,
    as_ministack_asks,
    without,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from infra.deployment import Deployment
    from infra.local.demo.demonstration import HeldClock
    from infra.simulator import SimulatedTelesign, TrueFile

LEASE_SECONDS = 20
"""The deployed 240 would let what is lost wait for minutes; nothing here takes longer than a few seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an invocation gave: the messages to be delivered again, its error, and the events it logged."""

    failed_messages: tuple[str, ...]
    error: str
    events: tuple[dict[str, Any], ...]

    def told(self, event: str) -> list[dict[str, Any]]:
        return [each for each in self.events if each.get("message") == event]


@dataclass(frozen=True, kw_only=True)
class EnforcedStack:
    deployment: Deployment
    simulator: SimulatedTelesign
    clock: HeldClock
    fresh: list[TrueFile]
    """Of calls that nothing has been asked about yet; each is taken by one test."""
    archive_from: datetime
    """What is older no tick lists: only who owes its window."""
    policies: dict[str, list[Statement]] = field(default_factory=dict)
    """As deployed, by function."""
    refused: dict[str, str] = field(default_factory=dict)
    """Of each call that was refused something, by reference id: what was not allowed."""

    def client(self, service: str) -> Any:
        """Of services that the operator's own commands do not use as well."""
        return cast("Any", self.deployment.connection).client(service)

    # --- Policies

    def prepare(self) -> None:
        """Reads the policies as deployed and writes them as MiniStack asks; stops what goes on by itself."""
        for function in ("lister", "fetcher"):
            role, policy = self._role_and_policy(function)
            document = self.client("iam").get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
            self.policies[function] = document["Statement"]
            self._put(function, self.policies[function])
            self.begin_anew(function)
        self.run_by_itself(running=False)

    def permissions(self) -> set[Permission]:
        return {
            Permission(function=function, action=action, resource=self._names[arn])
            for function, statements in self.policies.items()
            for action, arn in allowed(statements)
        }

    @contextmanager
    def denied(self, *permissions: Permission) -> Iterator[None]:
        """Without these; afterwards the policies are again as they were deployed."""
        functions = {permission.function for permission in permissions}
        for function in functions:
            wanted = {(each.action, each.resource) for each in permissions if each.function == function}
            removed: set[Allowed] = {
                (action, arn)
                for action, arn in allowed(self.policies[function])
                if (action, self._names[arn]) in wanted
            }
            assert len(removed) == len(wanted)
            self._put(function, without(self.policies[function], removed))
        try:
            yield
        finally:
            for function in functions:
                self._put(function, self.policies[function])

    def _put(self, function: str, statements: list[Statement]) -> None:
        role, policy = self._role_and_policy(function)
        document = {
            "Version": "2012-10-17",
            "Statement": as_ministack_asks(statements, self._arns_of_secrets()),
        }
        self.client("iam").put_role_policy(
            RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document)
        )

    def _role_and_policy(self, function: str) -> tuple[str, str]:
        """A role has one policy, its own, and none that is managed elsewhere: else a part could not be missed."""
        role = self._configuration(function)["Role"].rsplit("/", 1)[1]
        iam = self.client("iam")
        assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
        (policy,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
        return role, policy

    def _arns_of_secrets(self) -> dict[str, str]:
        secrets = self.client("secretsmanager").list_secrets()["SecretList"]
        return {secret["Name"]: secret["ARN"] for secret in secrets}

    @cached_property
    def _names(self) -> Mapping[str, str]:
        """What a reader calls each resource, by its ARN as the policies have it."""
        at, made = self.deployment, "arn:aws:{}:us-east-1:000000000000:{}"
        table = made.format("dynamodb", f"table/{at.table}")
        queues = {
            "fetch queue": at.fetch_queue_url,
            "windows queue": at.windows_queue_url,
            "schedule dlq": at.schedule_dlq_url,
        }
        return {
            table: "table",
            f"{table}/index/open": "open index",
            f"arn:aws:s3:::{at.bucket}/recordings/*": "recordings",
            f"arn:aws:s3:::{at.bucket}/transcripts/*": "transcripts",
            at.secret_id: "secret",
            **{made.format("sqs", url.rsplit("/", 1)[1]): name for name, url in queues.items()},
            **{
                made.format("logs", f"log-group:{self.log_group(function)}:*"): "log"
                for function in ("lister", "fetcher")
            },
        }

    # --- Functions

    def noted(self) -> TrueFile:
        """Of a fresh call that has been listed, and not visited."""
        file, window = self.pending()
        assert not self.list_window(window).failed_messages
        return file

    def pending(self) -> tuple[TrueFile, Window]:
        """Of a fresh call, and its second, which is owed and due, with no message to bring it."""
        file, now = self.fresh.pop(), datetime.now(UTC)
        window = Window(start=file.created_at, end=file.created_at)
        self.deployment.ledger.put_windows([PendingWindow(window=window, due_at=now, next_visit_at=now)])
        return file, window

    def due(self) -> TrueFile:
        """Of a call that has been listed, and whose visit is due though no message brought it."""
        file, ledger = self.noted(), self.deployment.ledger
        call = ledger.read(file.reference_id)
        assert call is not None
        assert ledger.write(replace(call, next_visit_at=datetime.now(UTC)))
        return file

    def visit(self, reference_id: str) -> Answer:
        return self._deliver("fetcher", VisitMessage(reference_id=reference_id).to_json())

    def list_window(self, window: Window) -> Answer:
        return self._deliver("lister", WindowMessage(window=window).to_json())

    def enqueue_windows(self, windows: Sequence[Window]) -> None:
        """As a backfill would owe and queue them."""
        queue = self.deployment.queue(self.deployment.windows_queue_url)
        enqueue_windows(windows, ledger=self.deployment.ledger, queue=queue, now=datetime.now(UTC))

    def cursor(self) -> datetime:
        """The last second that a tick has moved over."""
        return self.deployment.ledger.listed_until() or self.archive_from - SECOND

    def is_owed(self, after: datetime, until: datetime) -> bool:
        """Whether windows of the ledger hold each second after one, until another."""
        for window in sorted(pending.window for pending in self.deployment.ledger.open_windows()):
            if window.start <= after + SECOND:
                after = max(after, window.end)
        return after >= until

    def tick(self) -> Answer:
        return self._invoke("lister", {"kind": "tick"})

    def begin_anew(self, function: str) -> None:
        """In an execution environment that remembers no secret; a change of settings ends the old ones."""
        configuration = self._configuration(function)
        variables = configuration["Environment"]["Variables"]
        fresh = {"LEASE_SECONDS": str(LEASE_SECONDS), "BEGUN": str(time.monotonic())}
        self.client("lambda").update_function_configuration(
            FunctionName=configuration["FunctionName"], Environment={"Variables": variables | fresh}
        )

    def lines_since(self, milliseconds: int) -> list[str]:
        """What both functions have logged since then."""
        pages = [
            page
            for function in ("lister", "fetcher")
            for page in self.client("logs")
            .get_paginator("filter_log_events")
            .paginate(logGroupName=self.log_group(function), startTime=milliseconds)
        ]
        return [event["message"] for page in pages for event in page["events"]]

    def logged(self, event: str, reference_id: str) -> bool:
        return any(event in line and reference_id in line for line in self.lines_since(0))

    def log_group(self, function: str) -> str:
        group: str = self._configuration(function)["LoggingConfig"]["LogGroup"]
        return group

    def run_by_itself(self, *, running: bool) -> None:
        """Whether the queues and the schedule bring work to the functions, or only these tests do."""
        functions, rules = self.client("lambda"), self.client("events")
        for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
            functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=running)
        for rule in rules.list_rules()["Rules"]:
            if "ScheduleExpression" in rule:
                (rules.enable_rule if running else rules.disable_rule)(Name=rule["Name"])

    def _configuration(self, function: str) -> dict[str, Any]:
        name = getattr(self.deployment, f"{function}_function")
        found: dict[str, Any] = self.client("lambda").get_function_configuration(FunctionName=name)
        return found

    def _deliver(self, function: str, body: str) -> Answer:
        record = {"messageId": "by-hand", "body": body, "eventSource": "aws:sqs", "receiptHandle": "none"}
        return self._invoke(function, {"Records": [record]})

    def _invoke(self, function: str, event: dict[str, Any]) -> Answer:
        name = getattr(self.deployment, f"{function}_function")
        answer = self.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event), LogType="Tail")
        payload = json.loads(answer["Payload"].read())
        log = base64.b64decode(answer.get("LogResult", "")).decode()
        return Answer(
            failed_messages=tuple(each["itemIdentifier"] for each in payload.get("batchItemFailures", [])),
            error=payload.get("errorMessage", "") if "FunctionError" in answer else "",
            events=tuple(json.loads(line) for line in log.splitlines() if line.startswith("{")),
        )
