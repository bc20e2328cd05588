"""What is built or installed once and used from then on, below .build/."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

BUILD_DIRECTORY: Final = Path(__file__).resolve().parents[2] / ".build"


@contextmanager
def completed(target: Path) -> Iterator[Path]:
    """Yields a folder to build in and renames it to `target` at the end: half a build is never taken for a whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="unfinished-", dir=target.parent) as directory:
        unfinished = Path(directory) / target.name
        unfinished.mkdir()
        yield unfinished
        try:
            unfinished.rename(target)
        except OSError:
            if not target.is_dir():  # else another process built the same and was first
                raise
