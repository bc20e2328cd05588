"""How a cell's world stands, past the proxies: what is owed, what has failed and why, what was said, what is wrong."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from call_archive.model.call import Call, FileStatus, TranscriptStatus
from call_archive.storage.ledger_items import call_from_item
from infra.config import LISTING_LAG_ALARM_SECONDS, OLDEST_OPEN_CALL_ALARM_SECONDS
from infra.verification.invariants import violations
from infra.verification.observation import Observation, Served
from tests.proofs.faults.world import CellWorld
from tests.proofs.observer import served
from tests.proofs.stories import TWO_CALLS

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
DEAD_LETTER_ALARMS = {"fetch-dlq": "FetchDlq", "windows-dlq": "WindowsDlq"}
BROKEN = re.compile(
    r" \((Connection\w*|ReadTimeout\w*|SSL\w*|Timeout\w*|Protocol\w*|Incomplete\w*|gai\w*|BadStatus\w*)\)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    reasons: frozenset[str]
    alarms: frozenset[str]


def calls(world: CellWorld) -> dict[str, Call | None]:
    items = [item for item in world.account.items() if item["pk"]["S"].startswith("call#")]
    known = {call.reference_id: call for call in map(call_from_item, items)}
    return {call.reference_id: known.get(call.reference_id) for call in TWO_CALLS.calls}


def unsettled(world: CellWorld) -> list[str]:
    return [name for name, call in calls(world).items() if call is None or not call.settled]


def owes(world: CellWorld) -> bool:
    """Whether a call is not settled, or a window not listed yet."""
    windows = (item for item in world.account.items() if item["pk"]["S"].startswith("window#"))
    return bool(unsettled(world) or any(windows))


def failed(world: CellWorld) -> dict[str, Call]:
    return {name: call for name, call in calls(world).items() if call is not None and call.failed}


def reasons_of(call: Call) -> Iterator[str]:
    for file in call.files.values():
        if file.status is FileStatus.FAILED:
            yield plain(file.reason or "")
        if file.transcript is not None and file.transcript.status is TranscriptStatus.FAILED:
            yield plain(file.transcript.reason or "")


def told(world: CellWorld) -> Told:
    """Why work was put off, and which alarms would be raised."""
    reasons = set(world.raised)
    for line in world.log.documents():
        match line.get("message"):
            case "window_postponed":
                reasons.add(line["reason"])
            case "message_failed":
                unexpected = line["reason"].startswith("unexpected")
                reasons.add(f"an unexpected {line['error']}" if unexpected else line["reason"])
            case "call_pending" if not line["reason"].startswith("not visited"):
                reasons.add(line["reason"])
    alarms = set(_alarms_on(_measured(world)))
    alarms |= {"ListerErrors"} if world.raised else set()
    alarms |= {DEAD_LETTER_ALARMS[name] for name, dead in world.account.dead_letters().items() if dead}
    return Told(reasons=frozenset(map(plain, reasons)), alarms=frozenset(alarms))


def _measured(world: CellWorld) -> dict[tuple[str, str], float]:
    """The last value of each metric, by metric and service: a gauge as it stands, a count as it is above none."""
    values: dict[tuple[str, str], float] = {}
    for line in world.log.documents():
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


def found_wrong(world: CellWorld, *, at_rest: bool, may_be_unlisted: bool = False) -> list[str]:
    """Every promise that is broken. `at_rest`: nothing may be missing or owed any more."""
    seen = world.observed(at_rest=at_rest)
    files = list(served(TWO_CALLS.calls, world.clock()))
    broken = [str(violation) for violation in violations(files, seen)]
    lost = [] if may_be_unlisted else list(_lost(files, seen))
    return [*broken, *lost, *_odd(seen)]


def _lost(files: Iterable[Served], seen: Observation) -> Iterator[str]:
    """What I1 says of a world at rest, said of one where a fault stays: what is not known yet is owed."""
    for each in files:
        if each.reference_id not in seen.calls and not _is_pending(each, seen):
            yield f"lost: {each.reference_id} is neither in the ledger nor in a window that is owed"


def _is_pending(file: Served, seen: Observation) -> bool:
    if seen.listed_until is None or seen.listed_until < file.recorded_at:
        return True
    return any(pending.window.overlaps(file.recorded_at, file.recorded_at) for pending in seen.windows)


def _odd(seen: Observation) -> Iterator[str]:
    """What no call of a whole ledger looks like."""
    for call in seen.calls.values():
        if call.settled and not call.files:
            yield f"settled without a file: {call.reference_id}"
        for name, file in call.files.items():
            if file.recording is not None and file.status is not FileStatus.ARCHIVED:
                yield f"stored, and {file.status.value} all the same: {name}"
