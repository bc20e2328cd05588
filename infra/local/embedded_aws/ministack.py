"""MiniStack, the embedded AWS: one process of its own, over TLS, that shares nothing with another."""

import http.client
import os
import socket
import ssl
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from infra.connection import LOCAL_ACCESS_KEY, Connection
from infra.errors import CommandError, InputError
from infra.local.embedded_aws.certificate import Certificate, write_certificate
from infra.local.embedded_aws.processes import Detached, is_running, start_detached

HOST = "127.0.0.1"
REGION = "us-east-1"
ACCOUNT = "000000000000"
GATEWAY = "infra.local.embedded_aws.gateway:app"
START_TIMEOUT_SECONDS = 60.0
LOG_LINES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class MiniStack:
    endpoint_url: str
    ca_bundle: Path
    log_file: Path
    process: Detached

    @property
    def connection(self) -> Connection:
        return Connection.to_local(
            endpoint_url=self.endpoint_url, ca_bundle=str(self.ca_bundle), region=REGION
        )


def start_ministack(
    folder: Path, *, port: int = 0, app: str = GATEWAY, enforce_iam: bool = False
) -> MiniStack:
    """Starts it with everything it writes in `folder`; port 0 takes a free one. It may not answer yet.

    `app` is what serves, as `module:name`: a test may put a layer of its own before it. `enforce_iam`: who is
    not allowed to do something is refused, as on AWS. Our own credentials are its root's.
    """
    certificate = write_certificate(folder)
    log_file = folder / "ministack.log"
    with _listening_socket(port) as listening:
        port = listening.getsockname()[1]
        # The open socket is handed on: no one can take the port between choosing it and serving on it.
        argv = [sys.executable, "-m", "hypercorn", app]
        argv += ["--workers", "0", "--bind", f"fd://{listening.fileno()}", "--keep-alive", "75"]
        argv += ["--certfile", str(certificate.certificate), "--keyfile", str(certificate.key)]
        process = start_detached(
            argv,
            env=_environment(folder, port, certificate) | {"AUTH": str(enforce_iam).lower()},
            log_file=log_file,
            folder=folder,
            keep_open=[listening.fileno()],
        )
    return MiniStack(
        endpoint_url=f"https://{HOST}:{port}",
        ca_bundle=certificate.bundle,
        log_file=log_file,
        process=process,
    )


def wait_until_healthy(ministack: MiniStack) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while not is_healthy(ministack.endpoint_url, ministack.ca_bundle):
        if not is_running(ministack.process) or time.monotonic() > deadline:
            raise CommandError(
                f"MiniStack did not start; its log ends with:\n{last_lines(ministack.log_file)}"
            )
        time.sleep(0.1)


def is_healthy(endpoint_url: str, ca_bundle: Path) -> bool:
    address = endpoint_url.removeprefix("https://")
    try:
        trust = ssl.create_default_context(cafile=str(ca_bundle))
        connection = http.client.HTTPSConnection(address, timeout=2, context=trust)
        connection.request("GET", "/_ministack/health")
        status = connection.getresponse().status
        connection.close()
    except (OSError, http.client.HTTPException):
        return False
    return status == http.client.OK


def last_lines(log_file: Path) -> str:
    try:
        lines = log_file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "(no log)"
    return "\n".join(lines[-LOG_LINES:])


def _listening_socket(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # So that `down` and `up` on the same port follow each other without a pause.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        listening.listen(100)
    except OSError as error:
        listening.close()
        raise InputError(
            f"Port {port} of {HOST} cannot be used ({error.strerror}): give another with --port, "
            "or leave the option out to take a free one."
        ) from error
    return listening


def _environment(folder: Path, port: int, certificate: Certificate) -> dict[str, str]:
    """All that MiniStack knows. Its Lambda workers inherit it, so nothing of the caller's may be here."""
    scratch = folder / "tmp"
    scratch.mkdir()
    bundle = str(certificate.bundle)
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "TMPDIR": str(scratch),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "AWS_ACCESS_KEY_ID": LOCAL_ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": LOCAL_ACCESS_KEY,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CA_BUNDLE": bundle,
        "REQUESTS_CA_BUNDLE": bundle,
        "SSL_CERT_FILE": bundle,
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": HOST,
        "MINISTACK_REGION": REGION,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "USE_SSL": "1",
        "MINISTACK_SSL_CERT": str(certificate.certificate),
        "MINISTACK_SSL_KEY": str(certificate.key),
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "S3_DATA_DIR": str(scratch / "s3"),
        "STATE_DIR": str(scratch / "state"),
    }
