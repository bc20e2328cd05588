"""What a verification knows so far, on disk: it may be killed between any two pages, and memory stays bounded."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from infra.errors import CommandError, InputError
from infra.verification.differences import Finding, Mark

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self

OURS, FORM = 0x43415646, 1
"""SQLite's application id and user version: whose file it is, and in which form."""

TABLES = """
    CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS suspects (key TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS cut_ids (segment TEXT PRIMARY KEY, reference_id TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS findings (number INTEGER PRIMARY KEY, mark TEXT, key TEXT, reason TEXT);
"""


class Stage(StrEnum):
    LISTING = "listing"
    COMPARING = "comparing"
    SETTLING = "settling"
    DONE = "done"


class Checkpoint:
    """A file, or one of the system's own that is gone with the process. Used by one process at a time."""

    def __init__(self, path: Path | None, question: Mapping[str, Any]) -> None:
        """`question` is what is verified; InputError when the file answers another, or is none of ours."""
        self._path = path
        self._state: dict[str, Any] = {}
        with self._explained(InputError):
            # Without a name SQLite keeps a file of its own, and deletes it.
            self._database = sqlite3.connect(str(path) if path else "", timeout=0, isolation_level=None)
        try:
            with self._explained(InputError):
                self._open(json.dumps(question, sort_keys=True))
        except BaseException:
            self._database.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    @property
    def stage(self) -> Stage:
        return Stage(self._state["stage"])

    @property
    def position(self) -> dict[str, Any]:
        position: dict[str, Any] = self._state["position"]
        return position

    @property
    def began_at(self) -> datetime:
        return datetime.fromisoformat(self._state["began_at"])

    @property
    def listed(self) -> int:
        return int(self._state["listed"])

    @property
    def equal(self) -> int:
        return int(self._state["equal"])

    def note(
        self,
        *,
        stage: Stage | None = None,
        position: Mapping[str, Any] | None = None,
        findings: Sequence[Finding] = (),
        judged: Iterable[str] = (),
        suspects: Iterable[str] = (),
        cut_ids: Mapping[str, str] | None = None,
        listed: int = 0,
    ) -> None:
        """One page: its findings and where the next begins, both or neither."""
        differing = [finding for finding in findings if finding.mark is not Mark.EQUAL]
        equal = sum(finding.mark is Mark.EQUAL for finding in findings)
        state = self._state | {
            "stage": stage or self.stage,
            "position": dict(position or {}),
            "equal": self.equal + equal,
            "listed": self.listed + listed,
        }
        with self._explained(), self._transaction():
            run = self._database.executemany
            run("DELETE FROM suspects WHERE key = ?", ((key,) for key in judged))
            run("INSERT OR IGNORE INTO suspects VALUES (?)", ((key,) for key in suspects))
            run("INSERT OR REPLACE INTO cut_ids VALUES (?, ?)", (cut_ids or {}).items())
            rows = ((each.mark.value, each.key, each.reason) for each in differing)
            run("INSERT INTO findings (mark, key, reason) VALUES (?, ?, ?)", rows)
            self._write_state(state)
        self._state = state

    def findings(self) -> Iterator[Finding]:
        """All but what is equal, in the order in which it was found."""
        rows = self._database.execute("SELECT mark, key, reason FROM findings ORDER BY number")
        for mark, key, reason in rows:
            yield Finding(mark=Mark(mark), key=key, reason=reason)

    def counts(self) -> dict[Mark, int]:
        rows = self._database.execute("SELECT mark, count(*) FROM findings GROUP BY mark")
        return {**dict.fromkeys(Mark, 0), Mark.EQUAL: self.equal, **{Mark(mark): n for mark, n in rows}}

    def suspects_among(self, keys: Iterable[str]) -> set[str]:
        ask = "SELECT 1 FROM suspects WHERE key = ?"
        return {key for key in keys if self._database.execute(ask, (key,)).fetchone()}

    def suspects(self, most: int) -> list[str]:
        ask = "SELECT key FROM suspects ORDER BY key LIMIT ?"
        return [key for (key,) in self._database.execute(ask, (most,))]

    def reference_id_of(self, segment: str) -> str | None:
        found = self._database.execute("SELECT reference_id FROM cut_ids WHERE segment = ?", (segment,))
        row = found.fetchone()
        return row[0] if row else None

    def _open(self, question: str) -> None:
        (ours,) = self._database.execute("PRAGMA application_id").fetchone()
        (form,) = self._database.execute("PRAGMA user_version").fetchone()
        (tables,) = self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables and (ours, form) != (OURS, FORM):
            raise InputError(f"{self._path} was not written by this version of `call-archive verify`.")
        if self._database.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise sqlite3.DatabaseError("quick_check")
        # Held until the end: two processes would take each page twice.
        self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
        with self._transaction():
            if not tables:
                for statement in TABLES.split(";"):
                    self._database.execute(statement)
                self._database.execute(f"PRAGMA application_id = {OURS}")
                self._database.execute(f"PRAGMA user_version = {FORM}")
                self._write_state(_nothing_yet(question))
            rows = self._database.execute("SELECT name, value FROM state")
            self._state = {name: json.loads(value) for name, value in rows}
        if self._state.get("question") != question:
            raise InputError(
                f"{self._path} holds the state of another verification (archive, range or --read): "
                "ask as you did then, or name another file."
            )
        if self._state.keys() != _nothing_yet(question).keys():
            raise sqlite3.DatabaseError("state")

    def _write_state(self, state: Mapping[str, Any]) -> None:
        rows = ((name, json.dumps(value)) for name, value in state.items())
        self._database.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)", rows)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN EXCLUSIVE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    @contextlib.contextmanager
    def _explained(self, unusable: type[CommandError] = CommandError) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise InputError(f"{self._path} is in use by another verification.") from None
            raise unusable(f"{self._path or 'The temporary file'} cannot be used: {error}.") from None
        except (sqlite3.DatabaseError, json.JSONDecodeError):
            raise InputError(
                f"{self._path} is damaged, or no file of `call-archive verify`: name another, or delete it "
                "to begin anew."
            ) from None


def _nothing_yet(question: str) -> dict[str, Any]:
    return {
        "question": question,
        "stage": Stage.LISTING.value,
        "position": {},
        "began_at": datetime.now(UTC).isoformat(),
        "listed": 0,
        "equal": 0,
    }
