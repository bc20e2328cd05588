"""The least of AWS that the fetcher can work against, over TLS, in a process of its own: cheap, so that it hides nothing.

Prints its address as JSON and serves until its standard input ends.
"""

import base64
import json
import os
import secrets
import socket
import socketserver
import ssl
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote
from xml.sax.saxutils import escape

from infra.local.embedded_aws.certificate import write_certificate
from tests.benchmarks.bodies import Body, RefusedError, read_body
from tests.benchmarks.served import DIGESTS_PATH, transcript_digest

BUFFER_BYTES = 256 * 1024


class Memory:
    """What was stored: items whole, objects as their number, bytes and digests."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._items: dict[str, Any] = {}
        self.totals: Counter[str] = Counter()
        self.digests: dict[str, str] = {}
        self.lock = threading.Lock()

    def answer(self, target: str, request: Mapping[str, Any]) -> dict[str, Any]:
        match target.rpartition(".")[2]:
            case "GetItem":
                item = self._items.get(request["Key"]["pk"]["S"])
                return {} if item is None else {"Item": item}
            case "PutItem":
                self._items[request["Item"]["pk"]["S"]] = request["Item"]
                return {}
            case "SendMessageBatch":
                self.count(messages=len(request["Entries"]))
                sent = [{"Id": entry["Id"], "MessageId": entry["Id"]} for entry in request["Entries"]]
                return {"Successful": sent, "Failed": []}
            case "GetSecretValue":
                return {"Name": request["SecretId"], "SecretString": self._secret, "VersionId": "1"}
            case other:
                raise RefusedError("UnknownOperationException", f"{other} is not served here")

    def store(self, key: str, body: Body) -> None:
        digest = _digest(key, body)
        with self.lock:
            self.digests[key] = digest
            self.totals.update(objects=1, bytes=body.size)

    def count(self, **numbers: int) -> None:
        with self.lock:
            self.totals.update(numbers)


def _digest(key: str, body: Body) -> str:
    if key.startswith("transcripts/"):
        return transcript_digest(json.loads(body.content))
    return base64.b64decode(body.checksum.get("x-amz-checksum-sha256", "")).hex()


def _s3_request_ids() -> dict[str, str]:
    """S3 sends both with every answer. Without the first, the fetcher takes the answer for somebody else's."""
    return {"x-amz-request-id": secrets.token_hex(8).upper(), "x-amz-id-2": secrets.token_urlsafe(56)}


class _Connection(socketserver.StreamRequestHandler):
    server: "Sink"
    rbufsize = BUFFER_BYTES
    disable_nagle_algorithm = True

    def setup(self) -> None:
        self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        super().setup()

    def finish(self) -> None:
        super().finish()
        self.request.close()

    def handle(self) -> None:
        try:
            while line := self.rfile.readline():
                method, path, _version = line.decode().split(" ")
                self._answer(method, path, self._headers())
        except RefusedError as error:  # the rest of the body was not read: the connection ends here
            code, text = escape(error.code), escape(str(error))
            body = f"<Error><Code>{code}</Code><Message>{text}</Message></Error>"
            named = {"Connection": "close", **_s3_request_ids()}
            self._send(HTTPStatus.BAD_REQUEST, body.encode(), named)

    def _headers(self) -> dict[str, str]:
        headers = {}
        while (line := self.rfile.readline().strip()) != b"":
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        return headers

    def _answer(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        if headers.get("expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if method == "PUT":
            self._put(path, headers)
            return
        content = self.rfile.read(int(headers.get("content-length", 0)))
        if method == "GET":
            memory = self.server.memory
            reply: dict[str, Any] = dict(memory.digests if path == DIGESTS_PATH else memory.totals)
        else:
            reply = self.server.memory.answer(headers.get("x-amz-target", ""), json.loads(content))
        named = {"x-amzn-RequestId": str(uuid.uuid4()), "Content-Type": "application/x-amz-json-1.0"}
        self._send(HTTPStatus.OK, json.dumps(reply).encode(), named)

    def _put(self, path: str, headers: Mapping[str, str]) -> None:
        body = read_body(self.rfile, headers)
        _bucket, _, key = path.removeprefix("/").partition("/")
        self.server.memory.store(unquote(key), body)
        named = {"ETag": '"0"', "x-amz-version-id": "1", **_s3_request_ids(), **body.checksum}
        self._send(HTTPStatus.OK, b"", named)

    def _send(self, status: HTTPStatus, body: bytes, headers: Mapping[str, str]) -> None:
        lines = [f"HTTP/1.1 {status.value} {status.phrase}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.wfile.write("\r\n".join([*lines, "", ""]).encode() + body)


class Sink(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, folder: Path, memory: Memory) -> None:
        self.memory = memory
        certificate = write_certificate(folder)
        self.ca_bundle = certificate.bundle
        self.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.tls.load_cert_chain(certificate.certificate, certificate.key)
        super().__init__(("127.0.0.1", 0), _Connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):  # a client that hung up is its own affair
            super().handle_error(request, client_address)


def main() -> None:
    with TemporaryDirectory() as folder, Sink(Path(folder), Memory(os.environ["SINK_SECRET"])) as sink:
        threading.Thread(target=sink.serve_forever, daemon=True).start()
        port = sink.socket.getsockname()[1]
        address = {"url": f"https://127.0.0.1:{port}", "ca_bundle": str(sink.ca_bundle)}
        sys.stdout.write(json.dumps(address) + "\n")
        sys.stdout.flush()
        sys.stdin.read()
        sink.shutdown()


if __name__ == "__main__":
    socket.setdefaulttimeout(120)
    main()
