"""A proxy over real sockets that hands requests on, and spoils those that its plan names."""

import contextlib
import http.client
import json
import os
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from typing import Any
from urllib.parse import urlsplit

from botocore.awsrequest import AWSPreparedRequest, HTTPHeaders
from moto.core.models import botocore_stubber

from infra.local.embedded_aws.certificate import Certificate
from tests.proofs.aws import REGION
from tests.proofs.faults.cells import Dependency, Fault
from tests.proofs.faults.plan import FaultPlan
from tests.proofs.faults.spoiling import REQUEST_ID, Answer, instead, part_of, refusal, spoiled

LINGER_ZERO = struct.pack("ii", 1, 0)  # closing then sends RST, not FIN
HOP_BY_HOP = {"transfer-encoding", "connection", "expect", "keep-alive", "content-length"}
PART_OF_AN_UPLOAD = 1000
"""Bytes of it that are read before its connection is reset."""
DRIPS = 12
OPERATIONS = {each.split()[-1]: each for each in Dependency if each.startswith(("Dyn", "SQS", "Sec"))}
OF_A_WINDOW = b'"window#'
"""In the body of a request to put one: its operation is the same as a call's."""
SENDING = ("SendMessage", "SendMessageBatch")
SERVICES = {"DynamoDB_20120810": "dynamodb", "AmazonSQS": "sqs", "secretsmanager": "secretsmanager"}

_one_at_a_time = threading.Lock()
"""moto is not made for threads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    url: Callable[[], str] | None
    """None for the AWS in this process's memory."""
    tells: Callable[[BaseHTTPRequestHandler], Dependency | None]
    """Which dependency a request is for; None for one that no fault is meant for."""
    ca_bundle: Path | None = None
    keeps_delays: bool = True
    """Else nothing waits for a message's delay to pass."""
    drip_seconds: float = 1.5
    """Of a whole answer that drips."""


def operation(request: BaseHTTPRequestHandler) -> str:
    """By its name at AWS; empty where a request is not told apart by that."""
    return request.headers.get("X-Amz-Target", "").rpartition(".")[2]


def of_aws(request: BaseHTTPRequestHandler) -> Dependency | None:
    if "X-Amz-Target" in request.headers:
        return OPERATIONS.get(operation(request))
    return {"PUT": Dependency.PUT_OBJECT, "HEAD": Dependency.HEAD_OBJECT}.get(request.command)


def of_api(request: BaseHTTPRequestHandler) -> Dependency:
    return Dependency.LIST if request.path.startswith("/v2/call_recording?") else Dependency.CALL


def of_cdn(_request: BaseHTTPRequestHandler) -> Dependency:
    return Dependency.DOWNLOAD


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "Proxy"

    def setup(self) -> None:
        super().setup()
        self.upstream = self.server.connection_upstream()

    def finish(self) -> None:
        if self.upstream is not None:
            self.upstream.close()
        super().finish()

    def hand_on(self) -> None:
        body = self._body() if operation(self) else b""
        dependency = self.server.upstream.tells(self)
        if dependency is Dependency.PUT_ITEM and OF_A_WINDOW in body:
            dependency = Dependency.PUT_WINDOW
        again = "attempt=1" not in self.headers.get("amz-sdk-request", "attempt=1")
        fault = self.server.plan.take(dependency, again=again) if dependency is not None else None
        if fault is Fault.RESET_MIDWAY and dependency is Dependency.PUT_OBJECT:
            self.rfile.read(PART_OF_AN_UPLOAD)
            self._reset()
            return
        body = body or self._body()
        if operation(self) in SENDING:
            self.server.plan.record.add(operation(self), json.loads(body), done=False)
        if dependency is Dependency.SEND_MESSAGE_BATCH and not self.server.upstream.keeps_delays:
            body = without_delay(body)
        if dependency is None or fault is None:
            self._send(self._ask(body))
        else:
            self._fail(dependency, fault, body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = hand_on  # noqa: N815 - http.server's names

    def _fail(self, dependency: Dependency, fault: Fault, body: bytes) -> None:
        if fault is Fault.RESET:
            self._reset()
        elif fault is Fault.SILENCE:
            self.close_connection = True
            self.connection.recv(1)  # until the client gives up
        elif fault is Fault.PARTIAL:
            self._send(self._partly(dependency, body))
        elif (answer := instead(dependency, fault)) is not None:
            self._send(answer)
        else:
            self._spoil(dependency, fault, self._ask(body))

    def _spoil(self, dependency: Dependency, fault: Fault, answer: Answer) -> None:
        """It is done by now; this is about the answer alone."""
        if fault is Fault.DONE_500 and (error := refusal(dependency, fault)) is not None:
            self._send(error)
        elif fault is Fault.ANSWER_LOST:
            self._reset()
        elif fault is Fault.RESET_MIDWAY:
            whole = answer.bytes_on_the_wire(bodiless=self.command == "HEAD")
            cut = len(whole) - len(answer.body) // 2 if answer.body else len(whole) // 2
            self.wfile.write(whole[:cut])
            self._reset()
        elif fault is Fault.DRIP:
            self._drip(answer)
        else:
            self._send(spoiled(answer, dependency, fault))

    def _partly(self, dependency: Dependency, body: bytes) -> Answer:
        asked, told = part_of(dependency, body)
        answer = self._ask(asked) if asked else Answer(status=200, headers=REQUEST_ID)
        body = told(answer.body)
        kept = {name: text for name, text in answer.headers.items() if name != "x-amz-crc32"}
        return replace(answer, body=body, headers=kept | {"content-length": str(len(body))})

    def _ask(self, body: bytes) -> Answer:
        """The true answer."""
        answer = self._ask_in_memory(body) if self.upstream is None else self._ask_over(self.upstream, body)
        if operation(self) == "PutItem" and answer.status == HTTPStatus.OK:
            self.server.plan.record.add(operation(self), json.loads(body), done=True)
        return answer

    def _ask_in_memory(self, body: bytes) -> Answer:
        headers = HTTPHeaders()
        for name, text in self.headers.items():
            if name.lower() not in HOP_BY_HOP | {"host"}:
                headers[name] = text
        service = SERVICES.get(self.headers.get("X-Amz-Target", "").partition(".")[0], "s3")
        url = f"https://{service}.{REGION}.amazonaws.com{self.path}"
        with _one_at_a_time:
            answered = botocore_stubber.process_request(
                AWSPreparedRequest(self.command, url, headers, body, stream_output=False)
            )
        assert answered is not None
        status, answer_headers, content = answered
        content = content.encode() if isinstance(content, str) else content
        kept = {name.lower(): str(text) for name, text in answer_headers.items()}
        length = kept.get("content-length", "0") if self.command == "HEAD" else str(len(content))
        kept = {name: text for name, text in kept.items() if name not in HOP_BY_HOP}
        return Answer(status=status, headers=kept | {"content-length": length}, body=content)

    def _ask_over(self, upstream: http.client.HTTPConnection, body: bytes) -> Answer:
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, text in self.headers.items():
            if name.lower() not in HOP_BY_HOP:
                upstream.putheader(name, text)
        if body or self.command in ("PUT", "POST"):
            upstream.putheader("Content-Length", str(len(body)))
        upstream.endheaders(body or None)
        with upstream.getresponse() as response:
            content = response.read()
            headers = {
                name.lower(): text for name, text in response.getheaders() if name.lower() not in HOP_BY_HOP
            }
            length = str(len(content)) if self.command != "HEAD" else response.getheader("Content-Length")
            return Answer(
                status=response.status, headers=headers | {"content-length": length or "0"}, body=content
            )

    def _send(self, answer: Answer) -> None:
        self.wfile.write(answer.bytes_on_the_wire(bodiless=self.command == "HEAD"))
        self.close_connection = self.close_connection or answer.closes

    def _drip(self, answer: Answer) -> None:
        whole = answer.bytes_on_the_wire(bodiless=self.command == "HEAD")
        head, size = len(whole) - len(answer.body), max(1, len(answer.body) // DRIPS)
        self.wfile.write(whole[:head])
        for start in range(head, len(whole), size):
            self.wfile.write(whole[start : start + size])
            time.sleep(self.server.upstream.drip_seconds / DRIPS)

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
        os.close(self.connection.detach())

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            return b"".join(self._chunks())
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _chunks(self) -> Iterator[bytes]:
        while size := self._chunk_size():
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _chunk_size(self) -> int:
        line = self.rfile.readline()
        if not line.endswith(b"\n"):
            raise ConnectionError("the client broke off")
        return int(line.split(b";")[0], 16)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's signature
        """Stay quiet: the plan counts."""


def without_delay(body: bytes) -> bytes:
    request = json.loads(body)
    entries = [entry | {"DelaySeconds": 0} for entry in request["Entries"]]
    return json.dumps(request | {"Entries": entries}).encode()


class Proxy(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, upstream: Upstream, plan: FaultPlan, certificate: Certificate | None = None) -> None:
        """With a certificate it speaks TLS."""
        self.upstream = upstream
        self.plan = plan
        self._trust = ssl.create_default_context(cafile=upstream.ca_bundle) if upstream.ca_bundle else None
        self._tls = _serving(certificate) if certificate else None
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.server_port}"

    def connection_upstream(self) -> http.client.HTTPConnection | None:
        if self.upstream.url is None:
            return None
        address = urlsplit(self.upstream.url())
        host, port = address.hostname or "", address.port
        if address.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=60)
        return http.client.HTTPSConnection(host, port, timeout=60, context=self._trust)

    def close(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer's own looks the host name up, which is slow on some machines
        self.server_name, self.server_port = "127.0.0.1", self.socket.getsockname()[1]

    def finish_request(self, request: Any, client_address: Any) -> None:
        """In the connection's own thread, so that a slow handshake holds up nobody else."""
        connection = self._tls.wrap_socket(request, server_side=True) if self._tls else request
        with self._lock:
            self._open.add(connection)
        try:
            super().finish_request(connection, client_address)
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):  # a client that hung up is its own affair
            super().handle_error(request, client_address)


def _serving(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.certificate, certificate.key)
    return context
