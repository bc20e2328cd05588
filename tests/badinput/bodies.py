"""Bodies of messages that are none of ours, for the fetcher and for the lister."""

import json
from typing import Any

START, END = "2026-03-01T11:00:01", "2026-03-01T12:00:00"
VISIT = {"reference_id": "A", "hop": 0}
LISTED = {"start": START, "end": END}

NOT_OURS: dict[str, Any] = {
    "no text": "",
    "a blank": " ",
    "a NUL": "\0",
    "a BOM": "\ufeff" + json.dumps(VISIT),
    "a word": "hello",
    "HTML": "<html>",
    "null": "null",
    "true": "true",
    "a number": "7",
    "a number of 5,000 digits": "7" * 5000,
    "NaN": "NaN",
    "a text": '"reference_id"',
    "JSON in a text": json.dumps(json.dumps(VISIT)),
    "an array": "[]",
    "an array of one of ours": json.dumps([VISIT | LISTED]),
    "an empty object": "{}",
    "another's object": '{"Type": "Notification", "TopicArn": "arn", "Message": "{}"}',
    "an event of S3": '{"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "x"}',
    "single quotes": "{'reference_id': 'A'}",
    "two objects": json.dumps(VISIT) * 2,
    "cut": json.dumps(VISIT | LISTED)[:-1],
    "too deep": "[" * 100_000,
    "too deep within": '{"reference_id": "A", "x": ' + "[" * 100_000,
    "256 kB of blanks": " " * 262_144,
    "null for a body": None,
    "a number for a body": 7,
    "an object for a body": {"reference_id": "A"},
    "no body": ...,
}
HOPS: dict[str, Any] = {
    "a negative hop": -1,
    "a hop of minus 400 digits": -(10**400),
    "a hop of true": True,
    "a hop of null": None,
    "a hop of a fraction": 0.5,
    "a hop of 1.0": 1.0,
    "a hop of infinity": float("inf"),
    "a hop of NaN": float("nan"),
    "a hop of a text": "0",
    "a hop of an empty text": "",
    "a hop of a list": [0],
    "a hop of an object": {"hop": 0},
}
IDS: dict[str, Any] = {
    "an id of null": None,
    "an id of a number": 7,
    "an id of true": True,
    "an id of a list": ["A"],
    "an id of an object": {"id": "A"},
    "an empty id": "",
    "an id of 901 bytes": "a" * 901,
    "an id of 451 accents": "é" * 451,
    "an id of half a pair": "\ud83d",
    "an id of half a pair within": "A\udcffB",
}
SPANS: dict[str, Any] = {
    "no start": {"end": END},
    "no end": {"start": START},
    "a start of null": {"start": None, "end": END},
    "a start of a number": {"start": 20260301, "end": END},
    "a start of a list": {"start": [START], "end": END},
    "an empty start": {"start": "", "end": END},
    "a day for a start": {"start": "2026-03-01", "end": END},
    "a start with a zone": {"start": START + "Z", "end": END},
    "a start with a zone of hours": {"start": START + "+00:00", "end": END},
    "a start with a space": {"start": START.replace("T", " "), "end": END},
    "a start without leading noughts": {"start": "2026-3-1T0:0:0", "end": END},
    "a start of a week": {"start": "2026-W09-7T00:00:00", "end": END},
    "a start with fractions": {"start": START + ".5", "end": END},
    "a start on Feb 30": {"start": "2026-02-30T00:00:00", "end": END},
    "a start in year 0": {"start": "0000-01-01T00:00:00", "end": END},
    "an end in year 10000": {"start": START, "end": "10000-01-01T00:00:00"},
    "an end at 24:00": {"start": START, "end": "2026-03-01T24:00:00"},
    "an end of a leap second": {"start": START, "end": "2026-12-31T23:59:60"},
    "an end before its start": {"start": END, "end": START},
    "a megabyte for a start": {"start": "2" * 10**6, "end": END},
}


def bodies(**good: object) -> dict[str, Any]:
    """The cases of both functions; `good` is the rest of a message with a bad hop."""
    return NOT_OURS | {name: json.dumps(good | {"hop": hop}) for name, hop in HOPS.items()}


VISITS = bodies(reference_id="A") | {name: json.dumps({"reference_id": each}) for name, each in IDS.items()}
WINDOWS = bodies(**LISTED) | {name: json.dumps(each) for name, each in SPANS.items()}
