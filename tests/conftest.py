"""How the tests are spread over processes, and how patient they are."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

TESTS = Path(__file__).parent
TOGETHER = ("conformance", "crashes", "e2e", "faults", "infra", "integration", "permissions")
"""Folders whose tests share a deployment or a synthesized stack: each is one process's work."""

# How fast this machine is says nothing about the code.
settings.register_profile(
    "unhurried", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("unhurried")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        folder = item.path.relative_to(TESTS).parts[0]
        if folder in TOGETHER:
            item.add_marker(pytest.mark.xdist_group(folder))
