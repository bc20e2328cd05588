"""`local up` and `local down`: an archive on this machine that outlives the command."""

import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from infra.errors import CommandError, InputError
from infra.local.deploy import STACK, Plan, deploy, holds_credentials
from infra.local.embedded_aws.ministack import REGION, MiniStack, is_healthy, last_lines, start_ministack
from infra.local.embedded_aws.processes import Detached, is_running, start_detached
from infra.local.progress import Progress
from infra.local.provider import LOOPBACK, Provider
from infra.local.state import Running, end, locked, read_running, state_folder, write_running

SIMULATED_CUSTOMER = "local-customer"
SIMULATED_KEY = "c2ltdWxhdGVk/local+key=="
SIMULATED_CALLS = 40
SIMULATED_HOURS = 6
ARRIVALS_PER_MINUTE = 6
SIMULATOR_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What `local up` was asked for; without a provider, a simulated one is begun."""

    provider: Provider | None = None
    recording_hosts: tuple[str, ...] = LOOPBACK
    port: int = 0


def bring_up(request: Request, progress: Progress) -> Running:
    """The running archive: the one that is there, if it is as asked for, else a new one."""
    with locked():
        running = read_running()
        if (
            running is not None
            and running.is_ready
            and is_healthy(running.endpoint_url, Path(running.ca_bundle))
        ):
            _refuse_another(running, request)
            return running
        if running is not None:
            end(running)
        return _start(request, progress)


def take_down() -> bool:
    """Whether there was anything to end."""
    with locked():
        running = read_running()
        if running is not None:
            end(running)
        return running is not None


def _start(request: Request, progress: Progress) -> Running:
    with _folder_of_its_own() as folder:
        ministack = start_ministack(folder, port=request.port)
        running = Running(
            endpoint_url=ministack.endpoint_url,
            ca_bundle=str(ministack.ca_bundle),
            region=REGION,
            stack=STACK,
            folder=str(folder),
            log_file=str(ministack.log_file),
            recording_hosts=request.recording_hosts,
            processes=(ministack.process,),
        )
        try:
            # Written before all is done, so that what an interrupted `up` leaves is found and ended.
            write_running(running)
            return _deploy(request, running, ministack, progress)
        except BaseException:
            end(read_running() or running)
            raise


def _deploy(request: Request, running: Running, ministack: MiniStack, progress: Progress) -> Running:
    folder = Path(running.folder)
    archive_from = datetime.now(UTC)
    provider = request.provider
    if provider is None:
        with progress.step("Starting the simulated Telesign"):
            simulator = _begin_simulator(folder)
            running = replace(running, processes=(*running.processes, simulator))
            write_running(running)
            provider = _simulated(simulator, folder)
        # A provider of one's own may hold years, and is asked for them by `backfill`; this one is a play.
        archive_from -= timedelta(hours=SIMULATED_HOURS, minutes=1)
    running = replace(running, provider_url=provider.url)
    write_running(running)
    plan = Plan(provider=provider, archive_from=archive_from, recording_hosts=request.recording_hosts)
    running = replace(running, outputs=deploy(ministack, plan, folder, progress))
    write_running(running)
    return running


def _refuse_another(running: Running, request: Request) -> None:
    different = []
    if request.provider is not None:
        if request.provider.url != running.provider_url:
            different.append(f"reads {running.provider_url}")
        elif not holds_credentials(running.connection, running.outputs["SecretId"], request.provider):
            different.append("has other credentials")
    if not set(request.recording_hosts) <= set(running.recording_hosts):
        different.append("allows other recording hosts")
    if request.port and not running.endpoint_url.endswith(f":{request.port}"):
        different.append(f"is at {running.endpoint_url}")
    if different:
        raise InputError(
            f"A local archive is running that {' and '.join(different)}: "
            "end it with `call-archive local down`, then try again."
        )


def _begin_simulator(folder: Path) -> Detached:
    argv = [sys.executable, "-m", "infra.simulator", "--port-file", str(folder / "simulator.json")]
    argv += ["--calls", str(SIMULATED_CALLS), "--history-hours", str(SIMULATED_HOURS)]
    argv += ["--seed", "1", "--customer-id", SIMULATED_CUSTOMER]
    argv += ["--api-key-env", "SIMULATED_KEY", "--arrivals-per-minute", str(ARRIVALS_PER_MINUTE)]
    env = {**os.environ, "SIMULATED_KEY": SIMULATED_KEY}
    return start_detached(argv, env=env, log_file=folder / "simulator.log", folder=folder)


def _simulated(simulator: Detached, folder: Path) -> Provider:
    """The simulated provider, once it says where it listens."""
    port_file = folder / "simulator.json"
    deadline = time.monotonic() + SIMULATOR_TIMEOUT_SECONDS
    while not port_file.exists():
        if not is_running(simulator) or time.monotonic() > deadline:
            ending = last_lines(folder / "simulator.log")
            raise CommandError(f"The simulated Telesign did not start; its log ends with:\n{ending}")
        time.sleep(0.05)
    url = json.loads(port_file.read_text(encoding="utf-8"))["api_url"]
    return Provider(url=url, customer_id=SIMULATED_CUSTOMER, api_key=SIMULATED_KEY)


@contextlib.contextmanager
def _folder_of_its_own() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="local-", dir=state_folder()))
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
