"""How a world stands, past the proxies: what is owed, what has failed and why, what was told."""

import json
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from call_archive.model.call import Call, FileStatus, TranscriptStatus
from call_archive.storage.ledger import Ledger
from infra.config import LISTING_LAG_ALARM_SECONDS, OLDEST_OPEN_CALL_ALARM_SECONDS
from infra.simulator import TrueCall
from tests.proofs.faults.world import World
from tests.proofs.observer import LOSSES

ALARMS: Mapping[tuple[str, str], tuple[str, float]] = {
    ("ListingLag", "lister"): ("ListingLag", LISTING_LAG_ALARM_SECONDS),
    ("OldestOpenCallAge", "lister"): ("OldestOpenCall", OLDEST_OPEN_CALL_ALARM_SECONDS),
    ("RowsUnreadable", "lister"): ("RowsUnreadable", 0),
    ("FailedFiles", "fetcher"): ("FailedFiles", 0),
    ("DeletedFiles", "fetcher"): ("DeletedFiles", 0),
    ("MessagesFailed", "lister"): ("ListerMessages", 0),
    ("MessagesFailed", "fetcher"): ("FetcherMessages", 0),
}
"""By metric and service: the deployed alarm, and above which value it is raised."""
BROKEN = re.compile(
    r" \((Connection\w*|ReadTimeout\w*|SSL\w*|Timeout\w*|Protocol\w*|Incomplete\w*|gai\w*|BadStatus\w*)\)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    reasons: frozenset[str]
    alarms: frozenset[str]


def truth(world: World) -> list[TrueCall]:
    return world.stage.fronts.simulator.truth()


def calls(world: World) -> dict[str, Call | None]:
    known = Ledger(world.stage.clients["dynamodb"], world.names.table).read_many(
        call.reference_id for call in truth(world)
    )
    return {call.reference_id: known.get(call.reference_id) for call in truth(world)}


def unsettled(world: World) -> list[str]:
    return [name for name, call in calls(world).items() if call is None or not call.settled]


def owes(world: World) -> bool:
    """Whether a call is not settled, or a window not listed yet."""
    return bool(unsettled(world) or world.ledger.open_windows())


def failed(world: World) -> dict[str, Call]:
    return {name: call for name, call in calls(world).items() if call is not None and call.failed}


def reasons_of(call: Call) -> Iterator[str]:
    for file in call.files.values():
        if file.status is FileStatus.FAILED:
            yield plain(file.reason or "")
        if file.transcript is not None and file.transcript.status is TranscriptStatus.FAILED:
            yield plain(file.transcript.reason or "")


def told(world: World) -> Told:
    """Why work was put off, and which alarms would be raised."""
    reasons = set(world.raised)
    for line in lines(world):
        if "_aws" in line:
            continue
        if line["message"] == "window_postponed":
            reasons.add(line["reason"])
        elif line["message"] == "message_failed":
            unexpected = line["reason"].startswith("unexpected")
            reasons.add(f"an unexpected {line['error']}" if unexpected else line["reason"])
        elif line["message"] == "call_pending" and not line["reason"].startswith("not visited"):
            reasons.add(line["reason"])
    alarms = set(_alarms_on(_measured(world)))
    alarms |= {"ListerErrors"} if world.raised else set()
    alarms |= {name for name, url in dead_letter_queues(world).items() if messages_in(world, url)}
    return Told(reasons=frozenset(map(plain, reasons)), alarms=frozenset(alarms))


def losses_reported(world: World) -> set[tuple[str, str]]:
    """Reference id and file name of each loss that was counted: alarms hear of counts alone."""
    counted: set[tuple[str, str]] = set()
    uncounted: dict[str, deque[tuple[str, str]]] = {metric: deque() for metric in LOSSES.values()}
    for line in lines(world):
        if "_aws" in line:
            for metric, waiting in uncounted.items():
                count = int(sum(line.get(metric, [])))
                counted |= {waiting.popleft() for _ in range(min(count, len(waiting)))}
        elif line["message"] in LOSSES:
            uncounted[LOSSES[line["message"]]].append((line["reference_id"], line["file_name"]))
    return counted


def _measured(world: World) -> dict[tuple[str, str], float]:
    """The last value of each metric, by metric and service: a gauge as it stands, a count as it is above none."""
    values: dict[tuple[str, str], float] = {}
    for line in lines(world):
        if "_aws" in line:
            (directive,) = line["_aws"]["CloudWatchMetrics"]
            for metric in directive["Metrics"]:
                values[metric["Name"], line["service"]] = max(line[metric["Name"]])
    return values


def _alarms_on(values: Mapping[tuple[str, str], float]) -> Iterator[str]:
    for measured, (alarm, threshold) in ALARMS.items():
        if values.get(measured, 0) > threshold:
            yield alarm


def plain(reason: str) -> str:
    """Without what differs from run to run: which of two calls, and how a broken connection showed."""
    return re.sub(r"(recordings|transcripts)/\S+?(\.wav(\.json)?)", "its key", BROKEN.sub("", reason))


def lines(world: World) -> list[dict[str, Any]]:
    return [json.loads(line) for line in world.log.getvalue().splitlines() if line.startswith("{")]


def messages_in(world: World, url: str) -> int:
    answer = world.stage.clients["sqs"].get_queue_attributes(
        QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
    )
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])


def dead_letter_queues(world: World) -> dict[str, str]:
    return {"FetchDlq": world.names.fetch_dlq, "WindowsDlq": world.names.windows_dlq}
