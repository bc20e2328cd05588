from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum, auto
from random import Random
from typing import Any

IN_PROGRESS = "in_progress"  # invented: `completed` is the only status Telesign names
SENTENCES = (
    ("en-US", "Hi, I\u2019m calling about the invoice you sent last week."),
    ("en-US", "Sure \u2014 I\u2019ll put you through to someone who can help."),
    ("en-US", "My order hasn\u2019t arrived, and it\u2019s been ten days."),
    ("en-US", "That\u2019s \u20ac49.90, charged twice. You\u2019re right, let me refund it."),
    ("es-ES", "\u00bfPuede decirme cu\u00e1ndo abre ma\u00f1ana la oficina de C\u00f3rdoba?"),
    ("fr-FR", "J\u2019ai bien re\u00e7u le code, mais il n\u2019est plus valable."),
    ("ja-JP", "\u304a\u96fb\u8a71\u3042\u308a\u304c\u3068\u3046\u3054\u3056\u3044\u307e\u3059\u3002"),
)


class Transcription(StrEnum):
    COMPLETED = auto()
    LATE_ABSENT = auto()
    LATE_IN_PROGRESS = auto()
    SEVERAL = auto()
    EMPTY_RESULT = auto()
    MISSING_RESULT = auto()
    EMPTY_LIST = auto()
    NEVER = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    language_code: str
    appears_at: datetime
    finished_at: datetime
    entries: tuple[dict[str, str], ...]

    def at(self, now: datetime, *, deleted: bool) -> dict[str, Any] | None:
        if now < self.appears_at:
            return None
        entries = [dict(entry) for entry in self.entries]
        if now < self.finished_at:
            entries = [{"status": IN_PROGRESS}]
        if deleted:  # documented: `result` is not returned for a deleted recording
            entries = [{"status": entry["status"]} for entry in entries]
        return {"language_code": self.language_code, "transcription": entries}


def make_transcript(
    rng: Random, kind: Transcription, *, available_at: datetime, late_after: datetime
) -> Transcript | None:
    """Make the transcript of a file; a late one is finished 5 to 15 seconds after `late_after`."""
    if kind is Transcription.NEVER:
        return None
    language_code, _ = rng.choice(SENTENCES)
    late_at = late_after + timedelta(seconds=rng.randint(5, 15))
    late = kind in {Transcription.LATE_ABSENT, Transcription.LATE_IN_PROGRESS}
    return Transcript(
        language_code=language_code,
        appears_at=late_at if kind is Transcription.LATE_ABSENT else available_at,
        finished_at=late_at if late else available_at,
        entries=_entries(rng, kind, language_code),
    )


def _entries(rng: Random, kind: Transcription, language_code: str) -> tuple[dict[str, str], ...]:
    match kind:
        case Transcription.EMPTY_LIST:
            return ()
        case Transcription.MISSING_RESULT:
            return ({"status": "completed"},)
        case Transcription.EMPTY_RESULT:
            return ({"status": "completed", "result": ""},)
        case _:
            count = rng.randint(2, 3) if kind is Transcription.SEVERAL else 1
            texts = [_text(rng, language_code) for _ in range(count)]
            return tuple({"status": "completed", "result": text} for text in texts)


def _text(rng: Random, language_code: str) -> str:
    known = [text for code, text in SENTENCES if code == language_code]
    return " ".join(rng.choices(known, k=rng.randint(1, 4)))
