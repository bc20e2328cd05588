"""Which losses the alarms were told of: a line of the log names them, a metric that was written out tells."""

import io
import json
from collections.abc import Iterator

from tests.proofs.observer import LOSSES


class Losses:
    """A loss is told when the invocation that logged it wrote out its metric as well, and not before."""

    def __init__(self, log: io.StringIO, metrics: io.StringIO) -> None:
        self.told: set[tuple[str, str]] = set()
        self._log, self._metrics = log, metrics
        self._log_from, self._metrics_from = 0, 0

    def invoked(self) -> None:
        self._log_from, self._metrics_from = self._log.tell(), self._metrics.tell()

    def ended(self) -> None:
        """By itself or by force: what counts is what has left the process."""
        counted = {
            metric for document in _documents(self._metrics, self._metrics_from) for metric in document
        }
        for line in _documents(self._log, self._log_from):
            if LOSSES.get(line.get("message", "")) in counted:
                self.told.add((line["reference_id"], line["file_name"]))


def _documents(text: io.StringIO, start: int) -> Iterator[dict[str, str]]:
    for line in text.getvalue()[start:].splitlines():
        if line.startswith("{"):
            yield json.loads(line)
