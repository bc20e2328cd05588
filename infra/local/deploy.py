"""The real `cdk bootstrap` and `cdk deploy` of the same stack as on AWS, against MiniStack."""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from infra.connection import LOCAL_ACCESS_KEY, Connection
from infra.errors import CommandError
from infra.local.embedded_aws.ministack import ACCOUNT, REGION, MiniStack, last_lines, wait_until_healthy
from infra.local.progress import Progress
from infra.local.provider import LOOPBACK, Provider
from infra.packaging.cdk_cli import CdkInstallError, cdk_command, cdk_environment

STACK = "CallArchive"
PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Settings of a local stack that differ from a deployed one's."""

    provider: Provider
    archive_from: datetime
    recording_hosts: tuple[str, ...] = LOOPBACK
    transcript_grace_seconds: int | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    """Of cdk.json, by name."""

    def context(self) -> list[str]:
        values = {
            "stack": STACK,
            "provider_url": self.provider.url,
            "archive_from": f"{self.archive_from.astimezone(UTC):%Y-%m-%dT%H:%M:%S}",
            "recording_hosts": json.dumps(self.recording_hosts),
            "tick_minutes": "1",
            # Somebody watches: what a killed function had begun is begun again within minutes.
            "function_timeout_seconds": "180",
            "consumers": json.dumps({"all": ""}),
        }
        if self.transcript_grace_seconds is not None:
            values["transcript_grace_seconds"] = str(self.transcript_grace_seconds)
        values |= self.settings
        return [part for name, value in values.items() for part in ("-c", f"{name}={value}")]


def deploy(ministack: MiniStack, plan: Plan, folder: Path, progress: Progress) -> dict[str, str]:
    """Waits for MiniStack, deploys to it, hands it the provider's credentials; the stack's outputs by name."""
    with progress.step("Preparing the CDK"):
        _install_cdk()
    environment = _environment(ministack, folder)
    assembly = folder / "cdk.out"
    # Synthesis needs a processor for ten seconds and MiniStack for none of them: side by side.
    synth = ["synth", "--quiet", "--output", str(assembly), *plan.context()]
    with (
        progress.step("Synthesizing the stack"),
        _begun(synth, folder=PROJECT, log=folder / "synth.log", env=environment) as synthesis,
    ):
        with progress.step("Starting MiniStack"):
            wait_until_healthy(ministack)
        with progress.step("cdk bootstrap"):
            bootstrap = ["bootstrap", f"aws://{ACCOUNT}/{REGION}"]
            _run(bootstrap, folder=folder, log=folder / "bootstrap.log", env=environment)
        _finish(synthesis, "cdk synth", folder / "synth.log")
    with progress.step("cdk deploy"):
        command = [
            "deploy",
            "--app",
            str(assembly),
            "--require-approval",
            "never",
            "--progress",
            "events",
            STACK,
        ]
        _run(command, folder=folder, log=folder / "deploy.log", env=environment)
        outputs = ministack.connection.stack_outputs(STACK)
        _hand_over_credentials(ministack.connection, outputs["SecretId"], plan.provider)
    return outputs


def holds_credentials(connection: Connection, secret_id: str, provider: Provider) -> bool:
    held = connection.client("secretsmanager").get_secret_value(SecretId=secret_id)["SecretString"]
    return bool(json.loads(held) == _secret(provider))


def _hand_over_credentials(connection: Connection, secret_id: str, provider: Provider) -> None:
    """By API: a command line, a template and a log could be read by others."""
    text = json.dumps(_secret(provider))
    connection.client("secretsmanager").put_secret_value(SecretId=secret_id, SecretString=text)


def _secret(provider: Provider) -> dict[str, str]:
    return {"customer_id": provider.customer_id, "api_key": provider.api_key}


def _environment(ministack: MiniStack, folder: Path) -> dict[str, str]:
    """The caller's, for npm and pip may need its proxies and mirrors, but with nothing of its AWS in it."""
    scratch = folder / "cdk-tmp"  # jsii leaves its files behind when it is interrupted
    scratch.mkdir()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CDK_"))}
    direct = ",".join(filter(None, [inherited.get("NO_PROXY") or inherited.get("no_proxy"), *LOOPBACK]))
    return cdk_environment(inherited) | {
        "TMPDIR": str(scratch),
        "NO_PROXY": direct,
        "no_proxy": direct,
        "AWS_ENDPOINT_URL": ministack.endpoint_url,
        "AWS_ENDPOINT_URL_S3": ministack.endpoint_url,
        "AWS_CA_BUNDLE": str(ministack.ca_bundle),
        "NODE_EXTRA_CA_CERTS": str(_certificates_for_node(ministack, folder)),
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": LOCAL_ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": LOCAL_ACCESS_KEY,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "CDK_DISABLE_VERSION_CHECK": "1",
    }


def _certificates_for_node(ministack: MiniStack, folder: Path) -> Path:
    """MiniStack's, and the caller's own authority, by which npm may have to reach its registry."""
    own = os.environ.get("NODE_EXTRA_CA_CERTS", "")
    together = folder / "node-ca.pem"
    together.write_bytes(
        ministack.ca_bundle.read_bytes() + (Path(own).read_bytes() if Path(own).is_file() else b"")
    )
    return together


def _install_cdk() -> None:
    try:
        cdk_command()
    except CdkInstallError as error:
        raise CommandError(str(error)) from error


def _run(arguments: list[str], *, folder: Path, log: Path, env: dict[str, str]) -> None:
    with _begun(arguments, folder=folder, log=log, env=env) as process:
        _finish(process, f"cdk {arguments[0]}", log)


@contextlib.contextmanager
def _begun(
    arguments: list[str], *, folder: Path, log: Path, env: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A CDK command under way; on leaving, whatever is left of it is ended, its children too."""
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603  # nosec B603  # a command of ours, and no shell
            cdk_command(*arguments, "--no-color", "--no-notices"),
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _finish(process: subprocess.Popen[bytes], title: str, log: Path) -> None:
    if process.wait() != 0:
        raise CommandError(f"{title} failed; its output ends with:\n{last_lines(log)}")
