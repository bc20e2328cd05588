"""The unit tests' AWS in memory and scripted server, and clients of it that are closed with the test."""

from collections.abc import Iterator

import pytest

from call_archive.provider.client import Telesign
from call_archive.provider.credentials import Credentials
from call_archive.provider.download import Downloads
from tests.raw_server import RawServer
from tests.unit.conftest import (
    aws,
    boto3_session,
    function_environments,
    ledger,
    make_call,
    make_queue,
    raw_server,
    start_telesign,
    table_properties,
    template,
)

__all__ = [
    "aws",
    "boto3_session",
    "function_environments",
    "ledger",
    "make_call",
    "make_queue",
    "raw_server",
    "start_telesign",
    "table_properties",
    "template",
]

HOSTS = frozenset({"telesign.com", "tlsn.io"})
SECRETS = ("cust0mer", "sEcReT", "t0ken", "Signature", "Expires", "Key-Pair", "://", "Basic", "Authorization")
"""What no error's text may hold: the credentials and the token of these tests, and parts of every link."""


@pytest.fixture
def client(raw_server: RawServer) -> Iterator[Telesign]:
    """A client of the scripted server."""
    credentials = Credentials(customer_id="cust0mer", api_key="sEcReT")
    made = Telesign(raw_server.url, credentials=lambda _renew: credentials, requests_per_second=1e6)
    yield made
    made._session().close()


@pytest.fixture
def downloads() -> Iterator[Downloads]:
    made = Downloads(hosts=HOSTS, loopback=True)
    yield made
    for connection in made._idle().values():
        connection.close()
