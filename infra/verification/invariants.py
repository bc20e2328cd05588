"""The archive's invariants, looked at from outside: what the provider held, against what was made of it.

Nothing here asks the archive what it meant to do. It takes what lies in the bucket, the ledger and the queues.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from call_archive.model.backoff import MAX_CHAIN
from call_archive.model.call import (
    Call,
    FileStatus,
    RecordingFile,
    StoredObject,
    Transcript,
    TranscriptStatus,
)
from call_archive.model.window import SECOND
from infra.verification.differences import StoredVersion
from infra.verification.observation import Observation, Served

INVARIANTS = {
    "I1": "every listed call is settled, open with a next visit, or failed with a reason; so is what is dead",
    "I2": "what the ledger calls archived exists, in one version, with the provider's bytes",
    "I3": "nothing is in the bucket that the provider did not serve for that file",
    "I4": "nothing archived is overwritten, deleted or moved",
    "I5": "the ledger says archived only after S3 has said so",
    "I6": "the cursor never passes a window that is not noted",
    "I7": "every transcript ends archived, none, or failed with a reason",
    "I8": "a call that cannot be handled delays no other",
    "I9": "no chain of messages is longer than 10, no call is visited without bound",
    "I10": "no credential, no signed link and no transcript's text is where it does not belong",
    "I11": "no half-uploaded part is left behind",
    "I12": "once every fault has ended, everything is archived with no one acting",
    "I13": "each loss is reported to the alarms",
}
"""By their names in reports."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Violation:
    invariant: str
    subject: str
    """A reference id, a key, or where it was found."""
    what: str

    def __str__(self) -> str:
        return f"{self.invariant} {self.subject}: {self.what} ({INVARIANTS[self.invariant]})"


def violations(served: Iterable[Served], observed: Observation) -> list[Violation]:
    """Every invariant that does not hold, by name; none when all do."""
    files = {(each.reference_id, each.file_name): each for each in served}
    return sorted(
        {
            *_accounted_for(files.values(), observed),
            *_archived_as_served(files, observed),
            *_nothing_else(files.values(), observed),
            *_untouched(observed),
            *_noted_before_passed(observed),
            *_bounded(observed),
            *_no_secret_leaked(observed),
            *(
                Violation(invariant="I11", subject=key, what="an upload was left behind")
                for key in observed.uploads
            ),
            *_no_longer_open(observed),
            *_ended_well(files.values(), observed),
            *_ended_in_time(files.values(), observed),
            *_losses_reported(observed),
        }
    )


def _accounted_for(served: Iterable[Served], observed: Observation) -> Iterator[Violation]:
    surely = {each.reference_id for each in served if not each.may_be_missed}
    for reference_id in surely - observed.calls.keys() - set(observed.poison):
        if observed.at_rest:
            yield Violation(invariant="I1", subject=reference_id, what="the ledger does not know it")
    for call in observed.calls.values():
        for name, file in _parts(call):
            if file.status is FileStatus.FAILED and not file.reason:
                what = f"{name} failed without a reason"
                yield Violation(invariant="I1", subject=call.reference_id, what=what)
            transcript = file.transcript
            if transcript and transcript.status is TranscriptStatus.FAILED and not transcript.reason:
                what = f"the transcript of {name} failed without a reason"
                yield Violation(invariant="I7", subject=call.reference_id, what=what)
    for body in observed.dead_letters:
        dead = _fields(body).get("reference_id")
        if isinstance(dead, str) and dead not in observed.calls:
            yield Violation(invariant="I1", subject=dead, what="dead, and not in the ledger")


def _archived_as_served(
    files: Mapping[tuple[str, str], Served], observed: Observation
) -> Iterator[Violation]:
    """I2 and, as the ledger is looked at while work goes on, I5."""
    versions: dict[str, list[StoredVersion]] = defaultdict(list)
    for version in observed.versions:
        versions[version.key].append(version)
    for call in observed.calls.values():
        for name, file in call.files.items():
            truth = files.get((call.reference_id, name))
            if _claims_nothing(file):
                what = f"{name} is archived, and nobody knows where"
                yield Violation(invariant="I2", subject=call.reference_id, what=what)
            for stored, key, sha256 in _claims(file, truth):
                if key not in (None, stored.key):
                    what = f"is said to be of {name}, and is not"
                    yield Violation(invariant="I2", subject=stored.key, what=what)
                yield from _stored_as_served(stored, versions[stored.key], sha256)


def _stored_as_served(
    stored: StoredObject, found: Sequence[StoredVersion], sha256: str | None
) -> Iterator[Violation]:
    if not found:
        yield Violation(invariant="I5", subject=stored.key, what="archived, and not in the bucket")
    elif len(found) > 1 or found[0].delete_marker:
        yield Violation(invariant="I2", subject=stored.key, what=f"{len(found)} versions")
    elif (found[0].size, found[0].sha256) != (stored.size, stored.sha256):
        yield Violation(invariant="I2", subject=stored.key, what="not what the ledger says it is")
    elif sha256 not in (None, stored.sha256):
        yield Violation(invariant="I2", subject=stored.key, what="not the bytes that were served")


def _claims_nothing(file: RecordingFile) -> bool:
    transcript = file.transcript
    return (file.status is FileStatus.ARCHIVED and file.recording is None) or (
        transcript is not None
        and transcript.status is TranscriptStatus.ARCHIVED
        and transcript.stored is None
    )


def _claims(
    file: RecordingFile, truth: Served | None
) -> Iterator[tuple[StoredObject, str | None, str | None]]:
    """What the ledger says is stored of a file, and the key and SHA-256 that it must have, if they are known."""
    if file.status is FileStatus.ARCHIVED and file.recording is not None:
        yield file.recording, truth.origin.recording_key if truth else None, truth.sha256 if truth else None
    if file.transcript is not None and file.transcript.stored is not None:
        yield file.transcript.stored, truth.origin.transcript_key if truth else None, None


def _nothing_else(served: Iterable[Served], observed: Observation) -> Iterator[Violation]:
    recordings: dict[str, Served] = {}
    transcripts: dict[str, Served] = {}
    for each in served:
        recordings[each.origin.recording_key] = each
        transcripts[each.origin.transcript_key] = each
    for version in observed.versions:
        if version.delete_marker:
            continue
        if version.key in recordings:
            if version.sha256 != recordings[version.key].sha256:
                yield Violation(invariant="I3", subject=version.key, what="not the bytes that were served")
        elif version.key in transcripts:
            if not _is_served_transcript(observed.read(version), transcripts[version.key]):
                yield Violation(invariant="I3", subject=version.key, what="not a transcript that was served")
        else:
            yield Violation(invariant="I3", subject=version.key, what="nobody served it")


def _is_served_transcript(body: bytes, truth: Served) -> bool:
    document = _fields(body)
    document_fields = {
        "reference_id": truth.reference_id,
        "file_name": truth.file_name,
        "recording_key": truth.origin.recording_key,
    }
    return all(document.get(name) == value for name, value in document_fields.items()) and (
        document.get("transcribe") in truth.transcribes
    )


def _untouched(observed: Observation) -> Iterator[Violation]:
    now = set(observed.versions)
    for version in observed.versions_before:
        if version not in now:
            yield Violation(invariant="I4", subject=version.key, what="changed or gone since the last look")
    keys: set[str] = set()
    for version in observed.versions:
        if version.delete_marker:
            yield Violation(invariant="I4", subject=version.key, what="deleted")
        elif version.key in keys:
            yield Violation(invariant="I4", subject=version.key, what="written again")
        keys.add(version.key)


def _noted_before_passed(observed: Observation) -> Iterator[Violation]:
    if observed.listed_from is None or observed.listed_until is None:
        return
    covered_until = observed.listed_from - SECOND
    for window in sorted(observed.noted_windows):
        if window.start > covered_until + SECOND:
            break
        covered_until = max(covered_until, window.end)
    if covered_until < observed.listed_until:
        yield Violation(
            invariant="I6",
            subject=f"{observed.listed_until:%Y-%m-%dT%H:%M:%S}",
            what=f"noted without a gap only until {covered_until:%Y-%m-%dT%H:%M:%S}",
        )


def _bounded(observed: Observation) -> Iterator[Violation]:
    for body in observed.messages:
        fields = _fields(body)
        hop = fields.get("hop")
        if isinstance(hop, int) and hop > MAX_CHAIN:
            subject = str(fields.get("reference_id") or fields.get("start"))
            yield Violation(invariant="I9", subject=subject, what=f"a chain of {hop} messages")
    for call in observed.calls.values():
        if observed.most_visits is not None and call.visits > observed.most_visits:
            yield Violation(invariant="I9", subject=call.reference_id, what=f"visited {call.visits} times")


def _no_secret_leaked(observed: Observation) -> Iterator[Violation]:
    """The secret itself is not repeated here, for this too is printed."""
    for where, text in observed.texts:
        for number, secret in enumerate(observed.secrets):
            if secret in text:
                yield Violation(invariant="I10", subject=where, what=f"holds secret number {number}")


def _no_longer_open(observed: Observation) -> Iterator[Violation]:
    for call in observed.calls.values():
        if call.settled:
            continue
        if call.next_visit_at < call.opened_at:
            yield Violation(invariant="I1", subject=call.reference_id, what="open without a next visit")
        if observed.at_rest and call.reference_id not in observed.poison:
            invariant = "I8" if observed.poison else "I12"
            yield Violation(invariant=invariant, subject=call.reference_id, what="still open")
    if observed.at_rest:
        for pending in observed.windows:
            yield Violation(invariant="I12", subject=f"{pending.window.start}", what="still to be listed")


def _ended_well(served: Iterable[Served], observed: Observation) -> Iterator[Violation]:
    """What each file has come to, once nothing is left to come."""
    for truth in served if observed.at_rest else ():
        call = observed.calls.get(truth.reference_id)
        if call is None or not call.settled:
            continue
        file = dict(_parts(call)).get(truth.file_name)
        if file is None and truth.may_be_missed:
            continue
        if file is None or file.status not in truth.recording_ends:
            end = "not known" if file is None else f"{file.status.value} ({file.reason})"
            what = f"{truth.file_name} is {end}"
            yield Violation(invariant="I12", subject=truth.reference_id, what=what)
        elif file.status is FileStatus.ARCHIVED and not _is_one_of(file.transcript, truth.transcript_ends):
            transcript = file.transcript
            end = "nothing" if transcript is None else f"{transcript.status.value} ({transcript.reason})"
            what = f"the transcript of {truth.file_name} is {end}"
            yield Violation(invariant="I7", subject=truth.reference_id, what=what)


def _ended_in_time(served: Iterable[Served], observed: Observation) -> Iterator[Violation]:
    for truth in served if observed.at_rest else ():
        ended_at = observed.ended_at.get((truth.reference_id, truth.file_name))
        if truth.ends_by is not None and ended_at is not None and ended_at > truth.ends_by:
            invariant = "I8" if observed.poison else "I12"
            what = f"{truth.file_name} ended {ended_at - truth.ends_by} late"
            yield Violation(invariant=invariant, subject=truth.reference_id, what=what)


def _is_one_of(transcript: Transcript | None, ends: Collection[TranscriptStatus]) -> bool:
    return transcript is not None and transcript.status in ends


def _losses_reported(observed: Observation) -> Iterator[Violation]:
    if observed.losses_reported is None:
        return
    for call in observed.calls.values():
        for name, file in _parts(call):
            lost = file.failed or file.status is FileStatus.DELETED_AT_SOURCE
            if lost and (call.reference_id, name) not in observed.losses_reported:
                yield Violation(
                    invariant="I13", subject=call.reference_id, what=f"the loss of {name} is unreported"
                )


def _parts(call: Call) -> Sequence[tuple[str, RecordingFile]]:
    return [*call.files.items(), *([("", call.unnamed)] if call.unnamed else [])]


def _fields(body: str | bytes) -> dict[str, Any]:
    try:
        fields = json.loads(body)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}
