"""Ledger and bucket, compared both ways: list the bucket, compare the ledger's objects, settle what is left.

Each key is judged once. Listing finds the keys that the ledger does not explain; comparing judges every object
that the ledger calls archived; settling judges what is then still unexplained. The archive may work meanwhile:
nothing is said to differ before the ledger was read on both sides of reading the bucket.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from call_archive.model.object_key import segment
from infra.verification.bucket_versions import UnreadableError
from infra.verification.checkpoint import Stage
from infra.verification.differences import Finding, Mark, compare, expected_objects, judge
from infra.verification.ledger_pages import calls_page, read_call, read_calls
from infra.verification.parsed_key import CUT, Kind, parse_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Executor

    from call_archive.model.call import Call
    from call_archive.storage.ledger import Ledger
    from infra.verification.bucket_versions import Bucket
    from infra.verification.checkpoint import Checkpoint
    from infra.verification.differences import Expected, StoredVersion
    from infra.verification.ledger_pages import Range

READERS = 10
"""Fewer than the connections that each client keeps."""

SETTLED_AT_ONCE = 100
MAX_READINGS = 5
CLOCKS_DIFFER = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    ledger: Ledger
    bucket: Bucket
    checkpoint: Checkpoint
    chosen: Range | None
    """None for all that there is; a range leaves out what lies elsewhere in the bucket."""
    say: Callable[[str], None]


def verify(run: Verification) -> Iterator[Sequence[Finding]]:
    """The findings of each page, once they are on disk; goes on from the checkpoint."""
    if run.checkpoint.stage is Stage.LISTING:
        _list(run)
    with ThreadPoolExecutor(READERS) as readers:
        if run.checkpoint.stage is Stage.COMPARING:
            yield from _compare(run, readers)
        if run.checkpoint.stage is Stage.SETTLING:
            yield from _settle(run, readers)


# --- Listing


def _list(run: Verification) -> None:
    prefixes = _prefixes(run.chosen)
    begun = run.checkpoint.position.get("prefix", prefixes[0])
    after: str | None = run.checkpoint.position.get("after")
    for prefix in prefixes[prefixes.index(begun) :]:
        more = True
        while more:
            page = run.bucket.page(prefix, after)
            suspects = _unexplained(run.ledger, page.versions)
            after, more = page.until, page.until is not None
            if more:
                position = {"prefix": prefix, "after": after}
                run.checkpoint.note(position=position, suspects=suspects, listed=len(page.versions))
            elif prefix != prefixes[-1]:
                position = {"prefix": prefixes[prefixes.index(prefix) + 1]}
                run.checkpoint.note(position=position, suspects=suspects, listed=len(page.versions))
            else:
                run.checkpoint.note(stage=Stage.COMPARING, suspects=suspects, listed=len(page.versions))
            run.say(f"{run.checkpoint.listed:,} objects listed")


def _prefixes(chosen: Range | None) -> list[str]:
    if chosen is None:
        return [""]
    return [f"{kind}/{day:%Y/%m/%d}/" for kind in Kind for day in chosen.days()]


def _unexplained(ledger: Ledger, listed: Mapping[str, Sequence[StoredVersion]]) -> list[str]:
    """The keys of which the ledger does not say just what is listed."""
    parsed_keys = {key: parse_key(key) for key in listed}
    reference_ids = {key: parsed.reference_id for key, parsed in parsed_keys.items() if parsed is not None}
    calls, _damaged = read_calls(ledger, filter(None, reference_ids.values()))
    expected = {key: each for call in calls.values() for key, each in expected_objects(call).items()}
    return [key for key, versions in listed.items() if not _is_as_expected(expected.get(key), versions)]


def _is_as_expected(expected: Expected | None, versions: Sequence[StoredVersion]) -> bool:
    if expected is None:
        return False
    # A listing has no SHA-256: comparing asks for it.
    hashed = [replace(version, sha256=expected.stored.sha256) for version in versions]
    return compare(expected.stored, hashed).mark is Mark.EQUAL


# --- Comparing


def _compare(run: Verification, readers: Executor) -> Iterator[Sequence[Finding]]:
    more = True
    while more:
        page = calls_page(run.ledger, run.chosen, run.checkpoint.position)
        more = page.next is not None
        wanted = [
            (key, call)
            for call in page.calls
            for key, expected in expected_objects(call).items()
            if run.chosen is None or run.chosen.holds(expected.recorded_at)
        ]
        suspects = run.checkpoint.suspects_among(key for key, _ in wanted)
        answers = list(readers.map(partial(_compare_one, run, suspects), wanted))
        findings = [
            *(_damaged(reference_id, why) for reference_id, why in page.damaged.items()),
            *(finding for finding in answers if finding is not None),
        ]
        cut = {segment(call.reference_id): call.reference_id for call in page.calls}
        run.checkpoint.note(
            stage=Stage.COMPARING if more else Stage.SETTLING,
            position=page.next or {},
            findings=findings,
            judged=[finding.key for finding in findings],
            # Tried once more in the end: a throttle has passed by then.
            suspects=[key for (key, _), finding in zip(wanted, answers, strict=True) if finding is None],
            cut_ids={encoded: reference_id for encoded, reference_id in cut.items() if CUT in encoded},
        )
        run.say(f"{run.checkpoint.equal:,} objects equal")
        yield findings


def _compare_one(run: Verification, suspects: set[str], wanted: tuple[str, Call]) -> Finding | None:
    """None when it could not be read."""
    key, call = wanted
    try:
        if key not in suspects:
            there = run.bucket.current(key)
            finding = judge(key, call, [there] if there else [])
            if finding is not None and finding.mark is Mark.EQUAL:
                return finding
        return _confirmed(run, key, call.reference_id)
    except UnreadableError:
        return None


def _damaged(reference_id: str, why: str) -> Finding:
    return Finding(mark=Mark.UNREADABLE, key=f"call#{reference_id}", reason=why)


# --- Settling


def _settle(run: Verification, readers: Executor) -> Iterator[Sequence[Finding]]:
    while keys := run.checkpoint.suspects(SETTLED_AT_ONCE):
        owners = [_owner(run.checkpoint, key) for key in keys]
        answers = readers.map(partial(_settle_one, run), keys, owners)
        findings = [finding for finding in answers if finding is not None]
        run.checkpoint.note(stage=Stage.SETTLING, findings=findings, judged=keys)
        run.say(f"{run.checkpoint.equal:,} objects equal, the rest looked at again")
        yield findings
    run.checkpoint.note(stage=Stage.DONE)


def _owner(checkpoint: Checkpoint, key: str) -> str | None:
    """The reference id that a key names; of one that was cut, if comparing met it."""
    parsed = parse_key(key)
    if parsed is None:
        return None
    return parsed.reference_id or checkpoint.reference_id_of(parsed.reference)


def _settle_one(run: Verification, key: str, reference_id: str | None) -> Finding | None:
    try:
        return _confirmed(run, key, reference_id)
    except UnreadableError as error:
        return Finding(mark=Mark.UNREADABLE, key=key, reason=str(error))


# --- What is said of one key


def _confirmed(run: Verification, key: str, reference_id: str | None) -> Finding | None:
    """What holds of a key while the ledger says the same before and after the bucket was read.

    The archive stores first and notes afterwards. So an object that is noted must be there when it is looked
    for afterwards, and one that is there may be noted when the ledger is read again.
    """
    call = read_call(run.ledger, reference_id) if reference_id is not None else None
    for _ in range(MAX_READINGS):
        before = expected_objects(call).get(key)
        versions = run.bucket.versions(key, before.stored.version_id if before else None)
        call = read_call(run.ledger, reference_id) if reference_id is not None else None
        after = expected_objects(call).get(key)
        if before == after:
            break
    else:
        raise UnreadableError("the ledger's item changed with each reading")
    if after is not None and run.chosen is not None and not run.chosen.holds(after.recorded_at):
        return None
    finding = judge(key, call, versions)
    if (
        finding is not None
        and finding.mark is Mark.EXTRA
        and _came_late(key, versions, call, run.checkpoint.began_at)
    ):
        reason = "stored while this ran, by a call whose id cannot be read from its key"
        return Finding(mark=Mark.IN_WORK, key=key, reason=reason)
    return finding


def _came_late(key: str, versions: Sequence[StoredVersion], call: Call | None, began_at: datetime) -> bool:
    """Whether its call may be one that comparing could not meet yet: a hash does not lead back to an id."""
    parsed = parse_key(key)
    return (
        call is None
        and parsed is not None
        and parsed.reference_id is None
        and all(each.modified_at and each.modified_at > began_at - CLOCKS_DIFFER for each in versions)
    )
