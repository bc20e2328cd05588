"""What happens at the provider: small stories, which together reach every line that talks to the outside."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from infra.simulator import Fault, Options, SimulatedTelesign, TrueCall, TrueFile
from infra.simulator.audio import SizedAudio
from infra.simulator.transcripts import Transcript
from infra.verification.observation import Served
from tests.proofs.observer import served

NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
SIZE: Final = 200_000
"""Of each recording, in bytes: read in several pieces, so that a crash can fall between them."""
FOREVER: Final = datetime.max.replace(tzinfo=UTC)
TEN_MINUTES_AGO: Final = NOW - timedelta(minutes=10)
FOUR_MINUTES_AGO: Final = NOW - timedelta(minutes=4)


def after(**elapsed: float) -> datetime:
    return NOW + timedelta(**elapsed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    name: str
    files: tuple[TrueFile, ...]
    faults: tuple[Fault, ...] = ()
    archive_from: datetime = TEN_MINUTES_AGO
    busy_until: datetime = NOW
    """Nothing new happens at the provider from then on."""
    already_there: frozenset[str] = frozenset()
    """Names of files that lie in the bucket, though the ledger does not say so."""
    rivals: frozenset[str] = frozenset()
    """Calls that somebody else writes while they are visited for the first time."""
    hurried_listings: int = 0
    """So many windows are listed at first by a function whose time is running out."""
    recheck_at: datetime | None = None
    tick_every: timedelta = timedelta(minutes=5)

    @property
    def calls(self) -> list[TrueCall]:
        ids = dict.fromkeys(file.reference_id for file in self.files)
        return [
            TrueCall(reference_id=each, files=tuple(file for file in self.files if file.reference_id == each))
            for each in ids
        ]

    def served(self) -> list[Served]:
        """Once all of it has happened."""
        return list(served(self.calls, FOREVER))

    def simulated(self, **options: Any) -> SimulatedTelesign:
        """The provider that holds it."""
        provider = SimulatedTelesign(Options(calls=0, **options))
        provider._history._add(self.calls)
        for fault in self.faults:
            provider.faults.add(fault)
        return provider


def a_transcript(
    *, status: str = "completed", appears_at: datetime = NOW, finished_at: datetime = NOW
) -> Transcript:
    return Transcript(
        language_code="en-US",
        appears_at=appears_at,
        finished_at=finished_at,
        entries=({"status": status, "result": "It\u2019s me: nobody else may read this."},),
    )


def a_file(
    reference_id: str,
    number: int = 1,
    *,
    available_at: datetime = FOUR_MINUTES_AGO,
    deleted_at: datetime | None = None,
    transcript: Transcript | None = None,
) -> TrueFile:
    name = f"{reference_id}_{number}.wav"
    return TrueFile(
        reference_id=reference_id,
        file_name=name,
        created_at=after(minutes=-6, seconds=number),
        available_at=available_at,
        deleted_at=deleted_at,
        transcript=transcript,
        recording=SizedAudio(seed=1, file_name=name, size=SIZE),
    )


SMALL: Final = Story(name="one call", files=(a_file("CALL", transcript=a_transcript()),))
TWO_CALLS: Final = Story(
    name="two calls",
    files=(a_file("FIRST", transcript=a_transcript()), a_file("SECOND", 2, transcript=a_transcript())),
)

STORIES: Final = (
    Story(
        name="plain calls, a refused key, three hours to list",
        files=(
            a_file("PLAIN", transcript=a_transcript()),
            a_file("TWICE", 1, transcript=a_transcript()),
            a_file("TWICE", 2, transcript=a_transcript()),
        ),
        faults=(Fault(where="call", kind="401", times=1, reference_id="TWICE"),),
        archive_from=after(hours=-2, minutes=-30),
    ),
    Story(
        name="a call in progress, and a transcript that comes late",
        files=(
            a_file(
                "TALKING",
                available_at=after(seconds=8),
                transcript=a_transcript(appears_at=after(seconds=8), finished_at=after(seconds=40)),
            ),
        ),
        busy_until=after(seconds=40),
    ),
    Story(
        name="deleted, not to be transcribed, there already, written by a rival",
        files=(
            a_file("DELETED", deleted_at=after(minutes=-1), transcript=a_transcript()),
            a_file("MUMBLED", transcript=a_transcript(status="failed")),
            a_file("THERE", transcript=a_transcript()),
        ),
        already_there=frozenset({"THERE_1.wav"}),
        rivals=frozenset({"MUMBLED"}),
    ),
    Story(
        name="a listing of two pages that is halved, refused for now, and begun again",
        files=(
            a_file("FIRST", transcript=a_transcript()),
            a_file("SECOND", 2, transcript=a_transcript()),
            a_file("THIRD", 3, transcript=a_transcript()),
        ),
        faults=(
            Fault(where="list", kind="expired_token", times=1),
            Fault(where="list", kind="503", times=1),
        ),
        hurried_listings=1,
    ),
    Story(
        name="a window that is parked, then its call, and a body of unknown length",
        files=(a_file("PARKED", transcript=a_transcript()),),
        faults=(
            Fault(where="list", kind="429", times=1, retry_after=901),
            Fault(where="call", kind="429", times=1, retry_after=901),
            Fault(where="download", kind="chunked", times=1),
        ),
        tick_every=timedelta(minutes=16),
    ),
    Story(
        name="a transcript that only the recheck finds",
        files=(
            a_file(
                "QUIET", transcript=a_transcript(appears_at=after(minutes=20), finished_at=after(minutes=20))
            ),
        ),
        busy_until=after(minutes=26),
        recheck_at=after(minutes=26),
        tick_every=timedelta(minutes=25),
    ),
)
