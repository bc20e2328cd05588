"""After everything else: what the archive holds by now, looked at from outside."""

import json
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from call_archive.model.call import FileStatus, TranscriptStatus
from infra.simulator import TrueCall, TrueFile
from infra.verification.invariants import violations
from infra.verification.observation import Observation, Served
from tests.integration.conftest import MALFORMED, PARTS
from tests.integration.running_archive import RunningArchive, Troubled
from tests.proofs.observer import credentials, observed, part_at_rest, served, sources_of, spoken

A_WHILE = timedelta(minutes=2)
"""Calls that began so long ago have come to rest as a rule; if not, they are waited for."""
MAX_VISITS = 20
"""Of one call: as many as no fault here costs, and fewer than a visit at each tick and each message would make."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    everything: Observation
    truth: list[TrueCall]
    """Of everything; taken later, for calls go on arriving."""
    part: list[TrueCall]
    """The calls that have come to rest."""
    at_rest: Observation
    """Of the part alone."""


@pytest.fixture(scope="module")
def look(archive: RunningArchive, troubled: Troubled) -> Look:
    """Of all of the history and the first arrivals, whichever tests have run before."""
    troubled.outcome()
    # Each once: a backfill run again would mend what a test before has left undone.
    for part in set(archive.parts.values()) - archive.backfilled - {troubled.part}:
        assert archive.backfill(part)[0] == 0
    until = max(archive.simulator.options.history_end, datetime.now(UTC) - A_WHILE)
    calls = [call for call in archive.simulator.truth() if call.files[0].created_at <= until]
    archive.come_to_rest(calls, until)
    return look_at(archive, calls, until)


def look_at(archive: RunningArchive, part: list[TrueCall], until: datetime) -> Look:
    secrets = (*credentials(archive.simulator.options), *spoken(archive.simulator.truth()))
    seen = observed(
        sources_of(archive.deployment, archive.folder),
        at_rest=False,
        secrets=secrets,
        before=archive.found_before,
        most_visits=MAX_VISITS,
    )
    ours = [body for body in seen.dead_letters if body not in MALFORMED]
    everything = replace(seen, dead_letters=ours)
    return Look(
        everything=everything,
        truth=archive.simulator.truth(),
        part=part,
        at_rest=part_at_rest(everything, part, until),
    )


def truly_served(calls: list[TrueCall], hopeless: TrueFile) -> list[Served]:
    def as_it_was(each: Served) -> Served:
        # The provider holds a recording, and never served it.
        is_hopeless = each.file_name == hopeless.file_name
        return replace(each, recording_ends=frozenset({FileStatus.FAILED})) if is_hopeless else each

    return [as_it_was(each) for each in served(calls, datetime.now(UTC))]


def lost(calls: list[TrueCall]) -> set[tuple[str, str]]:
    now = datetime.now(UTC)
    return {of(file) for call in calls for file in call.files if file.status_at(now) == "deleted"}


def of(file: TrueFile) -> tuple[str, str]:
    return file.reference_id, file.file_name


def test_no_invariant_is_violated(look: Look, troubled: Troubled) -> None:
    """Of what has come to rest: nothing may be unknown, open or ended otherwise than it was at the provider."""
    files = [file for call in look.at_rest.calls.values() for file in call.files.values()]
    ends = Counter(file.status for file in files)
    transcripts = Counter(file.transcript.status for file in files if file.transcript)
    assert len(look.at_rest.calls) >= sum(PARTS.values())
    assert ends[FileStatus.ARCHIVED] >= 200
    assert ends[FileStatus.DELETED_AT_SOURCE] >= 5
    assert ends[FileStatus.FAILED] == 1
    assert transcripts[TranscriptStatus.ARCHIVED] >= 150
    assert transcripts[TranscriptStatus.NONE] >= 20
    assert len(look.at_rest.versions) >= 350
    assert len(look.at_rest.versions_before) >= 150
    assert look.at_rest.losses_reported == lost(look.part) | {of(troubled.hopeless)}
    truth = truly_served(look.part, troubled.hopeless)
    assert [str(violation) for violation in violations(truth, look.at_rest)] == []


def test_no_invariant_is_violated_while_calls_go_on_arriving(
    archive: RunningArchive, look: Look, troubled: Troubled
) -> None:
    """Of everything: what a part cannot show, as objects of nobody, gaps between windows, and secrets."""
    seen = look.everything
    assert seen.calls.keys() >= look.at_rest.calls.keys()
    assert len(seen.messages) >= len(seen.calls)
    assert seen.listed_until is not None
    assert seen.listed_until > archive.simulator.options.history_end
    assert {where for where, _ in seen.texts} == {"the ledger", "the log", "a message"}
    truth = truly_served(look.truth, troubled.hopeless)
    assert [str(violation) for violation in violations(truth, seen)] == []


def test_verify_finds_no_difference_though_calls_go_on_arriving(
    archive: RunningArchive, troubled: Troubled
) -> None:
    troubled.outcome()
    done = archive.command("verify", "--read", "--json")
    assert json.loads(done.stdout.splitlines()[-1])["differences"] == 0
    assert done.returncode == 0


def test_verify_names_an_object_that_was_altered_behind_the_archives_back(
    archive: RunningArchive, troubled: Troubled
) -> None:
    troubled.outcome()
    key = min(archive.versions())
    s3 = archive.deployment.connection.client("s3")
    altered = s3.put_object(Bucket=archive.deployment.bucket, Key=key, Body=b"RIFF, but not as it was")
    try:
        done = archive.command("verify")
    finally:
        s3.delete_object(Bucket=archive.deployment.bucket, Key=key, VersionId=altered["VersionId"])
    assert (done.returncode, done.stdout.split()[:2]) == (1, ["*", key])
