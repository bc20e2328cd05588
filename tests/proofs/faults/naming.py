"""Names that fail to resolve. The resolver is the system's: it is replaced where Python asks it."""

import socket
from typing import Any

import pytest

from tests.proofs.faults.cells import Dependency, Fault
from tests.proofs.faults.plan import FaultPlan

HOST = "localhost"
ERRORS = {
    # What glibc's resolver makes of no answer in time, of REFUSED and of NXDOMAIN.
    Fault.SILENCE: (socket.EAI_AGAIN, "Temporary failure in name resolution"),
    Fault.DENIED: (socket.EAI_FAIL, "Non-recoverable failure in name resolution"),
    Fault.NOT_FOUND: (socket.EAI_NONAME, "Name or service not known"),
}
ADDRESSES = {Fault.PRIVATE_ADDRESS: "10.0.0.1", Fault.DEAD_ADDRESS: "127.0.0.99"}


def names_resolved(patch: pytest.MonkeyPatch, plan: FaultPlan) -> None:
    truly: Any = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *rest: Any, **options: Any) -> Any:
        fault = plan.take(Dependency.DNS) if host == HOST else None
        if fault in ERRORS:
            raise socket.gaierror(*ERRORS[fault])
        return truly(host if fault is None else ADDRESSES[fault], port, *rest, **options)

    patch.setattr(socket, "getaddrinfo", getaddrinfo)
