"""The simulated provider in a process of its own, with files of known sizes.

Takes its options as JSON in its first argument, prints its address and the calls by file size as JSON, with what
must be stored of each, and serves until its standard input ends.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from call_archive.model.object_key import Origin
from infra.simulator import Options, SimulatedTelesign
from infra.simulator.audio import StoredAudio, sha256_of, wav_header
from infra.simulator.options import utc_now
from infra.simulator.truth import TrueCall, TrueFile
from tests.benchmarks.served import transcript_digest

AGE = timedelta(days=2)  # of the youngest call: every transcript is finished
MARK_BYTES, MARKED_EVERY = 24, 1024 * 1024


def write_audio(folder: Path, copies: dict[int, int]) -> None:
    """WAV files of each size, sparse, with marks that tell one file, and one MiB of it, from another."""
    for size, count in copies.items():
        for number in range(count):
            header = wav_header(0)
            with (folder / f"{size}-{number}.wav").open("wb") as file:
                file.write(wav_header(size - len(header)))
                file.truncate(size)
                for position in range(len(header), size - MARK_BYTES, MARKED_EVERY):
                    file.seek(position)
                    file.write(f"{number:8}{position:16}".encode())


def complete_calls(calls: Iterable[TrueCall], now: datetime) -> dict[int, dict[str, dict[str, str]]]:
    """What must be stored of each call with one file and its transcript, both there: by the file's size and the call's id."""
    found: dict[int, dict[str, dict[str, str]]] = defaultdict(dict)
    for call in calls:
        file = call.files[0]
        transcribe = file.transcribe_at(now) or {}
        if len(call.files) == 1 and file.status_at(now) == "available" and transcribe.get("transcription"):
            found[file.size][call.reference_id] = _stored(file, transcribe)
    return found


def _stored(file: TrueFile, transcribe: dict[str, Any]) -> dict[str, str]:
    """The digest of each object, by key."""
    recording = file.recording
    assert isinstance(recording, StoredAudio)
    named = {"reference_id": file.reference_id, "file_name": file.file_name}
    origin = Origin(**named, recorded_at=file.created_at)
    return {
        origin.recording_key: _sha256_of(recording),
        origin.transcript_key: transcript_digest({**named, "transcribe": transcribe}),
    }


@cache
def _sha256_of(recording: StoredAudio) -> str:
    """Many calls share one file: each is read once."""
    return sha256_of(recording)


def main() -> None:
    chosen = json.loads(sys.argv[1])
    with TemporaryDirectory() as folder:
        write_audio(Path(folder), {int(size): count for size, count in chosen["copies"].items()})
        options = Options(
            calls=chosen["calls"],
            audio=Path(folder),
            history_end=utc_now() - AGE,
            first_byte_delay_seconds=chosen["first_byte_delay_seconds"],
        )
        with SimulatedTelesign(options) as telesign:
            calls = complete_calls(telesign.truth(), utc_now())
            sys.stdout.write(json.dumps({"url": telesign.api_url, "calls": calls}) + "\n")
            sys.stdout.flush()
            sys.stdin.read()


if __name__ == "__main__":
    main()
