"""What passes between a use case and the models: the place where a test looks on, interrupts, delays and fails."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

READS = frozenset(
    {
        "fetch_queue.length",
        *(f"ledger.{each}" for each in ("read_each", "read_window", "due_calls", "due_windows")),
        *(f"ledger.{each}" for each in ("open_calls", "open_windows", "listed_until")),
    }
)
"""Left out of what was taken: they change nothing, and stories are about what does."""


class CrashError(BaseException):
    """The function's process ends here: no `except Exception` sees it."""


def crash() -> None:
    raise CrashError


class Steps:
    """What the models were asked for, in order; `interrupt` puts a crash or a rival just before a step."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self._interrupts: defaultdict[str, list[Callable[[], object]]] = defaultdict(list)

    def interrupt(self, step: str, *actions: Callable[[], object]) -> None:
        """Does the first action before the next such step, the second before the one after it, and so on."""
        self._interrupts[step] += actions

    def before(self, step: str, asked: Sequence[Any]) -> None:
        """Nothing has been done yet; what is raised here is all that the caller gets."""
        del asked
        if step not in READS:
            self.taken.append(step)
        if self._interrupts[step]:
            self._interrupts[step].pop(0)()

    def after(self, step: str, asked: Sequence[Any], answer: T) -> T:
        """It has been done; what is raised or returned here is what the caller gets for it."""
        del step, asked
        return answer

    def accepted(self, step: str, messages: int) -> int:
        """How many messages of a batch the queue takes."""
        del step
        return messages

    def served(self, url: str, body: bytes) -> bytes:
        """The bytes that really come when a recording is downloaded."""
        del url
        return body


class Model(Protocol):
    name: str
    steps: Steps


M = TypeVar("M", bound=Model)


def step(method: Callable[Concatenate[M, P], T]) -> Callable[Concatenate[M, P], T]:
    """Makes a method of a model one step, named after both."""
    called = method.__name__

    @wraps(method)
    def run(self: M, /, *args: P.args, **kwargs: P.kwargs) -> T:
        name = f"{self.name}.{called}"
        self.steps.before(name, args)
        return self.steps.after(name, args, method(self, *args, **kwargs))

    return run
