"""What happens to each call, decided by the seed alone: proportions are dealt like cards, not rolled."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum, auto
from random import Random
from typing import TypeVar

from infra.simulator.options import AudioSource, Options, seeded
from infra.simulator.transcripts import Transcription, make_transcript
from infra.simulator.truth import TrueCall, TrueFile

Card = TypeVar("Card")


class Story(StrEnum):
    IN_PROGRESS = auto()  # at the end of the history
    STOPPED_AND_IN_PROGRESS = auto()  # one file is there, the next is being recorded
    DELETED = auto()
    STOPPED_AND_STARTED = auto()  # several files, all there
    RESUMED_LATER = auto()  # another file begins after the end of the history
    PLAIN = auto()


# Each share gives at least one call in 40, so that a demonstration shows every kind.
STORIES = {
    Story.IN_PROGRESS: 0.06,
    Story.STOPPED_AND_IN_PROGRESS: 0.03,
    Story.DELETED: 0.03,
    Story.STOPPED_AND_STARTED: 0.05,
    Story.RESUMED_LATER: 0.04,
    Story.PLAIN: 0.79,
}
TRANSCRIPTIONS = {
    Transcription.COMPLETED: 0.53,
    Transcription.LATE_ABSENT: 0.08,
    Transcription.LATE_IN_PROGRESS: 0.07,
    Transcription.SEVERAL: 0.10,
    Transcription.EMPTY_RESULT: 0.03,
    Transcription.MISSING_RESULT: 0.03,
    Transcription.EMPTY_LIST: 0.06,
    Transcription.NEVER: 0.10,
}
# A call that arrives while someone watches is never deleted: whether its file was archived first would be a race.
ARRIVAL_STORIES = {Story.PLAIN: 0.9, Story.STOPPED_AND_STARTED: 0.1}
ARRIVAL_TRANSCRIPTIONS = {
    Transcription.LATE_ABSENT: 0.45,
    Transcription.LATE_IN_PROGRESS: 0.35,
    Transcription.SEVERAL: 0.1,
    Transcription.NEVER: 0.1,
}
RECENT_SECONDS = 900  # calls not over at the end of the history began this recently at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The time from the creation of a file to its availability."""

    begins: datetime
    ends: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    rng: Random
    reference_id: str
    spans: tuple[Span, ...]
    transcription: Transcription
    late_after: datetime
    deleted_at: datetime | None = None


def history_end(options: Options) -> datetime:
    return options.history_end.astimezone(UTC).replace(microsecond=0)


def history_calls(options: Options, audio: AudioSource) -> Iterator[TrueCall]:
    rng = seeded(options.seed, "history")
    end = history_end(options)
    stories = deal(rng, STORIES, options.calls)
    transcriptions = deal(rng, TRANSCRIPTIONS, options.calls - stories.count(Story.DELETED))
    seconds = int(options.history_hours * 3600)
    offsets = rng.sample(range(seconds), options.calls) if options.calls <= seconds else None
    for index, story in enumerate(stories):
        begins = end - timedelta(seconds=1 + (offsets[index] if offsets else rng.randrange(seconds)))
        transcription = Transcription.COMPLETED if story is Story.DELETED else transcriptions.pop()
        plan = _history_plan(seeded(options.seed, "call", index), story, transcription, (begins, end))
        yield _make_call(plan, audio)


def arrival(options: Options, index: int, audio: AudioSource) -> TrueCall:
    """Make the call that arrives as number `index` after the end of the history."""
    rng = seeded(options.seed, "arrival", index)
    after = int((index + rng.random()) * 60 / options.arrivals_per_minute)
    begins = history_end(options) + timedelta(seconds=1 + after)
    ends = begins + timedelta(seconds=rng.randint(5, 15))
    (story,) = rng.choices(list(ARRIVAL_STORIES), list(ARRIVAL_STORIES.values()))
    kinds = ARRIVAL_TRANSCRIPTIONS
    plan = Plan(
        rng=rng,
        reference_id=_reference_id(rng),
        spans=cut(begins, ends, 2 if story is Story.STOPPED_AND_STARTED else 1),
        transcription=rng.choices(list(kinds), list(kinds.values()))[0],
        late_after=ends,
    )
    return _make_call(plan, audio)


def deal(rng: Random, shares: Mapping[Card, float], count: int) -> list[Card]:
    cards: list[Card] = []
    total = 0.0
    for card, share in shares.items():
        total += share
        cards += [card] * (math.floor(total * count + 0.5) - len(cards))
    rng.shuffle(cards)
    return cards


def cut(begins: datetime, ends: datetime, pieces: int) -> tuple[Span, ...]:
    """Cut a call into files with a pause after each but the last."""
    step = max(2, int((ends - begins).total_seconds()) // pieces)
    starts = [begins + timedelta(seconds=step * piece) for piece in range(pieces)]
    stops = [start + timedelta(seconds=max(1, step * 2 // 3)) for start in starts[:-1]]
    return tuple(Span(begins=start, ends=stop) for start, stop in zip(starts, [*stops, ends], strict=True))


def _history_plan(
    rng: Random, story: Story, transcription: Transcription, times: tuple[datetime, datetime]
) -> Plan:
    begins, end = times
    reference_id = _reference_id(rng)
    spans = _spans(rng, story, begins, end)
    vanishes = spans[-1].ends + timedelta(seconds=rng.randint(1, 600))
    return Plan(
        rng=rng,
        reference_id=reference_id,
        spans=spans,
        transcription=transcription,
        late_after=end,
        deleted_at=min(vanishes, end) if story is Story.DELETED else None,
    )


def _spans(rng: Random, story: Story, begins: datetime, end: datetime) -> tuple[Span, ...]:
    recent = max(begins, end - timedelta(seconds=RECENT_SECONDS))
    recent = min(recent, end - timedelta(seconds=rng.randint(10, 50)))
    over = min(end, begins + timedelta(seconds=rng.randint(8, 1800)))
    soon = end + timedelta(seconds=rng.randint(8, 20))
    match story:
        case Story.IN_PROGRESS:
            return cut(recent, soon, 1)
        case Story.STOPPED_AND_IN_PROGRESS:
            return (*cut(recent, end - timedelta(seconds=4), 1), Span(begins=_earlier(end, 2), ends=soon))
        case Story.STOPPED_AND_STARTED:
            return cut(min(begins, _earlier(end, 10)), over, rng.randint(2, 3))
        case Story.RESUMED_LATER:
            again = end + timedelta(seconds=rng.randint(3, 8))
            return (*cut(recent, _earlier(end, 2), 1), Span(begins=again, ends=soon + timedelta(seconds=2)))
        case Story.PLAIN | Story.DELETED:
            return cut(begins, over, 1)


def _earlier(moment: datetime, seconds: int) -> datetime:
    return moment - timedelta(seconds=seconds)


def _reference_id(rng: Random) -> str:
    return f"{rng.getrandbits(128):032X}"


def _make_call(plan: Plan, audio: AudioSource) -> TrueCall:
    files = tuple(_make_file(plan, number, audio) for number in range(len(plan.spans)))
    return TrueCall(reference_id=plan.reference_id, files=files)


def _make_file(plan: Plan, number: int, audio: AudioSource) -> TrueFile:
    span = plan.spans[number]
    file_name = f"{plan.reference_id}_{int(span.begins.timestamp())}.wav"
    # Only the first file has the call's kind of transcript: the files of a call are often in mixed states.
    kind = plan.transcription if number == 0 else Transcription.COMPLETED
    return TrueFile(
        reference_id=plan.reference_id,
        file_name=file_name,
        created_at=span.begins,
        available_at=span.ends,
        deleted_at=plan.deleted_at,
        transcript=make_transcript(
            plan.rng, kind, available_at=span.ends, late_after=max(plan.late_after, span.ends)
        ),
        recording=audio(file_name),
    )
