"""That the crashes reach every line that talks to the outside, and that a planted bug is caught.

All crashes of all stories are run by `poe crashes`.
"""

import ast
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from call_archive.storage.ledger import Ledger
from tests.proofs.aws import Stack
from tests.proofs.crashes.killing import Crash, Killer, Report
from tests.proofs.crashes.outside import PACKAGE, Moment, Site
from tests.proofs.crashes.world import StoryWorld
from tests.proofs.planted import BUGS
from tests.proofs.stories import SMALL, STORIES, Story


@pytest.fixture(scope="session")
def stack() -> Stack:
    return Stack.synthesized()


def crashed(stack: Stack, story: Story = SMALL) -> Report:
    return Killer(story, stack, jobs=os.cpu_count() or 1).run()


def invariants(report: Report) -> set[str]:
    """The names of those that did not hold."""
    return {what.split(" ", 1)[0] for wrong in report.verdicts.values() for what in wrong}


def lines_that_call() -> Iterator[str]:
    """Each function of ours that asks something of AWS or of the provider, as `file:function`."""
    for path in Path(PACKAGE).rglob("*.py"):
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
        world = StoryWorld(story, stack, lambda site, _moment: reached.update(site.path))
        with world.opened():
            world.run()
            assert world.found_wrong(at_rest=True) == []
    called = set(lines_that_call())
    assert {"client.py:_ask", "download.py:_sent", "credentials.py:read_credentials"} < called
    assert called - reached == set()


def test_a_call_is_archived_wherever_the_process_ends(stack: Stack) -> None:
    report = crashed(stack)
    assert report.wrong == []
    assert report.tried == list(report.found)
    assert {crash.moment for crash in report.found} == set(Moment)


@pytest.mark.parametrize("name", [name for name, bug in BUGS.items() if bug.story])
def test_a_planted_bug_is_caught_as_what_it_breaks(stack: Stack, name: str) -> None:
    bug = BUGS[name]
    assert bug.story is not None
    with bug.plant():
        report = crashed(stack, bug.story)
    assert bug.invariant in invariants(report)


def test_a_lease_that_does_not_end_is_caught(stack: Stack) -> None:
    endless = replace(stack, environment={**stack.environment, "LEASE_SECONDS": "31536000"})
    seldom = replace(SMALL, tick_every=timedelta(hours=2))
    assert "I12" in invariants(crashed(endless, seldom))


def test_an_invocation_that_fails_without_need_is_reported(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ledger, "due_windows", lambda *_all: 1 / 0)
    world = StoryWorld(SMALL, stack, lambda _site, _moment: None)
    with world.opened():
        world.run()
        wrong = world.found_wrong(at_rest=True)
    assert wrong[0].startswith("failed: ZeroDivisionError")


def test_a_copy_that_ends_without_a_verdict_is_reported(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StoryWorld, "recover", lambda _world: os._exit(1))
    assert crashed(stack).wrong[0].endswith("the copy ended without a verdict")


def test_an_error_in_a_copy_is_reported(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StoryWorld, "recover", lambda _world: 1 / 0)
    assert "ZeroDivisionError" in crashed(stack).wrong[0]


def test_a_moment_without_a_verdict_is_not_tried() -> None:
    crash = Crash(story="", number=0, site=Site(service="s3", operation="PutObject"), moment=Moment.BEFORE)
    assert Report(found={crash: crash}).tried == []
