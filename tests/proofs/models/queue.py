"""SQS, as far as it is promised: at least once, in no order, later when so asked, and five times at most."""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count

from call_archive.errors import ArchiveError, RetryableError
from call_archive.model.message import VisitMessage, WindowMessage
from call_archive.storage.queues import SEND_BATCH
from tests.proofs.clock import Clock
from tests.proofs.models.steps import CrashError, Steps, step

MAX_DELAY_SECONDS = 900
MAX_RECEIVES = 5
VISIBILITY = timedelta(minutes=18)


@dataclass(order=True, slots=True)
class Message:
    """Lies in the queue until it is deleted; whoever receives it hides it for a while."""

    visible_at: datetime
    number: int
    body: str = field(compare=False)
    sent_at: datetime = field(compare=False)
    receives: int = field(compare=False, default=0)


class Queue:
    def __init__(
        self,
        name: str,
        clock: Clock,
        steps: Steps,
        *,
        copies: Callable[[], int] = lambda: 1,
        visibility: timedelta = VISIBILITY,
        retention: timedelta = timedelta(days=4),
    ) -> None:
        self.name, self.steps = name, steps
        self.sent: list[tuple[str, int]] = []
        """Each message's body and delay in seconds."""
        self.dead: list[str] = []
        self._clock, self._copies = clock, copies
        self._visibility, self._retention = visibility, retention
        self._lying: list[Message] = []
        """A heap of those that may be received next; it holds stale entries of moved ones."""
        self._messages: dict[int, Message] = {}
        self._numbers = count()

    def send(self, messages: Sequence[VisitMessage | WindowMessage], *, delay_seconds: int = 0) -> None:
        assert 0 <= delay_seconds <= MAX_DELAY_SECONDS
        for start in range(0, len(messages), SEND_BATCH):
            self._send_batch(messages[start : start + SEND_BATCH], delay_seconds)

    def _send_batch(self, messages: Sequence[VisitMessage | WindowMessage], delay_seconds: int) -> None:
        sending = f"{self.name}.send"
        self.steps.before(sending, messages)
        accepted = messages[: self.steps.accepted(sending, len(messages))]
        for message in accepted:
            body = message.to_json()
            self.sent.append((body, delay_seconds))
            for _ in range(self._copies()):
                self.put(body, timedelta(seconds=delay_seconds))
        self.steps.after(sending, messages, None)
        if len(accepted) < len(messages):
            raise RetryableError(f"the queue would not take {len(messages) - len(accepted)} messages")

    @step
    def length(self) -> int:
        now = self._clock()
        return sum(each.receives > 0 or each.visible_at <= now for each in self._messages.values())

    def next_at(self) -> datetime | None:
        """When the next message can be received; None when there is none."""
        while self._lying and self._is_stale(self._lying[0]):
            heapq.heappop(self._lying)
        return self._lying[0].visible_at if self._lying else None

    def receive(self, most: int = 1) -> list[Message]:
        """Hides and hands out what is visible; what was received too often goes to the dead letters."""
        received: list[Message] = []
        while len(received) < most and (visible_at := self.next_at()) and visible_at <= self._clock():
            message = heapq.heappop(self._lying)
            del self._messages[message.number]
            if self._clock() - message.sent_at > self._retention:
                continue
            if message.receives >= MAX_RECEIVES:
                self.dead.append(message.body)
                continue
            hidden = Message(
                self._clock() + self._visibility,
                message.number,
                message.body,
                message.sent_at,
                message.receives + 1,
            )
            self._keep(hidden)
            received.append(hidden)
        return received

    def delete(self, message: Message) -> None:
        self._messages.pop(message.number, None)

    def deliver(self, handle: Callable[[str], None]) -> None:
        """Hands out the next message; it comes back when handling it fails."""
        for message in self.receive():
            try:
                handle(message.body)
            except (ArchiveError, CrashError):
                continue
            self.delete(message)

    def lose_all(self) -> None:
        """Every message in flight vanishes."""
        self._messages.clear()

    def put(self, body: str, delay: timedelta) -> None:
        self._keep(Message(self._clock() + delay, next(self._numbers), body, self._clock()))

    def _keep(self, message: Message) -> None:
        self._messages[message.number] = message
        heapq.heappush(self._lying, message)

    def _is_stale(self, message: Message) -> bool:
        return self._messages.get(message.number) is not message
