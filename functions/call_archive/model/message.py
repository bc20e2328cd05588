"""What travels on the two queues: a hint of what to do, never what is true. The ledger holds that."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from call_archive.errors import MalformedMessageError
from call_archive.model.row import MAX_ID_BYTES
from call_archive.model.window import Window, from_text, to_text


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitMessage:
    reference_id: str
    hop: int = 0
    """How many messages led here without the tick between: at most `revisits.MAX_CHAIN`."""

    def to_json(self) -> str:
        return json.dumps({"reference_id": self.reference_id, "hop": self.hop})

    @classmethod
    def from_json(cls, body: str) -> VisitMessage:
        """Parses a message's body; MalformedMessageError when it is not one of ours."""
        fields = _fields(body)
        reference_id = fields.get("reference_id")
        if not isinstance(reference_id, str) or not is_reference_id(reference_id):
            raise MalformedMessageError(
                f"a visit message needs a reference_id of 1 to {MAX_ID_BYTES} bytes of UTF-8"
            )
        return cls(reference_id=reference_id, hop=_hop(fields))


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowMessage:
    window: Window
    hop: int = 0

    def to_json(self) -> str:
        window = self.window
        return json.dumps(
            {
                "start": to_text(window.start),
                "end": to_text(window.end),
                "recheck": window.recheck,
                "hop": self.hop,
            }
        )

    @classmethod
    def from_json(cls, body: str) -> WindowMessage:
        """Parses a message's body; MalformedMessageError when it is not one of ours."""
        fields = _fields(body)
        try:
            start, end = from_text(fields["start"]), from_text(fields["end"])
        except (KeyError, TypeError, ValueError):
            raise MalformedMessageError("a window message needs start and end, YYYY-MM-DDThh:mm:ss") from None
        if start > end:
            raise MalformedMessageError("a window message's start is past its end")
        return cls(
            window=Window(start=start, end=end, recheck=fields.get("recheck") is True), hop=_hop(fields)
        )


def is_reference_id(text: str) -> bool:
    """Whether it can be one: half a surrogate pair has no UTF-8."""
    try:
        return 0 < len(text.encode()) <= MAX_ID_BYTES
    except UnicodeEncodeError:
        return False


def _fields(body: str) -> dict[str, Any]:
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise MalformedMessageError("the message is not JSON") from None
    if not isinstance(fields, dict):
        raise MalformedMessageError("the message is not a JSON object")
    return fields


def _hop(fields: dict[str, Any]) -> int:
    hop = fields.get("hop", 0)
    if not isinstance(hop, int) or isinstance(hop, bool) or hop < 0:
        raise MalformedMessageError("a message's hop is a whole number from 0")
    return hop
