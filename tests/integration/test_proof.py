"""After everything else: what the archive holds by now, looked at from outside."""

import json
from datetime import UTC, datetime

from infra.checking.invariants import violations
from tests.integration.conftest import API_KEY
from tests.integration.running_archive import RunningArchive, Troubled
from tests.observing import observed, served


def test_no_invariant_is_violated(archive: RunningArchive, troubled: Troubled) -> None:
    troubled.outcome()
    # Calls go on arriving, so the provider's truth is taken after the look at what was made of it.
    seen = observed(archive.deployment, at_rest=False, secrets=(API_KEY, "Signature="))
    truth = served(archive.simulator.truth(), datetime.now(UTC))
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
    done = archive.command("verify")
    s3.delete_object(Bucket=archive.deployment.bucket, Key=key, VersionId=altered["VersionId"])
    assert (done.returncode, done.stdout.split()[:2]) == (1, ["*", key])
