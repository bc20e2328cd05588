"""The archive of one scenario, run in virtual time: real use cases, models of all that they work with."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from random import Random

from call_archive.list_window import list_window
from call_archive.model.message import VisitMessage, WindowMessage
from call_archive.model.row import Row
from call_archive.telemetry import FLUSHED_EVENTS
from call_archive.tick import recheck, tick
from call_archive.visit_call import visit
from infra.config import FETCHERS_SHARE, LISTER_SHARE_EACH
from tests.proofs.models.parts import Parts
from tests.proofs.models.provider import Provider
from tests.proofs.models.steps import CrashError
from tests.proofs.simulation.lambdas import Function, Poller
from tests.proofs.simulation.line import Invocation, Line
from tests.proofs.simulation.scenario import DAY, SECRETS, SLOWEST_TICK, START, Scenario
from tests.proofs.simulation.schedule import Schedule

LISTERS, FETCHERS, FETCH_BATCH = 2, 2, 25
RECHECK_AT = 3 * 3600 + 17 * 60.0
LAST_WORDS = 7200
"""What the last tick or recheck began is listed by the end."""
RETRIES_AFTER = (60.0, 120.0)
"""Lambda tries a scheduled event twice more, then puts it on the schedule's dead-letter queue."""
LOSSES = ("recording_failed", "transcript_failed", "recording_deleted_at_source")
POISON = f"unexpected, of https://recordings.example/?Signature={SECRETS[0]} with {SECRETS[1]}"


class World:
    def __init__(
        self,
        scenario: Scenario,
        *,
        trace: Callable[[str], None] | None = None,
        provider: type[Provider] = Provider,
    ) -> None:
        self.scenario = scenario
        self.random = Random(f"world {scenario.seed}")
        self.schedule = Schedule(START)
        self.clock = self.schedule.clock
        self.events: Counter[str] = Counter()
        self.invocations = 0
        self.longest = 0.0
        self.losses_reported: set[tuple[str, str]] = set()
        self.texts: set[tuple[str, str]] = set()
        self._trace = trace
        self.line = Line(
            self.schedule, scenario.trouble, self.random, poison=scenario.poison, poisoned=POISON
        )
        if trace is not None:
            self.line.trace = self.note
        self._build(provider)

    def run(self, until: float | None = None) -> None:
        self.schedule.run(self.scenario.ends if until is None else until)

    def emit(self, event: str, **fields: object) -> None:
        """As the functions' telemetry: logged at once, counted when the invocation ends or, some, at once."""
        self.events[event] += 1
        self.texts.add((event, str(tuple(fields.values()))))
        self.note(f"  {event} {fields}")
        owner = self.schedule.owner
        if event in LOSSES and isinstance(owner, Invocation):
            loss = (str(fields["reference_id"]), str(fields["file_name"] or ""))
            if event in FLUSHED_EVENTS:
                self.losses_reported.add(loss)
            else:
                owner.untold.append(loss)

    def note(self, text: str) -> None:
        if self._trace is not None:
            owner = self.schedule.owner
            name = owner.name if isinstance(owner, Invocation) else ""
            self._trace(f"{self.clock():%d %H:%M:%S.%f} {name}{text}")

    def _build(self, provider: type[Provider]) -> None:
        scenario, settings, clock = self.scenario, self.scenario.settings, self.clock
        told = provider(
            scenario.calls,
            clock,
            self.line,
            page_size=settings.page_size,
            token_life=scenario.tokens_live,
            mix=self._mixed,
        )
        told.secret = SECRETS[0]
        self.parts = Parts(
            clock,
            self.line,
            told,
            self.emit,
            archive_from=scenario.archive_from,
            policy=settings.policy,
            overlap=settings.overlap,
            recheck_span=settings.recheck,
            fetch_queue_target=settings.fetch_queue_target,
            random=self.random.random,
            copies=self.line.copies,
            lag=self._lag,
            visibility=settings.visibility,
        )
        self.ledger, self.archive = self.parts.ledger, self.parts.archive
        self.fetch_queue, self.windows_queue = self.parts.fetch_queue, self.parts.windows_queue
        rate = settings.requests_per_second
        self.lister = Function(self, "lister", share=rate * LISTER_SHARE_EACH, slots=LISTERS)
        self.fetcher = Function(self, "fetcher", share=rate * FETCHERS_SHARE / FETCHERS, slots=FETCHERS)
        self.windows = Poller(self.lister, self.windows_queue, self._list, batch=1)
        self.visits = Poller(self.fetcher, self.fetch_queue, self._visit, batch=FETCH_BATCH)
        self.line.noticed |= {
            "windows_queue.send": self.windows.wake,
            "fetch_queue.send": self.visits.wake,
        }
        self.schedule.begin(self.random.uniform(0, settings.tick_seconds), self._tick)
        if scenario.rechecks:
            self.schedule.begin(RECHECK_AT, self._recheck)

    def _visit(self, body: str, invocation: Invocation) -> None:
        self.events["visit"] += 1
        visit(VisitMessage.from_json(body), self.parts.visiting, seconds_left=self._seconds_left(invocation))

    def _list(self, body: str, invocation: Invocation) -> None:
        list_window(
            WindowMessage.from_json(body), self.parts.listing, seconds_left=self._seconds_left(invocation)
        )

    def _tick(self) -> None:
        unchanged = self.schedule.seconds > self.scenario.trouble.until + DAY / 4
        every = SLOWEST_TICK if unchanged else self.scenario.settings.tick_seconds
        self.schedule.begin(self.schedule.seconds + every, self._tick)
        self._invoke("tick", lambda left: tick(self.parts.ticking, seconds_left=left), RETRIES_AFTER)

    def _recheck(self) -> None:
        self.schedule.begin(self.schedule.seconds + DAY, self._recheck)
        self._invoke("recheck", lambda _: recheck(self.parts.ticking), RETRIES_AFTER)

    def _invoke(
        self, name: str, work: Callable[[Callable[[], float]], None], retries: tuple[float, ...]
    ) -> None:
        """A scheduled event: no message comes back, but Lambda tries it again."""
        ending = self.schedule.seconds > self.scenario.ends - LAST_WORDS
        if ending or self._rests() or self.scenario.trouble.is_out("ticks", self.schedule.seconds):
            return
        function = Function(self, name, share=1, slots=1)
        invocation = function.begin()
        self.schedule.own(invocation)
        try:
            work(self._seconds_left(invocation))
        except (CrashError, Exception) as error:  # noqa: BLE001 - Lambda does not ask what it was
            self.note(f"  {name} failed, {type(error).__name__}")
            self.events[f"{name} failed"] += 1
            if retries:
                recheck = partial(self._invoke, name, work, retries[1:])
                self.schedule.begin(self.schedule.seconds + retries[0], recheck)
        self.schedule.own(None)
        function.end(invocation)

    def _rests(self) -> bool:
        """Nothing is owed and nothing will come: all further ticks would be alike."""
        return (
            self.schedule.seconds > self.scenario.calm
            and not self.ledger.windows
            and not self.windows_queue.next_at()
            and not self.fetch_queue.next_at()
            and all(call.settled for call in self.ledger.calls.values())
        )

    def _seconds_left(self, invocation: Invocation) -> Callable[[], float]:
        return lambda: invocation.ends - self.schedule.seconds

    def _lag(self) -> timedelta:
        return timedelta(seconds=self.scenario.index_lag * self.random.random())

    def _mixed(self, rows: list[Row]) -> list[Row]:
        if not rows:
            return rows
        rows = self.random.sample(rows, len(rows))
        return [*rows, rows[0]] if self.random.random() < 0.1 else rows
