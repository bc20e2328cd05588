"""Which fault hits how many of the next requests, and what was asked."""

import math
import threading
from collections import Counter
from dataclasses import dataclass, field

from tests.proofs.faults.cells import Dependency, Fault
from tests.proofs.recording import Record


@dataclass(slots=True)
class Rule:
    dependency: Dependency
    fault: Fault
    left: float


@dataclass(slots=True)
class FaultPlan:
    """Shared by the proxies of one world; used from many threads."""

    asked: Counter[Dependency] = field(default_factory=Counter)
    injected: Counter[tuple[Dependency, Fault]] = field(default_factory=Counter)
    repeated: Counter[Dependency] = field(default_factory=Counter)
    """Requests that a client of AWS sent again within one call."""
    record: Record = field(default_factory=Record)
    """Messages as they were to be sent, done or not; windows as they were written, told or not."""
    _rules: list[Rule] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, dependency: Dependency, fault: Fault, times: float = math.inf) -> None:
        with self._lock:
            self._rules.append(Rule(dependency, fault, times))

    def clear(self) -> None:
        """No fault from here on, and nothing counted until now."""
        with self._lock:
            self._rules.clear()
            self.asked.clear()
            self.injected.clear()
            self.repeated.clear()
            self.record = Record()

    def heal(self) -> None:
        with self._lock:
            self._rules.clear()

    def take(self, dependency: Dependency, *, again: bool = False) -> Fault | None:
        """What is to happen to this request."""
        with self._lock:
            self.asked[dependency] += 1
            self.repeated[dependency] += again
            for rule in self._rules:
                if rule.dependency is dependency and rule.left > 0:
                    rule.left -= 1
                    self.injected[dependency, rule.fault] += 1
                    return rule.fault
        return None
