import time
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from call_archive.model.window import Window, cut, from_text, to_text
from tests.unit.factories import NOW, a_window, at

seconds = st.integers(min_value=0, max_value=5000)


def covered(windows: list[Window]) -> list[datetime]:
    """Each second that a list call of these windows asks for, in order."""
    return [
        window.start + timedelta(seconds=second)
        for window in windows
        for second in range(round((window.end - window.start).total_seconds()) + 1)
    ]


@given(length=seconds, max_length=st.integers(min_value=1, max_value=3600))
def test_cut_windows_cover_each_second_exactly_once(length: int, max_length: int) -> None:
    windows = cut(NOW, at(seconds=length), max_length=timedelta(seconds=max_length))
    assert covered(windows) == [at(seconds=second) for second in range(length + 1)]


@given(length=seconds, max_length=st.integers(min_value=1, max_value=3600))
def test_no_cut_window_is_longer_than_asked(length: int, max_length: int) -> None:
    windows = cut(NOW, at(seconds=length), max_length=timedelta(seconds=max_length))
    assert max(len(covered([window])) for window in windows) <= max_length


def test_the_windows_of_a_day_are_its_hours() -> None:
    assert len(cut(NOW, at(hours=24, seconds=-1))) == 24


def test_nothing_is_cut_of_a_time_that_ends_before_it_starts() -> None:
    assert cut(NOW, at(seconds=-1)) == []


def test_every_cut_window_of_a_recheck_looks_again() -> None:
    assert all(window.recheck for window in cut(NOW, at(hours=3), recheck=True))


@given(length=st.integers(min_value=2, max_value=5000), recheck=st.booleans())
def test_two_halves_cover_each_second_of_their_window_once(length: int, recheck: bool) -> None:  # noqa: FBT001
    window = a_window(seconds=length, recheck=recheck)
    assert covered(list(window.halves() or ())) == covered([window])


@given(length=st.integers(min_value=2, max_value=5000))
def test_the_halves_differ_by_at_most_a_second(length: int) -> None:
    first, second = (len(covered([half])) for half in a_window(seconds=length).halves() or ())
    assert abs(first - second) <= 1


def test_the_halves_of_a_window_that_looks_again_look_again() -> None:
    assert all(half.recheck for half in a_window(recheck=True).halves() or ())


def test_one_second_has_no_halves() -> None:
    assert a_window(seconds=1).halves() is None


@pytest.mark.parametrize(
    ("start", "end", "overlaps"),
    [(-9, -1, False), (-9, 0, True), (5, 6, True), (10, 12, True), (11, 12, False)],
)
def test_windows_that_share_a_second_overlap(start: int, end: int, overlaps: bool) -> None:  # noqa: FBT001
    window = Window(start=NOW, end=at(seconds=10))
    assert window.overlaps(at(seconds=start), at(seconds=end)) is overlaps


@given(st.datetimes())
def test_a_moment_s_text_is_19_characters_and_reads_back(moment: datetime) -> None:
    whole = moment.replace(tzinfo=NOW.tzinfo, microsecond=0)
    assert (len(to_text(whole)), from_text(to_text(whole))) == (19, whole)


def test_a_moment_is_reported_in_utc_wherever_this_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert to_text(NOW.astimezone(timezone(timedelta(hours=2)))) == "2026-03-01T12:00:00"
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("max_length", [timedelta(seconds=1), timedelta(minutes=7)])
def test_windows_are_as_long_as_asked(max_length: timedelta) -> None:
    assert [window.end - window.start for window in cut(NOW, at(hours=1), max_length=max_length)[:2]] == [
        max_length - timedelta(seconds=1)
    ] * 2
