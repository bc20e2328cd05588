"""How the tests are spread over processes, and how patient they are."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

TOGETHER = (
    "infra",
    "integration",
    "e2e",
    *(f"proofs/{each}" for each in ("crashes", "permissions", "faults/test_deployed.py")),
)
"""Folders and files whose tests share a deployment or a synthesized stack: each is one process's work."""

MEASURED = ("badinput", "unit")
OF_INFRA = ("test_cli.py", "test_local_comparison.py", "test_verify.py")
"""Coverage is taken from the first, but for the second: they try infra. Measuring takes half as long again."""

# How fast this machine is says nothing about the code.
settings.register_profile(
    "unhurried", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("unhurried")


class ByFolder(LoadScopeScheduling):
    """pytest-xdist's own `loadgroup` names groups in a way that pytest 9.2 does not see any more."""

    def _split_scope(self, nodeid: str) -> str:
        return next((each for each in TOGETHER if nodeid.startswith(f"tests/{each}")), nodeid)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        folder = item.path.relative_to(Path(__file__).parent).parts[0]
        if folder not in MEASURED or item.path.name in OF_INFRA:
            item.add_marker(pytest.mark.no_cover)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return ByFolder(config, log)
