"""A provider of the test's own, that has nothing of our simulator's: names and links as nobody would choose them."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, unquote, urlsplit

DATE = "2025-06-07T08:09:10"
NAMES = [
    ("../../etc", "../../../etc/passwd"),
    ("a/b", "a b+c?d#e%2F.wav"),
    ("\u202eevil", "\u00e9\u4e2d\U0001f600.wav"),
    ("..", "never asked for: its path is not its own"),
    ("L" * 300, "n" * 300 + ".wav"),
    ("same", "CON.wav"),
    ("{{x}}", "${jndi:ldap://x}.wav"),
]
UNASKABLE = ".."
QUERY = "Expires=1&Signature=a~b-c__%2B+d%20e&x=%c3%A9&&Key-Pair-Id=K"
"""Signed as it is: whoever writes it in another way is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hostile:
    url: str
    authorized_downloads: list[str]


def audio(file_name: str) -> bytes:
    return b"RIFF\x24\x10\x00\x00WAVEfmt " + hashlib.sha512(file_name.encode()).digest() * 64


@contextmanager
def hostile_provider(authorization: str) -> Iterator[Hostile]:
    leaked: list[str] = []

    class Cdn(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if "Authorization" in self.headers:
                leaked.append(self.path)
            path, _, query = self.path.partition("?")
            found = query == QUERY and path.startswith("/%72ec/")
            _send(self, 200 if found else 403, audio(unquote(path[len("/%72ec/") :])), "audio/wav")

        def log_message(self, *_: object) -> None:
            pass

    class Api(Cdn):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            reference_id = unquote(parts.path.removeprefix("/v2/call_recording").removeprefix("/"))
            refused = self.headers.get("Authorization") != authorization
            body = self._call(reference_id) if reference_id else self._page(parse_qs(parts.query))
            _send(self, 401 if refused else 200, json.dumps(body).encode(), "application/json")

        def _page(self, query: dict[str, list[str]]) -> dict[str, object]:
            within = query["start_date_time"][0] <= DATE <= query["end_date_time"][0]
            rows = [row(*names) for names in NAMES] if within else []
            return {"call_recordings": [*rows, {"status": "available"}, None, 7] if rows else None}

        def _call(self, reference_id: str) -> list[dict[str, object]]:
            cdn_port = cdn.server_address[1]
            url = f"http://127.0.0.1:{cdn_port}/%72ec/"
            found = [names for names in NAMES if names[0] == reference_id]
            return [row(*names) | {"url": f"{url}{quote(names[1], safe='')}?{QUERY}"} for names in found]

    def row(reference_id: str, file_name: str) -> dict[str, object]:
        transcript = {"language_code": "en-US", "transcription": [{"status": "completed"}]}
        row = {"reference_id": reference_id, "file_name": file_name, "status": "available", "date": DATE}
        return row | {"transcribe": transcript, "unknown": {"field": None}}

    cdn, api = ThreadingHTTPServer(("127.0.0.1", 0), Cdn), ThreadingHTTPServer(("127.0.0.1", 0), Api)
    threads = [threading.Thread(target=server.serve_forever, args=(0.05,)) for server in (cdn, api)]
    for thread in threads:
        thread.start()
    try:
        yield Hostile(url=f"http://127.0.0.1:{api.server_address[1]}", authorized_downloads=leaked)
    finally:
        for server, thread in zip((cdn, api), threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()


def _send(handler: BaseHTTPRequestHandler, status: int, body: bytes, content_type: str) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", content_type)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
