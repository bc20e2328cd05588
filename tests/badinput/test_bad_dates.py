"""The provider's dates: UTC, without a zone, by its documents; anything at all by these cases."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from call_archive.model.row import EARLIEST, LATEST
from call_archive.provider.parse import parse_page
from tests.badinput.cases import cases


def told(date: object) -> datetime | None:
    (row,) = parse_page({"call_recordings": {"reference_id": "CALL", "date": date}}).rows
    return row.recorded_at


DATES: dict[str, tuple[Any, datetime | None]] = {
    "with Z": ("2026-03-01T12:00:00Z", datetime(2026, 3, 1, 12, tzinfo=UTC)),
    "with an offset ahead": ("2026-03-01T12:00:00+05:30", datetime(2026, 3, 1, 6, 30, tzinfo=UTC)),
    "with an offset behind": ("2026-03-01T23:30:00-01:00", datetime(2026, 3, 2, 0, 30, tzinfo=UTC)),
    "with an offset in seconds": (
        "2026-03-01T12:00:00+00:00:30",
        datetime(2026, 3, 1, 11, 59, 30, tzinfo=UTC),
    ),
    "with fractions": ("2026-03-01T12:00:00.999999", datetime(2026, 3, 1, 12, tzinfo=UTC)),
    "with a blank between": ("2026-03-01 12:00:00", datetime(2026, 3, 1, 12, tzinfo=UTC)),
    "with blanks around": ("  2026-03-01T12:00:00\n", datetime(2026, 3, 1, 12, tzinfo=UTC)),
    "without a time": ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
    "without seconds": ("2026-03-01T12:00", datetime(2026, 3, 1, 12, tzinfo=UTC)),
    "in the basic form": ("20260301T120000", datetime(2026, 3, 1, 12, tzinfo=UTC)),
    "as a number of that form": (20260301, datetime(2026, 3, 1, tzinfo=UTC)),
    "as a week": ("2026-W09-7", datetime(2026, 3, 1, tzinfo=UTC)),
    "of the first moment": ("2000-01-01T00:00:00", EARLIEST),
    "of the last moment": ("2099-12-31T23:59:59", datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC)),
    "of a leap day": ("2028-02-29T00:00:00", datetime(2028, 2, 29, tzinfo=UTC)),
    "a second before the first": ("1999-12-31T23:59:59", None),
    "the first, but in a zone ahead": ("2000-01-01T00:00:00+01:00", None),
    "a second after the last": ("2100-01-01T00:00:00", None),
    "the last, but in a zone behind": ("2099-12-31T23:59:59-01:00", None),
    "of the epoch": ("1970-01-01T00:00:00", None),
    "of year 0": ("0000-01-01T00:00:00", None),
    "of year 1": ("0001-01-01T00:00:00", None),
    "of year 1 in a zone ahead": ("0001-01-01T00:00:00+14:00", None),
    "of year 9999": ("9999-12-31T23:59:59", None),
    "of year 9999 in a zone behind": ("9999-12-31T23:59:59-23:59", None),
    "of year 10000": ("10000-01-01T00:00:00", None),
    "of a negative year": ("-2026-03-01T00:00:00", None),
    "of two digits of a year": ("26-03-01T00:00:00", None),
    "of a leap second": ("2016-12-31T23:59:60", None),
    "of a leap day that is none": ("2026-02-29T00:00:00", None),
    "of Feb 30": ("2026-02-30T00:00:00", None),
    "of month 13": ("2026-13-01T00:00:00", None),
    "of month 0": ("2026-00-01T00:00:00", None),
    "of day 0": ("2026-03-00T00:00:00", None),
    "of hour 25": ("2026-03-01T25:00:00", None),
    "of minute 60": ("2026-03-01T12:60:00", None),
    "of a zone of 24 hours": ("2026-03-01T12:00:00+24:00", None),
    "with a zone's name": ("2026-03-01T12:00:00 UTC", None),
    "with two zones": ("2026-03-01T12:00:00Z+00:00", None),
    "as HTTP writes it": ("Sun, 01 Mar 2026 12:00:00 GMT", None),
    "as the US write it": ("03/01/2026 12:00:00", None),
    "as .NET writes it": ("/Date(1772366400000)/", None),
    "in Arabic digits": ("٢٠٢٦-٠٣-٠١T١٢:٠٠:٠٠", None),
    "in full-width digits": ("２０２６-０３-０１", None),
    "with a sign of another script": ("2026‐03‐01T12:00:00", None),
    "with a NUL": ("2026-03-01\0T12:00:00", None),
    "as an epoch in seconds": (1772366400, None),
    "as an epoch in milliseconds": (1772366400000, None),
    "as an epoch in text": ("1772366400", None),
    "as a fraction": (1772366400.5, None),
    "as 10**400": (10**400, None),
    "as NaN": (float("nan"), None),
    "as null": (None, None),
    "as true": (True, None),
    "as an empty text": ("", None),
    "as a word": ("yesterday", None),
    "as a list": (["2026-03-01T12:00:00"], None),
    "as an object": ({"date": "2026-03-01"}, None),
    "of a megabyte": ("2026-03-01T12:00:00" + "0" * 10**6, None),
}


@cases("dates", "value,moment", {f"a date {name}": case for name, case in DATES.items()})
def test_a_date_is_a_second_in_utc_or_no_date(value: object, moment: datetime | None) -> None:
    assert told(value) == moment


def test_midnight_written_as_24_is_the_next_day_or_no_date() -> None:
    """Python took to reading it in 3.13."""
    assert told("2026-03-01T24:00:00") in (None, datetime(2026, 3, 2, tzinfo=UTC))


@given(st.datetimes(timezones=st.timezones() | st.none()).map(datetime.isoformat) | st.text())
def test_any_date_is_a_second_in_utc_or_no_date(text: str) -> None:
    moment = told(text)
    assert moment is None or (
        moment.tzinfo is UTC and moment.microsecond == 0 and EARLIEST <= moment < LATEST
    )
