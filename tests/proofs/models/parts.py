"""The parts of an archive wired together over the models: the use cases are the real ones."""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from call_archive.list_window import ListDeps
from call_archive.model.policy import Policy
from call_archive.tick import TickDeps
from call_archive.visit_call import VisitDeps
from tests.proofs.clock import Clock
from tests.proofs.models.archive import Archive
from tests.proofs.models.ledger import Ledger
from tests.proofs.models.provider import Provider
from tests.proofs.models.queue import VISIBILITY, Queue
from tests.proofs.models.steps import Steps


@dataclass(eq=False)
class Parts:
    clock: Clock
    steps: Steps
    provider: Provider
    emit: Callable[..., None]
    _: KW_ONLY
    archive_from: datetime
    policy: Policy = field(default_factory=Policy)
    overlap: timedelta = timedelta(minutes=15)
    recheck_span: timedelta = timedelta(days=7)
    fetch_queue_target: int = 1000
    random: Callable[[], float] = lambda: 0.5
    copies: Callable[[], int] = lambda: 1
    lag: Callable[[], timedelta] = timedelta
    """Of the ledger's indexes."""
    visibility: timedelta = VISIBILITY
    gauges: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.clock, self.steps, lag=self.lag)
        self.archive = Archive(self.clock, self.steps)
        self.fetch_queue, self.windows_queue = (
            Queue(name, self.clock, self.steps, copies=self.copies, visibility=self.visibility)
            for name in ("fetch_queue", "windows_queue")
        )
        alike: dict[str, Any] = {"ledger": self.ledger, "now": self.clock, "emit": self.emit}
        queues: dict[str, Any] = {"fetch_queue": self.fetch_queue, "windows_queue": self.windows_queue}
        asking: dict[str, Any] = {"provider": self.provider, "random": self.random}
        lease = self.policy.lease
        self.visiting = VisitDeps(
            **alike,
            **asking,
            downloads=self.provider,
            bucket=self.archive,
            queue=self.fetch_queue,
            policy=self.policy,
        )
        self.listing = ListDeps(**alike, **asking, **queues, lease=lease)
        self.ticking = TickDeps(
            **alike,
            **queues,
            archive_from=self.archive_from,
            overlap=self.overlap,
            recheck=self.recheck_span,
            fetch_queue_target=self.fetch_queue_target,
            gauge=self._gauge,
            lease=lease,
        )

    def _gauge(self, name: str, value: float) -> None:
        self.gauges[name] = value
