"""Faults a test switches on while the provider runs. They spoil good answers, never hide a client's mistake."""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from http import HTTPStatus
from threading import Lock
from typing import Literal

from infra.simulator.options import seeded
from infra.simulator.replies import Ending, Reply, bytes_reply, denied_reply, error_reply

Where = Literal["list", "call", "download"]
EVERYWHERE: frozenset[Where] = frozenset({"list", "call", "download"})
NO_DATA = b'{"call_recordings": [{"reference_id": '
PAGE = b"<!DOCTYPE html><html><body><h1>This recording is not available</h1></body></html>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What to do to how many answers; None of `times` is all of them, None of an id or name is any."""

    where: Where
    kind: str
    times: int | None = None
    probability: float = 1.0
    reference_id: str | None = None
    file_name: str | None = None
    retry_after: int | str | None = None  # sent as Retry-After with a status fault
    seconds: float | None = None  # of a time-out (None: until the server stops) or of a whole drip (None: 1)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown fault {self.kind!r}; one of {', '.join(KINDS)}")
        if self.where not in ONLY.get(self.kind, EVERYWHERE):
            raise ValueError(f"fault {self.kind!r} does not apply to {self.where!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The good answer's subject, to match a fault against."""

    where: Where
    reference_id: str | None = None
    file_name: str | None = None
    token: str = ""  # the page token the client sent


class FaultPlan:
    def __init__(self, seed: int = 1) -> None:
        self._lock = Lock()
        self._rng = seeded(seed, "faults")
        self._left: dict[int, tuple[Fault, float]] = {}
        self._added = 0
        self._injected: Counter[Fault] = Counter()

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._added += 1
            self._left[self._added] = (fault, math.inf if fault.times is None else fault.times)

    def clear(self) -> None:
        with self._lock:
            self._left.clear()

    @property
    def injected(self) -> Counter[str]:
        """How often each kind was injected so far, wherever and into whatever."""
        kinds: Counter[str] = Counter()
        for fault, times in self.injected_faults.items():
            kinds[fault.kind] += times
        return kinds

    @property
    def injected_faults(self) -> Counter[Fault]:
        """How often each fault was injected so far (a copy); faults that are equal count as one."""
        with self._lock:
            return self._injected.copy()

    def spoil(self, reply: Reply, target: Target) -> Reply:
        fault = self._pick(target)
        return KINDS[fault.kind](reply, fault, target) if fault else reply

    def _pick(self, target: Target) -> Fault | None:
        with self._lock:
            for number, (fault, left) in self._left.items():
                if left > 0 and _matches(fault, target) and self._rng.random() < fault.probability:
                    self._left[number] = (fault, left - 1)
                    self._injected[fault] += 1
                    return fault
        return None


def _matches(fault: Fault, target: Target) -> bool:
    return (
        fault.where == target.where
        and fault.reference_id in {None, target.reference_id}
        and fault.file_name in {None, target.file_name}
        and (fault.kind not in TOKEN_KINDS or bool(target.token))
    )


def _status(reply: Reply, fault: Fault, target: Target) -> Reply:
    del reply
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    if fault.kind == "403" and target.where == "download":
        return replace(denied_reply(), headers=headers)
    return error_reply(int(fault.kind), "injected fault", headers)


def _timeout(reply: Reply, fault: Fault, target: Target) -> Reply:
    del reply, target
    seconds = math.inf if fault.seconds is None else fault.seconds
    return Reply(status=0, ending=Ending.CLOSE, silent_seconds=seconds)


def _drip(reply: Reply, fault: Fault, target: Target) -> Reply:
    del target
    return replace(reply, spread_seconds=1.0 if fault.seconds is None else fault.seconds)


def _half(reply: Reply, ending: Ending) -> Reply:
    return replace(reply, body=_first(reply.body, (reply.length or 0) // 2), ending=ending)


def _first(body: Iterable[bytes], limit: int) -> Iterator[bytes]:
    for chunk in body:
        yield chunk[:limit]
        limit -= len(chunk)
        if limit <= 0:
            return


def _longer(reply: Reply, extra: bytes) -> Reply:
    def body() -> Iterator[bytes]:
        yield from reply.body
        yield extra

    return replace(reply, body=body(), length=None, ending=Ending.CLOSE)


def _chunked(reply: Reply, fault: Fault, target: Target) -> Reply:
    del fault, target

    def body() -> Iterator[bytes]:
        for chunk in filter(None, reply.body):
            yield b"%x\r\n%b\r\n" % (len(chunk), chunk)
        yield b"0\r\n\r\n"

    headers = {"Transfer-Encoding": "chunked"}
    return replace(reply, body=body(), length=None, headers=headers, ending=Ending.CLOSE)


def _repeat_token(reply: Reply, fault: Fault, target: Target) -> Reply:
    del fault
    document = json.loads(b"".join(reply.body)) | {"token": target.token}
    return bytes_reply(reply.status, json.dumps(document).encode(), reply.content_type)


def _instead(body: bytes, content_type: str | None = None) -> "Spoil":
    return lambda reply, _fault, _target: bytes_reply(
        HTTPStatus.OK, body, reply.content_type if content_type is None else content_type
    )


Spoil = Callable[[Reply, Fault, Target], Reply]
KINDS: dict[str, Spoil] = {
    **dict.fromkeys(("400", "401", "403", "404", "429", "500", "502", "503", "504"), _status),
    "reset": lambda _reply, _fault, _target: Reply(status=0, ending=Ending.RESET),
    "reset_midway": lambda reply, _fault, _target: _half(reply, Ending.RESET),
    "timeout": _timeout,
    "drip": _drip,
    "short_body": lambda reply, _fault, _target: _half(reply, Ending.CLOSE),
    "no_length": lambda reply, _fault, _target: _longer(reply, b""),
    "chunked": _chunked,
    "long_body": lambda reply, _fault, _target: _longer(reply, b"\0" * 4096),
    "html": _instead(PAGE, "text/html; charset=utf-8"),
    "wrong_bytes": _instead(b"ID3\x04" + b"\x55" * 4092),
    "empty": _instead(b""),
    "bad_json": _instead(NO_DATA),
    "expired_link": lambda _reply, _fault, _target: denied_reply(),
    "repeated_token": _repeat_token,
    "expired_token": lambda _reply, _fault, _target: error_reply(HTTPStatus.BAD_REQUEST, "token expired"),
}
TOKEN_KINDS = frozenset({"repeated_token", "expired_token"})
ONLY: dict[str, frozenset[Where]] = {
    "wrong_bytes": frozenset({"download"}),
    "expired_link": frozenset({"download"}),
    "bad_json": frozenset({"list", "call"}),
    "repeated_token": frozenset({"list"}),
    "expired_token": frozenset({"list"}),
}
