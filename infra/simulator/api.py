"""The provider's API: the list, a call by its reference id, and its deletion."""

import base64
import hmac
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from infra.simulator.cdn import Links
from infra.simulator.faults import FaultPlan, Target
from infra.simulator.history import History
from infra.simulator.list_query import TIME_FORMAT, RefusedError, Tokens, next_question, read_question
from infra.simulator.options import Options
from infra.simulator.replies import Reply, Request, error_reply, json_reply
from infra.simulator.truth import TrueFile

COLLECTION = "/v2/call_recording"
Answer = Callable[[Request, datetime], Reply]


class Api:
    def __init__(self, options: Options, history: History, faults: FaultPlan, links: Links) -> None:
        self._options = options
        self._history = history
        self._faults = faults
        self._links = links
        self._tokens = Tokens(options)
        credentials = f"{options.customer_id}:{options.api_key}".encode()
        self._authorization = b"Basic " + base64.b64encode(credentials)

    def answer(self, request: Request) -> Reply:
        methods = self._methods(request.path)
        if not methods:
            return error_reply(HTTPStatus.NOT_FOUND, "no such resource")
        if request.method not in methods:
            return error_reply(
                HTTPStatus.METHOD_NOT_ALLOWED, "method not allowed", {"Allow": ", ".join(methods)}
            )
        return self._refusal(request) or methods[request.method](request, self._options.now())

    def _methods(self, path: str) -> dict[str, Answer]:
        if path == COLLECTION:
            return {"GET": self._list}
        reference_id = path.removeprefix(f"{COLLECTION}/")
        if reference_id in {"", path} or "/" in reference_id:
            return {}
        return {"GET": self._call, "DELETE": self._delete}

    def _refusal(self, request: Request) -> Reply | None:
        given = request.headers.get("Authorization", "").encode("latin-1", "replace")
        if not hmac.compare_digest(given, self._authorization):
            # Invented: the challenge, and that credentials are checked before anything else of a request.
            challenge = {"WWW-Authenticate": 'Basic realm="telesign"'}
            return error_reply(HTTPStatus.UNAUTHORIZED, "invalid credentials", challenge)
        content_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if content_type != "application/json":  # documented as required, even on a GET
            return error_reply(HTTPStatus.BAD_REQUEST, "Content-Type must be application/json")
        return None

    def _list(self, request: Request, now: datetime) -> Reply:
        try:
            question = read_question(request.query, self._options, self._tokens, now)
        except RefusedError as refused:
            return error_reply(HTTPStatus.BAD_REQUEST, str(refused))
        files = self._history.rows(question.start, question.end, question.taken_at)
        if not files and self._options.empty_is_404:
            return error_reply(HTTPStatus.NOT_FOUND, "no records were found")
        following = next_question(question)
        page = files[question.position : following.position]
        token = self._tokens.write(following, now) if following.position < len(files) else None
        reply = json_reply({"call_recordings": self._listed(page, now), "token": token})
        return self._faults.spoil(reply, Target(where="list", token=dict(request.query).get("token", "")))

    def _listed(self, page: list[TrueFile], now: datetime) -> list[dict[str, Any]] | dict[str, Any]:
        rows = [_row(file, now) for file in page]
        return rows[0] if self._options.single_row_as_object and len(rows) == 1 else rows

    def _call(self, request: Request, now: datetime) -> Reply:
        reference_id = _reference_id(request)
        call = self._history.call(reference_id, now)
        if call is None:
            return Reply(status=HTTPStatus.NOT_FOUND)
        reply = json_reply([self._details(file, now) for file in call.files])
        return self._faults.spoil(reply, Target(where="call", reference_id=reference_id))

    def _details(self, file: TrueFile, now: datetime) -> dict[str, Any]:
        row: dict[str, Any] = _row(file, now)
        if row["status"] == "available":
            row["url"] = self._links.sign(file.file_name, now)
        transcribe = file.transcribe_at(now)
        return row if transcribe is None else row | {"transcribe": transcribe}

    def _delete(self, request: Request, now: datetime) -> Reply:
        reference_id = _reference_id(request)
        if self._history.call(reference_id, now) is None:
            return Reply(status=HTTPStatus.NOT_FOUND)
        self._history.delete(reference_id, now)
        # Invented: a repeated deletion is documented as 204 or 404; here it is 204, and the rows stay, `deleted`.
        return Reply(status=HTTPStatus.NO_CONTENT, length=0)


def _reference_id(request: Request) -> str:
    return unquote(request.path.rpartition("/")[2])


def _row(file: TrueFile, now: datetime) -> dict[str, str]:
    status = file.status_at(now)
    name = {} if status == "recording" else {"file_name": file.file_name}
    date = file.created_at.strftime(TIME_FORMAT)
    return {"reference_id": file.reference_id, **name, "status": status, "date": date}
