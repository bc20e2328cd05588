"""How the tests are spread over processes."""

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
TOGETHER = ("e2e", "infra", "integration")
"""Folders whose tests share a deployment or a synthesized stack: each is one process's work."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        folder = item.path.relative_to(TESTS).parts[0]
        if folder in TOGETHER:
            item.add_marker(pytest.mark.xdist_group(folder))
