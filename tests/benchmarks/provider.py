"""The simulated provider in a process of its own, with files of known sizes.

Takes its options as JSON in its first argument, prints its address and the calls by file size as JSON, and
serves until its standard input ends.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from infra.simulator import Options, SimulatedTelesign
from infra.simulator.audio import wav_header
from infra.simulator.options import utc_now
from infra.simulator.truth import TrueCall

AGE = timedelta(days=2)  # of the youngest call: every transcript is finished


def write_audio(folder: Path, copies: dict[int, int]) -> None:
    """Silent WAV files, sparse: so many copies of each size."""
    for size, count in copies.items():
        for number in range(count):
            header = wav_header(0)
            with (folder / f"{size}-{number}.wav").open("wb") as file:
                file.write(wav_header(size - len(header)))
                file.truncate(size)


def complete_calls(calls: Iterable[TrueCall], now: datetime) -> dict[int, list[str]]:
    """The ids of the calls with one file and its transcript, both there, by the file's size."""
    found: dict[int, list[str]] = defaultdict(list)
    for call in calls:
        file = call.files[0]
        entries = (file.transcribe_at(now) or {}).get("transcription", [])
        if len(call.files) == 1 and file.status_at(now) == "available" and entries:
            found[file.size].append(call.reference_id)
    return found


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
