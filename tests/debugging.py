"""Logs as they are when an operator looks for trouble: all that any library tells."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


@contextmanager
def logged_at_debug(stream: TextIO) -> Iterator[None]:
    """Everything at DEBUG, as Lambda's logging controls set the root logger, into this stream too."""
    root, handler = logging.getLogger(), logging.StreamHandler(stream)
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
