"""That the crashes reach every line that talks to the outside, and that a planted bug is caught.

All crashes of all stories are run by `poe crashes`.
"""

import ast
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from call_archive.model.call import Call, StoredObject
from call_archive.model.object_key import Origin
from call_archive.model.window import PendingWindow, Window
from call_archive.provider.download import Download
from call_archive.storage.bucket import Bucket
from call_archive.storage.ledger import Ledger
from tests.proofs.crashes.killing import Crash, Killer, Report
from tests.proofs.crashes.observer import found_wrong, observed
from tests.proofs.crashes.outside import PACKAGE, Moment, Site
from tests.proofs.crashes.stack import Stack, synthesized_stack
from tests.proofs.crashes.stories import STORIES, Story, a_file, a_transcript
from tests.proofs.crashes.world import World

SMALL = Story(name="one call", files=(a_file("CALL", transcript=a_transcript()),))


@pytest.fixture(scope="session")
def stack() -> Stack:
    return synthesized_stack()


def crashed(stack: Stack, story: Story = SMALL) -> Report:
    return Killer(story, stack, jobs=os.cpu_count() or 1).run()


def invariants(report: Report) -> set[str]:
    """The names of those that did not hold."""
    return {what.split(" ", 1)[0] for wrong in report.verdicts.values() for what in wrong}


def lines_that_call() -> Iterator[str]:
    """Each function of ours that asks something of AWS or of the provider, as `file:function`."""
    for path in Path(PACKAGE).glob("*.py"):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef) and any(map(_calls_out, ast.walk(function))):
                yield f"{path.name}:{function.name}"


def _calls_out(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(value=ast.Attribute(value=ast.Name(id="self"), attr="client")):
            return True
        case ast.Call(func=ast.Attribute(value=ast.Name(id="connection"), attr="request")):
            return True
        case ast.Call(func=ast.Attribute(value=ast.Name(id="provider"), attr="get")):
            return True
        case ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Attribute(attr="_session")), attr="get")):
            return True
    return False


def test_the_stories_come_to_their_ends_without_a_crash_and_reach_every_call(stack: Stack) -> None:
    reached: set[str] = set()
    for story in STORIES:
        world = World(story, stack, lambda site, _moment: reached.update(site.path))
        with world.opened():
            world.run()
            assert found_wrong(world, observed(world, at_rest=True)) == []
    called = set(lines_that_call())
    assert {"telesign.py:_ask", "downloads.py:_sent", "wiring.py:read_credentials"} < called
    assert called - reached == set()


def test_a_call_is_archived_wherever_the_process_ends(stack: Stack) -> None:
    report = crashed(stack)
    assert report.wrong == []
    assert report.tried == list(report.found)
    assert {crash.moment for crash in report.found} == set(Moment)


def test_a_ledger_that_is_written_before_the_object_is_put_is_caught(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Ledger.write
    pending: list[Callable[[], object]] = []

    def put_later(archive: Bucket, origin: Origin, download: Download) -> StoredObject:
        body, key = b"".join(iter(download.read, b"")), origin.recording_key
        put = partial(archive.client.put_object, Bucket=archive.name, Key=key, ChecksumAlgorithm="SHA256")
        pending.append(partial(put, Body=body))
        sha256 = hashlib.sha256(body).hexdigest()
        return StoredObject(
            key=key, size=len(body), sha256=sha256, version_id=None, archived_at=archive.now()
        )

    def write_first(ledger: Ledger, call: Call) -> bool:
        written = write(ledger, call)
        while pending:
            pending.pop()()
        return written

    monkeypatch.setattr(Bucket, "put_recording", put_later)
    monkeypatch.setattr(Ledger, "write", write_first)
    assert "I5" in invariants(crashed(stack))


def test_a_cursor_that_moves_before_its_windows_are_noted_is_caught(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    enqueue_windows = Ledger.put_windows

    def move_first(ledger: Ledger, pending: list[PendingWindow]) -> None:
        ledger.move_cursor(max(each.window.end for each in pending))
        enqueue_windows(ledger, pending)

    monkeypatch.setattr(Ledger, "put_windows", move_first)
    assert "I6" in invariants(crashed(stack))


def test_a_window_that_is_finished_before_its_calls_are_noted_is_caught(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Ledger.read_window

    def finish_first(ledger: Ledger, window: Window) -> PendingWindow | None:
        pending = read(ledger, window)
        ledger.finish_window(window)
        return pending

    monkeypatch.setattr(Ledger, "read_window", finish_first)
    assert "I1" in invariants(crashed(stack))


def test_a_lease_that_does_not_end_is_caught(stack: Stack) -> None:
    endless = replace(stack, environment={**stack.environment, "LEASE_SECONDS": "31536000"})
    seldom = replace(SMALL, tick_every=timedelta(hours=2))
    assert "I12" in invariants(crashed(endless, seldom))


def test_an_invocation_that_fails_without_need_is_reported(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ledger, "due_windows", lambda *_all: 1 / 0)
    world = World(SMALL, stack, lambda _site, _moment: None)
    with world.opened():
        world.run()
        wrong = found_wrong(world, observed(world, at_rest=True))
    assert wrong[0].startswith("failed: ZeroDivisionError")


def test_a_copy_that_ends_without_a_verdict_is_reported(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(World, "recover", lambda _world: os._exit(1))
    assert crashed(stack).wrong[0].endswith("the copy ended without a verdict")


def test_an_error_in_a_copy_is_reported(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(World, "recover", lambda _world: 1 / 0)
    assert "ZeroDivisionError" in crashed(stack).wrong[0]


def test_a_moment_without_a_verdict_is_not_tried() -> None:
    crash = Crash(story="", number=0, site=Site(service="s3", operation="PutObject"), moment=Moment.BEFORE)
    assert Report(found={crash: crash}).tried == []
