"""The bytes of recordings: playable WAV, the same for the same seed and file name."""

import hashlib
import math
import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from infra.simulator.options import MIN_WAV_BYTES, Audio, AudioSource, Options, seeded

CHUNK_BYTES = 256 * 1024
RATE = 8000
TONE_SAMPLES = RATE // 4
TONES_HZ = tuple(range(200, 1400, 40))  # whole periods in a quarter of a second: tones join without a click
LOUDNESS = 9000


def audio_source(options: Options) -> AudioSource:
    """Give the audio of a file name. Raises ValueError when the folder holds no .wav file."""
    if isinstance(options.audio, Path):
        return _folder(options.seed, options.audio)
    if options.audio is not None:
        return options.audio
    size = options.file_bytes
    if size is not None:
        return lambda file_name: SizedAudio(seed=options.seed, file_name=file_name, size=size)
    return lambda file_name: ToneAudio(seed=options.seed, file_name=file_name)


def sha256_of(audio: Audio) -> str:
    digest = hashlib.sha256()
    for chunk in audio.chunks():
        digest.update(chunk)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class ToneAudio:
    """A few seconds of quarter-second tones, 8 kHz 16-bit mono."""

    seed: int
    file_name: str

    @property
    def size(self) -> int:
        return MIN_WAV_BYTES + 2 * TONE_SAMPLES * len(self._tune())

    def chunks(self) -> Iterator[bytes]:
        data = b"".join(_tone(hertz) for hertz in self._tune())
        yield wav_header(len(data)) + data

    def _tune(self) -> list[int]:
        rng = seeded(self.seed, "tune", self.file_name)
        return rng.choices(TONES_HZ, k=rng.randint(8, 24))


@dataclass(frozen=True, slots=True, kw_only=True)
class SizedAudio:
    """A WAV of an exact size, made while it is read: no more than a chunk is in memory."""

    seed: int
    file_name: str
    size: int

    def chunks(self) -> Iterator[bytes]:
        data_bytes = self.size - MIN_WAV_BYTES
        yield wav_header(data_bytes)
        block = self._block() if data_bytes else b""
        for number, start in enumerate(range(0, data_bytes, CHUNK_BYTES)):
            # Numbered, so that chunks stored in another order give another checksum.
            yield (number.to_bytes(8, "little") + block)[: min(CHUNK_BYTES, data_bytes - start)]

    def _block(self) -> bytes:
        rng = seeded(self.seed, "block", self.file_name)
        tones = CHUNK_BYTES // (2 * TONE_SAMPLES) + 1
        return b"".join(_tone(hertz) for hertz in rng.choices(TONES_HZ, k=tones))[: CHUNK_BYTES - 8]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAudio:
    path: Path

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    def chunks(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk


def wav_header(data_bytes: int) -> bytes:
    pcm = struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16)
    riff = struct.pack("<4sI4s", b"RIFF", 36 + data_bytes, b"WAVE")
    return riff + struct.pack("<4sI", b"fmt ", len(pcm)) + pcm + struct.pack("<4sI", b"data", data_bytes)


@cache
def _tone(hertz: int) -> bytes:
    step = 2 * math.pi * hertz / RATE
    samples = array("h", (round(LOUDNESS * math.sin(step * index)) for index in range(TONE_SAMPLES)))
    return struct.pack(f"<{TONE_SAMPLES}h", *samples)


def _folder(seed: int, folder: Path) -> AudioSource:
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() == ".wav" and path.is_file())
    if not paths:
        raise ValueError(f"{folder} holds no .wav file; give a folder with recordings or leave it out")
    return lambda file_name: StoredAudio(path=seeded(seed, "file", file_name).choice(paths))
