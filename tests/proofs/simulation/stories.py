"""A call's life at the provider, and the ends that an archive may honestly bring it to."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

from call_archive.model.call import FileStatus, TranscriptStatus
from call_archive.model.policy import Policy
from infra.verification.observation import Served
from tests.proofs.models.provider import WAVE, ScriptedFile

SECOND = timedelta(seconds=1)
MAX_CALL = timedelta(hours=4)
A_RECHECK_COMES = timedelta(hours=26)
MAX_SKEW = timedelta(minutes=5)
ANY_END = frozenset(TranscriptStatus) - {TranscriptStatus.PENDING}
ARCHIVED, NONE, LOST = (
    frozenset({TranscriptStatus.ARCHIVED}),
    frozenset({TranscriptStatus.NONE}),
    frozenset({TranscriptStatus.FAILED}),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    start: datetime
    days: float
    trouble_ends: datetime
    skew: timedelta
    """How far the provider's clock is ahead."""
    overlap: timedelta
    recheck: timedelta | None
    longest_delay: timedelta
    policy: Policy


def a_life(
    random: Random, reference_id: str, times: Times, *, text: str
) -> tuple[list[ScriptedFile], list[Served]]:
    """The files of one call. Later ones begin minutes or days after the first."""
    begins_at = times.start + _up_to(random, timedelta(days=times.days))
    begins_at += max(-times.skew, timedelta(0)) + SECOND  # the archive begins at the start, by the date
    files: list[ScriptedFile] = []
    truth: list[Served] = []
    for number in range(random.choice([1, 1, 1, 1, 2, 3])):
        file, told = _a_file(random, reference_id, number, begins_at, times, text)
        files.append(file)
        truth.append(told)
        begins_at += timedelta(minutes=1) + _up_to(
            random, random.choice([timedelta(hours=1), timedelta(days=1)])
        )
    return files, truth


def _a_file(
    random: Random, reference_id: str, number: int, begins_at: datetime, times: Times, text: str
) -> tuple[ScriptedFile, Served]:
    available_at = begins_at + _up_to(random, random.choice([10 * SECOND, timedelta(minutes=20), MAX_CALL]))
    file = ScriptedFile(
        name=f"{reference_id}_{int(begins_at.timestamp())}.wav",
        begins_at=begins_at,
        available_at=available_at,
        dated=begins_at + times.skew,
        listed_at=_listed_at(random, begins_at, available_at, times),
        body=WAVE + random.randbytes(random.choice([0, 8, 60])),
    )
    told = Served(
        reference_id=reference_id,
        file_name=file.name,
        recorded_at=file.date,
        sha256=hashlib.sha256(file.body).hexdigest(),
        ends_by=_ends_by(file, times),
    )
    file, told = _transcribed(random, file, told, times, f"{text} {number}")
    return _ended(random, file, told)


def _listed_at(random: Random, begins_at: datetime, available_at: datetime, times: Times) -> datetime | None:
    """Late, but not so late that nobody looks there any more."""
    how = random.random()
    if how < 0.7:
        return None
    if how < 0.85:  # the next window still overlaps
        return begins_at + _up_to(random, times.overlap - timedelta(minutes=6))
    late = available_at + _up_to(random, timedelta(hours=6))
    if times.recheck is None:
        return None
    looked_for_until = begins_at + times.skew + times.recheck
    return late if max(late, times.trouble_ends) + A_RECHECK_COMES < looked_for_until else None


def _ends_by(file: ScriptedFile, times: Times) -> datetime:
    assert file.available_at is not None
    known_at = file.available_at
    if file.listed_at is not None and file.listed_at > file.begins_at + times.overlap:
        known_at = file.listed_at + A_RECHECK_COMES
    return max(known_at, times.trouble_ends) + MAX_SKEW + times.longest_delay


def _transcribed(
    random: Random, file: ScriptedFile, told: Served, times: Times, text: str
) -> tuple[ScriptedFile, Served]:
    assert file.available_at is not None
    grace, deadline = times.policy.transcript_grace, times.policy.transcript_deadline
    available_at, transcribe = file.available_at, _completed(text)
    match random.choice(["never", "at once", "soon", "soon", "slowly", "late", "endless", "refused"]):
        case "never":
            return file, replace(told, transcript_ends=NONE)
        case "refused":
            file = replace(file, transcription={"transcription": [{"status": "failed"}]})
            return replace(file, transcribed_at=available_at), replace(told, transcript_ends=LOST)
        case "endless":
            return replace(file, transcribing_at=available_at), replace(told, transcript_ends=LOST)
        case "at once":
            file, ends = replace(file, transcribed_at=available_at), ARCHIVED
        case "soon":  # at first there is none, and then there is
            file = replace(file, transcribed_at=available_at + _up_to(random, 0.9 * grace))
            ends = ARCHIVED
        case "slowly":
            ready_at = available_at + _up_to(random, deadline - timedelta(hours=1))
            file = replace(file, transcribing_at=available_at, transcribed_at=ready_at)
            ends = ARCHIVED
        case _:  # late: the grace is over, and only a recheck may find it
            file = replace(file, transcribed_at=available_at + grace + _up_to(random, timedelta(hours=20)))
            ends = ARCHIVED | NONE
    return replace(file, transcription=transcribe), replace(
        told, transcribes=(transcribe,), transcript_ends=ends
    )


def _ended(random: Random, file: ScriptedFile, told: Served) -> tuple[ScriptedFile, Served]:
    """What else may become of it."""
    assert file.available_at is not None
    failed, archived = FileStatus.FAILED, FileStatus.ARCHIVED
    gone_at = file.available_at + _up_to(random, timedelta(hours=12))
    too_soon = told.ends_by is None or gone_at <= told.ends_by  # else it was there for long enough
    match random.choice(["kept"] * 14 + ["stuck", "deleted", "vanished", "no recording", "foreign"]):
        case "stuck":  # it stays in progress, and so without a name
            file = replace(file, available_at=None, transcribed_at=None, transcribing_at=None)
            return file, replace(
                told,
                file_name="",
                sha256=None,
                transcribes=(),
                recording_ends=frozenset({failed}),
                ends_by=None,
            )
        case "deleted":
            ends = frozenset({archived, *([FileStatus.DELETED_AT_SOURCE] if too_soon else [])})
            return replace(file, deleted_at=gone_at), replace(
                told, recording_ends=ends, transcript_ends=ANY_END
            )
        case "vanished":
            ends = frozenset({archived, *([failed] if too_soon else [])})
            return replace(file, deleted_at=gone_at, vanishes=True), replace(
                told,
                recording_ends=ends,
                transcript_ends=ANY_END,
                may_be_missed=too_soon,
                ends_by=None if too_soon else told.ends_by,
            )
        case "no recording":
            file = replace(file, body=b"<html>gone</html>")
            # It is asked for several times, and not in a hurry.
            return file, replace(told, sha256=None, recording_ends=frozenset({failed}), ends_by=None)
        case "foreign":
            return replace(file, foreign_link=True), replace(
                told, sha256=None, recording_ends=frozenset({failed})
            )
    return file, told


def _completed(text: str) -> Mapping[str, Any]:
    return {"language_code": "en-US", "transcription": [{"status": "completed", "result": text}]}


def _up_to(random: Random, longest: timedelta) -> timedelta:
    return timedelta(seconds=int(random.uniform(0, longest.total_seconds())))
