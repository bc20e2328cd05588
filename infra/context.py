"""Reads typed values out of the CDK context and collects every problem instead of stopping at the first.

`cdk.json` gives JSON values, `-c key=value` gives text: numbers as text, lists and maps as JSON text.
"""

import json
import math
from collections.abc import Callable, Mapping
from difflib import get_close_matches

# Keys of the CDK itself: feature flags, look-ups ("availability-zones:account=…") and the CLI's own switches.
_CDK_KEYS = ("@aws-cdk", "aws:", "cli-")

MAX_KEY = 60


def is_of_the_cdk(key: str) -> bool:
    return key.startswith(_CDK_KEYS) or ":" in key


class ContextReader:
    """Each read returns a value to go on with, even after a problem; the caller looks at `problems` at the end."""

    def __init__(self, context: Mapping[str, object]) -> None:
        self._context = context
        self._known: list[str] = []
        self.problems: list[str] = []

    def report(self, key: str, what_to_do: str) -> None:
        self.problems.append(f"{key}: {what_to_do}")

    def report_unknown_keys(self) -> None:
        for key in sorted(self._context):
            if key in self._known or is_of_the_cdk(key):
                continue
            close = get_close_matches(key, self._known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"use one of {', '.join(sorted(self._known))}."
            plain = key.isascii() and key.isprintable() and len(key) <= MAX_KEY
            self.report(key if plain else shown(key), f"there is no such setting; {hint}")

    def text(self, key: str, default: str, *, check: Callable[[str], str | None]) -> str:
        """`check` answers what to do about a bad value, or None."""
        value = self._read(key, default)
        if not isinstance(value, str):
            self.report(key, f"give text, not {shown(value)}.")
            return default
        if problem := check(value.strip()):
            self.report(key, problem)
        return value.strip()

    def integer(self, key: str, default: int, *, low: int, high: int) -> int:
        return int(self._in_range(key, default, low, high, whole=True))

    def number(self, key: str, default: float, *, low: float, high: float) -> float:
        return self._in_range(key, default, low, high, whole=False)

    def strings(
        self, key: str, default: tuple[str, ...], *, check: Callable[[str], str | None]
    ) -> tuple[str, ...]:
        value = self._structure(key, list(default))
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.report(key, f'give a list of texts such as ["a", "b"], not {shown(value)}.')
            return default
        for item in value:
            if problem := check(item):
                self.report(key, problem)
        return tuple(value)

    def mapping(self, key: str, *, check: Callable[[str, str], str | None]) -> dict[str, str]:
        value = self._structure(key, {})
        if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
            self.report(key, f'give a map of texts such as {{"name": "value"}}, not {shown(value)}.')
            return {}
        for name, item in value.items():
            if problem := check(name, item):
                self.report(key, problem)
        return value

    def _read(self, key: str, default: object) -> object:
        self._known.append(key)
        value = self._context.get(key)
        return default if value is None else value

    def _structure(self, key: str, default: object) -> object:
        value = self._read(key, default)
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value  # reported by the caller, which knows what shape it wants

    def _in_range(self, key: str, default: float, low: float, high: float, *, whole: bool) -> float:
        value = self._read(key, default)
        number = _as_number(value)
        if number is None or not low <= number <= high or (whole and number != int(number)):
            kind = "a whole number" if whole else "a number"
            self.report(key, f"give {kind} from {low} to {high}, not {shown(value)}.")
            return default
        return number


def _as_number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def shown(value: object) -> str:
    """In one line, of any value whatsoever."""
    try:
        text = json.dumps(value, default=str)
    except (ValueError, RecursionError):
        return f"that {type(value).__name__}"
    limit = 60
    return text if len(text) <= limit else f"{text[:limit]}…"
