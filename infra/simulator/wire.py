"""Answers over real sockets, including the ways they go wrong."""

import os
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from threading import TIMEOUT_MAX, Event, Lock, Thread
from typing import Any

from infra.simulator.replies import Ending, Reply, Request

IDLE_SECONDS = 499  # how long Telesign's own SDK says an idle connection stays open
DRIPS = 20
LINGER_ZERO = struct.pack("ii", 1, 0)  # closing then sends RST, not FIN
Answer = Callable[[Request], Reply]
Record = Callable[[Request, Reply], None]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "simulated-telesign"
    disable_nagle_algorithm = True
    timeout = IDLE_SECONDS
    server: "Site"

    def answer(self) -> None:
        headers = {name.title(): value for name, value in self.headers.items()}
        request = Request(method=self.command, target=self.requestline.split()[1], headers=headers)
        if "Content-Length" in headers or "Transfer-Encoding" in headers:
            self.close_connection = True  # no request here has a body to read
        reply = self.server.answer(request)
        self.server.record(request, reply)
        self.server.pause(self.server.delay_seconds + reply.silent_seconds)
        if reply.status:
            self._send_head(reply)
            self._send_body(reply)
        self._end(reply)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 - http.server's names

    def _send_head(self, reply: Reply) -> None:
        self.send_response(reply.status)
        if reply.content_type:
            self.send_header("Content-Type", reply.content_type)
        if reply.length is not None and reply.status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(reply.length))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.length is None or self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def _send_body(self, reply: Reply) -> None:
        if self.command == "HEAD":
            return
        for piece in _pieces(reply):
            self.wfile.write(piece)
            if reply.spread_seconds and reply.length:
                self.server.pause(reply.spread_seconds * len(piece) / reply.length)

    def _end(self, reply: Reply) -> None:
        if reply.ending is not Ending.KEEP_ALIVE:
            self.close_connection = True
        if reply.ending is Ending.RESET:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
            os.close(self.connection.detach())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's signature
        """No log of its own: `SimulatedTelesign.requests` is the log."""


def _pieces(reply: Reply) -> Iterator[bytes]:
    for chunk in reply.body:
        size = max(1, (reply.length or 0) // DRIPS) if reply.spread_seconds else len(chunk)
        for start in range(0, len(chunk), max(1, size)):
            yield chunk[start : start + size]


class Site(ThreadingHTTPServer):
    """One HTTP server on the loopback; open connections end when it closes."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port: int, answer: Answer, record: Record, delay_seconds: float) -> None:
        self.answer = answer
        self.record = record
        self.delay_seconds = delay_seconds
        self._stopping = Event()
        self._open: set[socket.socket] = set()
        self._lock = Lock()
        super().__init__(("127.0.0.1", port), _Handler)
        self._thread = Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return self.server_port

    def pause(self, seconds: float) -> None:
        if seconds:
            self._stopping.wait(min(seconds, TIMEOUT_MAX))

    def close(self) -> None:
        self._stopping.set()
        self.shutdown()
        self._thread.join()
        self.server_close()
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer's own looks the host name up, which is slow on some machines
        self.server_name, self.server_port = "127.0.0.1", self.socket.getsockname()[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):  # a client that hung up is its own affair
            super().handle_error(request, client_address)
