import io
import wave
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.simulator import Options, SimulatedTelesign, TrueFile
from infra.simulator.options import MIN_WAV_BYTES

END = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MUCH_LATER = END + timedelta(days=1)


def at(seconds: float, **options: Any) -> list[TrueFile]:
    chosen = Options(history_end=END, now=lambda: END + timedelta(seconds=seconds), **options)
    return [file for call in SimulatedTelesign(chosen).truth() for file in call.files]


def entries(file: TrueFile, moment: datetime) -> list[dict[str, str]] | None:
    transcribe = file.transcribe_at(moment)
    return None if transcribe is None else transcribe["transcription"]


def kinds_of_transcript(files: Iterable[TrueFile]) -> set[str]:
    kinds = set()
    for file in files:
        now, finally_ = entries(file, END), entries(file, MUCH_LATER)
        match finally_:
            case None:
                kinds.add("never")
            case []:
                kinds.add("empty list")
            case [_, _, *_]:
                kinds.add("several")
            case [{"result": ""}]:
                kinds.add("empty result")
            case [{"result": _}] if now == finally_:
                kinds.add("at once")
            case [{"result": _}] if now and now[0]["status"] == "in_progress":
                kinds.add("in progress")
            case [{"result": _}] if file.available_at <= END:
                kinds.add("absent first")
            case [{"status": "completed"}] if file.deleted_at is None:
                kinds.add("missing result")
    return kinds


@pytest.mark.parametrize("seed", range(12))
def test_forty_calls_show_every_kind_of_transcript(seed: int) -> None:
    assert kinds_of_transcript(at(60, calls=40, seed=seed)) == {
        "never",
        "empty list",
        "several",
        "empty result",
        "missing result",
        "at once",
        "in progress",
        "absent first",
    }


@pytest.mark.parametrize("seed", range(12))
def test_forty_calls_show_every_kind_of_life(seed: int) -> None:
    begun, over = at(0, calls=40, seed=seed), at(60, calls=40, seed=seed)
    ids = [file.reference_id for file in begun]
    assert {file.status_at(END) for file in begun} == {"recording", "available", "deleted"}
    assert len(ids) > len(set(ids)) == 40
    assert len(over) > len(begun)  # a later file of a known call
    assert {file.status_at(MUCH_LATER) for file in over} == {"available", "deleted"}


@pytest.mark.parametrize("calls", [12, 13, 20, 39])
def test_from_twelve_calls_on_one_is_in_progress(calls: int) -> None:
    waits = [file.available_at - END for file in at(0, calls=calls) if file.available_at > END]
    assert waits
    assert all(timedelta(seconds=8) <= wait <= timedelta(seconds=20) for wait in waits)


@pytest.mark.parametrize("calls", [0, 1, 5])
def test_small_histories_have_exactly_the_calls_asked_for(calls: int) -> None:
    assert len({file.reference_id for file in at(60, calls=calls)}) == calls


def test_more_calls_than_seconds_fit_in_a_short_history() -> None:
    files = at(60, calls=500, history_hours=1 / 60)
    assert len({file.reference_id for file in files}) == 500
    assert len({file.file_name for file in files}) == len(files)


@pytest.mark.parametrize("seed", range(5))
def test_a_file_becomes_available_only_after_it_was_created(seed: int) -> None:
    assert all(file.created_at < file.available_at for file in at(600, seed=seed, arrivals_per_minute=10))


def test_the_same_seed_reports_the_same_truth_however_often_it_was_asked_before() -> None:
    asked_often = [END]
    telesign = SimulatedTelesign(
        Options(history_end=END, arrivals_per_minute=20, seed=7, now=lambda: asked_often[0])
    )
    for _ in range(20):
        telesign.truth()
        asked_often[0] += timedelta(seconds=7)
    files = [file for call in telesign.truth() for file in call.files]
    assert files == at(140, arrivals_per_minute=20, seed=7)
    assert files != at(140, arrivals_per_minute=20, seed=8)


def test_calls_arrive_at_the_rate_asked_for_and_are_first_in_progress() -> None:
    arrived = at(600, calls=0, arrivals_per_minute=30)
    assert len({file.reference_id for file in arrived}) == pytest.approx(300, abs=2)
    assert all(file.status_at(file.created_at) == "recording" for file in arrived)


@pytest.mark.parametrize("seed", range(12))
def test_nothing_of_the_history_is_pending_forty_seconds_after_it(seed: int) -> None:
    over = END + timedelta(seconds=40)
    for file in at(40, seed=seed):
        assert file.status_at(over) != "recording"
        assert file.transcribe_at(over) == file.transcribe_at(MUCH_LATER)


def test_transcripts_hold_unicode() -> None:
    texts = str([file.transcribe_at(MUCH_LATER) for file in at(0)])
    assert "\u2019" in texts


def test_recordings_are_playable_and_differ() -> None:
    files = at(0)
    with wave.open(io.BytesIO(files[0].audio())) as sound:
        assert (sound.getframerate(), sound.getsampwidth(), sound.getnchannels()) == (8000, 2, 1)
        assert 2 <= sound.getnframes() / 8000 <= 6
    assert len({file.sha256 for file in files}) == len(files)
    assert all(len(file.audio()) == file.size for file in files)


@pytest.mark.parametrize("size", [MIN_WAV_BYTES, 45, 1_000_001, 262_144 + 44, 3_000_000])
def test_a_file_has_exactly_the_size_asked_for(size: int) -> None:
    (file,) = at(0, calls=1, file_bytes=size)
    audio = file.audio()
    assert len(audio) == file.size == size
    assert int.from_bytes(audio[4:8], "little") == size - 8


def test_a_folder_of_recordings_is_served_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "one.wav").write_bytes(b"RIFF one")
    (tmp_path / "two.WAV").write_bytes(b"RIFF two")
    (tmp_path / "notes.txt").write_bytes(b"no")
    assert {file.audio() for file in at(0, audio=tmp_path)} == {b"RIFF one", b"RIFF two"}


def test_a_folder_without_recordings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds no \.wav file"):
        SimulatedTelesign(Options(audio=tmp_path))


def test_all_wrong_options_are_reported_at_once() -> None:
    with pytest.raises(ValueError, match=r"calls must not.*aware.*file_bytes"):
        Options(calls=-1, history_end=datetime(2026, 1, 1), file_bytes=43)


def test_a_deletion_is_part_of_the_truth(start: Callable[..., SimulatedTelesign]) -> None:
    telesign = start(calls=1)
    telesign._history.delete(telesign.truth()[0].reference_id, END)
    (call,) = telesign.truth()
    assert [file.deleted_at for file in call.files] == [END]
