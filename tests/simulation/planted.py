"""Bugs planted on purpose, one for each invariant at least: a simulation that cannot see them proves nothing."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

from click import echo

from call_archive import list_window as listing
from call_archive import tick as ticking
from call_archive import visit_call as visiting
from call_archive.errors import RetryableError
from call_archive.model import after_visit as outcomes
from call_archive.model.backoff import NextVisit, plan_next_visit
from call_archive.model.call import Call, StoredObject, TranscriptStatus
from call_archive.model.message import VisitMessage
from call_archive.model.object_key import Origin
from call_archive.model.policy import Policy
from call_archive.model.transcript import Progress
from call_archive.model.visit_result import VisitResult
from call_archive.model.window import Window, cut
from call_archive.provider.download import Download
from tests.models.archive import Archive
from tests.models.provider import Body, Provider
from tests.simulation import world
from tests.simulation.running import run_seed

Planted = AbstractContextManager[object]

SEARCHED = 400
"""Seeds that are tried until one sees a bug."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    invariant: str
    what: str
    plant: Callable[[], Planted]
    seed: int
    """The first that sees it for what it is, and nothing without it: `poe simulate --planted` finds them."""
    rates: Mapping[str, float] = field(default_factory=dict)
    """Of faults without which it does not show."""


def _not_swept() -> Planted:
    """With every message of a chain parked or lost, nobody comes back."""
    return patch.object(ticking, "_sweep_windows", lambda *_: None)


@contextmanager
def _listed_unnoted() -> Iterator[None]:
    """A listed page is queued, and noted nowhere: what is lost then is lost."""
    with (
        patch.object(listing, "_record_page", _queue_only),
        patch.object(ticking, "_sweep_calls", lambda *_: None),
    ):
        yield


def _queue_only(page: Any, _window: object, at: listing.ListDeps) -> None:
    if at.random() < 0.5:
        at.fetch_queue.send([VisitMessage(reference_id=row.reference_id) for row in page.rows])


def _short_bodies_accepted() -> Planted:
    def read(self: Body) -> bytes:
        self.size = len(self._came)
        return self._came

    return patch.object(Body, "read", read)


def _another_key() -> Planted:
    """An object that lies where nothing was served for."""

    def put(self: Archive, origin: Origin, download: Download) -> StoredObject | None:
        key = replace(origin, file_name=origin.file_name + "x").recording_key
        return self._put(key, download.read())

    return patch.object(Archive, "put_recording", put)


def _others_transcript() -> Planted:
    """A call's second transcript is not stored: the first one's object is noted for it."""
    put = Archive.put_transcript

    def put_first(self: Archive, origin: Origin, document: bytes) -> StoredObject:
        folder = origin.transcript_key.rpartition("/")[0]
        others = (stored for key, stored in self.objects.items() if key.startswith(folder))
        return next(others, None) or put(self, origin, document)

    return patch.object(Archive, "put_transcript", put_first)


def _one_copy() -> Planted:
    """A recording whose bytes lie in the bucket already is not stored under its own key."""
    put = Archive._put

    def put_once(self: Archive, key: str, body: bytes) -> StoredObject | None:
        same = (stored for other, stored in self.objects.items() if self.bodies[other] == body)
        return next(same, None) or put(self, key, body)

    return patch.object(Archive, "_put", put_once)


def _any_page_accepted() -> Planted:
    def begin(self: Body, came: bytes, size: int) -> None:
        del size
        self.size, self._came = len(came), came

    return patch.object(Body, "__init__", begin)


def _put_without_condition() -> Planted:
    return patch.object(Archive, "_put", Archive._store)


@contextmanager
def _ledger_first() -> Iterator[None]:
    """The outcome is noted before the bucket was asked."""
    put = Archive._put

    def promised(self: Archive, key: str, body: bytes) -> StoredObject | None:
        if key.startswith("transcripts/") and key not in self.objects:
            promise = put(self, key, body)
            self.versions.pop()
            return promise
        return put(self, key, body)

    with patch.object(Archive, "_put", promised):
        yield


def _cursor_first() -> Planted:
    def cut_windows(at: ticking.TickDeps, now: datetime, _seconds_left: object) -> None:
        listed_until = at.ledger.listed_until()
        windows = cut(max(at.archive_from, (listed_until or at.archive_from) - at.overlap), now)
        at.ledger.move_cursor(windows[-1].end)
        listing.enqueue_windows(windows, ledger=at.ledger, queue=at.windows_queue, now=now, lease=at.lease)

    return patch.object(ticking, "_cut_windows", cut_windows)


def _no_transcript_deadline() -> Planted:
    """What is pending for too long is called none without having waited."""

    def judged(progress: Progress, *_: object) -> tuple[TranscriptStatus, str]:
        del progress
        return TranscriptStatus.NONE, "not waited for"

    return patch.object(outcomes, "_not_archived", judged)


def _poison_first() -> Planted:
    """One call that cannot be handled keeps its place at the head, and the sweep goes no further."""

    def sweep(at: ticking.TickDeps, now: datetime) -> None:
        for reference_id, _ in at.ledger.due_calls(now, 1):
            at.fetch_queue.send([VisitMessage(reference_id=reference_id)])

    return patch.object(ticking, "_sweep_calls", sweep)


def _slow_visits() -> Planted:
    """Nothing is lost, and everything is late."""
    visit = visiting.visit

    def wait(message: VisitMessage, at: visiting.VisitDeps, **options: Any) -> None:
        call = at.ledger.read(message.reference_id)
        if call is None or at.now() > call.opened_at + timedelta(hours=20):
            visit(message, at, **options)

    return patch.object(world, "visit", wait)


def _listed_by_rechecks_alone() -> Planted:
    note = listing._record_page

    def note_again(page: Any, window: Window, at: listing.ListDeps) -> None:
        if window.recheck:
            note(page, window, at)

    return patch.object(listing, "_record_page", note_again)


def _finished_first() -> Planted:
    """A window is crossed off before its first page is read."""
    read = listing._list_pages

    def finish(window: Window, at: listing.ListDeps, *rest: Any) -> int:
        at.ledger.finish_window(window)
        return read(window, at, *rest)

    return patch.object(listing, "_list_pages", finish)


def _same_hop() -> Planted:
    """Messages that do not count themselves: a loop that AWS would stop."""

    def plan(*args: Any, **kwargs: Any) -> NextVisit:
        planned = plan_next_visit(*args, **kwargs)
        hop = kwargs["hop"] + 1
        return replace(planned, hop=hop, delay_seconds=min(planned.delay_seconds, 900))

    return patch.object(visiting, "plan_next_visit", plan)


def _link_in_reason() -> Planted:
    opened = Provider.open

    @contextmanager
    def open_telling(self: Provider, url: str, *, seconds: float) -> Iterator[Download]:
        try:
            with opened(self, url, seconds=seconds) as download:
                yield download
        except RetryableError as error:
            raise RetryableError(f"{error}: {url}") from None

    return patch.object(Provider, "open", open_telling)


def _uploads_left() -> Planted:
    put = Archive._put

    def in_parts(self: Archive, key: str, body: bytes) -> StoredObject | None:
        if key in self.objects:
            self.uploads.append(key)
            return None
        return put(self, key, body)

    return patch.object(Archive, "_put", in_parts)


def _outage_is_failure() -> Planted:
    def impatient(call: Call, seen: VisitResult, policy: Policy) -> Call:
        hasty = replace(policy, retry_deadline=policy.transcript_grace / 4)
        return after_visit(call, seen, hasty)

    after_visit = outcomes.after_visit
    return patch.object(visiting, "after_visit", impatient)


def _one_deadline() -> Planted:
    """An outage is waited for no longer than an answer."""
    return patch.object(Policy, "outage_deadline", property(lambda policy: policy.retry_deadline))


def _untold() -> Planted:
    return patch.object(visiting, "_emit_losses", lambda *_: None)


def _told_after() -> Planted:
    """Losses are told once the ledger has them: a crash in between keeps them untold."""
    told, note = visiting._emit_losses, visiting._emit_changes

    @contextmanager
    def planted() -> Iterator[None]:
        def both(*args: Any) -> None:
            told(*args)
            note(*args)

        with (
            patch.object(visiting, "_emit_losses", lambda *_: None),
            patch.object(visiting, "_emit_changes", both),
        ):
            yield

    return planted()


BUGS = {
    "listed, not noted": Bug(
        invariant="I1", what="a page's calls are queued and not noted", plant=_listed_unnoted, seed=0
    ),
    "rechecks only": Bug(invariant="I1", what="only rechecks list", plant=_listed_by_rechecks_alone, seed=1),
    "finished first": Bug(
        invariant="I1", what="a window is finished before it is read", plant=_finished_first, seed=3
    ),
    "short bodies": Bug(
        invariant="I2",
        what="a short body is taken for a whole one",
        plant=_short_bodies_accepted,
        seed=1,
        rates={"short body": 0.3},
    ),
    "another's": Bug(
        invariant="I2", what="one transcript is noted for two files", plant=_others_transcript, seed=1
    ),
    "one copy": Bug(invariant="I2", what="equal recordings are stored once", plant=_one_copy, seed=0),
    "another key": Bug(
        invariant="I3", what="an object is put under another file's key", plant=_another_key, seed=0
    ),
    "any page": Bug(
        invariant="I3", what="a web page is taken for a recording", plant=_any_page_accepted, seed=2
    ),
    "unconditional put": Bug(
        invariant="I4", what="put without If-None-Match", plant=_put_without_condition, seed=0
    ),
    "ledger first": Bug(
        invariant="I5", what="archived in the ledger before the bucket", plant=_ledger_first, seed=0
    ),
    "cursor first": Bug(
        invariant="I6", what="the cursor moves before windows are noted", plant=_cursor_first, seed=0
    ),
    "no waiting": Bug(
        invariant="I7", what="a pending transcript is called none", plant=_no_transcript_deadline, seed=0
    ),
    "poison first": Bug(
        invariant="I8", what="the sweep stops at a call that fails", plant=_poison_first, seed=0
    ),
    "same hop": Bug(invariant="I9", what="a chain of messages has no end", plant=_same_hop, seed=0),
    "link in a reason": Bug(
        invariant="I10", what="an error's text holds the signed link", plant=_link_in_reason, seed=0
    ),
    "uploads left": Bug(
        invariant="I11", what="an upload is begun and not ended", plant=_uploads_left, seed=0
    ),
    "impatience": Bug(
        invariant="I12", what="an outage ends calls as failed", plant=_outage_is_failure, seed=1
    ),
    "one deadline": Bug(
        invariant="I12",
        what="an outage longer than the deadline ends calls",
        plant=_one_deadline,
        seed=44,
    ),
    "no window sweep": Bug(
        invariant="I12", what="a window whose message is lost stays", plant=_not_swept, seed=0
    ),
    "slow": Bug(invariant="I12", what="visits wait for 20 hours", plant=_slow_visits, seed=0),
    "untold": Bug(invariant="I13", what="losses are not told", plant=_untold, seed=0),
    "told after": Bug(
        invariant="I13",
        what="losses are told after the ledger's write",
        plant=_told_after,
        seed=6,
        rates={"crash after": 0.1},
    ),
}


def is_caught(bug: Bug, seed: int) -> bool:
    with bug.plant():
        found = run_seed(seed, rates=bug.rates).violations
    caught = any(each.invariant == bug.invariant for each in found)
    return caught and not run_seed(seed, rates=bug.rates).violations


def report(names: Iterable[str]) -> int:
    """Prints the first seed that catches each bug; 1 if one is not the seed that is written down here."""
    wrong = 0
    for name in names:
        bug = BUGS[name]
        first = next((seed for seed in range(SEARCHED) if is_caught(bug, seed)), None)
        seed = f"NOT CAUGHT by {SEARCHED} seeds" if first is None else f"seed {first}"
        wrong += first != bug.seed
        told = "" if first == bug.seed else f" (not {bug.seed}, as is written in planted.py)"
        echo(f"{bug.invariant:4} {name:20} {seed:10} {bug.what}{told}")
    return 1 if wrong else 0
