"""A server that says what it is told to, byte for byte, and keeps what it was asked."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, Self

LINGER_ZERO = struct.pack("ii", 1, 0)  # closing then sends RST, not FIN

Ending = Literal["keep", "close", "reset", "silence"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    pieces: tuple[bytes, ...]
    gap_seconds: float
    then: Ending


@dataclass(slots=True)
class RawServer:
    """Gives each request the next scripted answer, the last again and again; keeps what came, byte for byte."""

    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    pieces_sent: int = 0
    hung_up: threading.Event = field(default_factory=threading.Event)
    """Set when a client ends the connection during a silence."""
    _script: list[Answer] = field(default_factory=list)
    _socket: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    _open: list[socket.socket] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def says(self, *pieces: bytes, then: Ending = "keep", gap_seconds: float = 0) -> None:
        self._script.append(Answer(pieces=pieces, gap_seconds=gap_seconds, then=then))

    def answers(
        self,
        body: bytes = b"",
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        then: Ending = "keep",
    ) -> None:
        lines = [
            f"{name}: {value}"
            for name, value in ({"Content-Length": len(body)} | dict(headers or {})).items()
        ]
        head = "\r\n".join([f"HTTP/1.1 {status} x", *lines, "", ""]).encode()
        self.says(head + body, then=then)

    def targets(self) -> list[bytes]:
        return [request.split(b" ", 2)[1] for request in self.requests]

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_error: object) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._threads[0].join()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self._lock:
                    self.connections += 1
                self._open.append(connection)
                self._start(partial(self._serve, connection))

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            arrived = b""
            while True:
                while b"\r\n\r\n" not in arrived:
                    more = connection.recv(65536)
                    if not more:
                        return
                    arrived += more
                request, _, arrived = arrived.partition(b"\r\n\r\n")
                with self._lock:
                    self.requests.append(request)
                    answer = self._script[min(len(self.requests), len(self._script)) - 1]
                for piece in answer.pieces:
                    connection.sendall(piece)
                    self.pieces_sent += 1
                    time.sleep(answer.gap_seconds)
                if answer.then == "silence":
                    connection.recv(1)
                    self.hung_up.set()
                if answer.then == "reset":
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
                if answer.then != "keep":
                    return
