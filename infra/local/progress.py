"""What is being done, on standard error: live on a terminal, a line a step anywhere else."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import Progress as Bars
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

LINE_SECONDS = 5.0

Say = Callable[[str], None]


class Progress:
    """Steps that may run at the same time. On leaving, the last state stays on the screen."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(file=sys.stderr, highlight=False)
        self._lock = threading.Lock()
        self._bars = Bars(
            SpinnerColumn(finished_text="[green]✓[/]"),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[Say]:
        """Yields a function that says how far the step is; the step's end says its seconds."""
        task = self._bars.add_task(title, total=1)
        began = spoke = time.monotonic()
        latest = title

        def say(detail: str) -> None:
            nonlocal latest, spoke
            changed = latest != f"{title}: {detail}"
            latest = f"{title}: {detail}"
            self._bars.update(task, description=latest)
            if changed and time.monotonic() - spoke >= LINE_SECONDS:
                spoke = time.monotonic()
                self._line(latest)

        yield say
        self._bars.update(task, completed=1)
        self._line(f"{latest} ({time.monotonic() - began:.1f} s)")

    def _line(self, text: str) -> None:
        if self._console.is_terminal:
            return
        with self._lock:
            self._console.print(text, markup=False, soft_wrap=True)
