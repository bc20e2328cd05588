from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.packaging.cdk_cli import cdk_command, cdk_environment
from tests.synthesis import synthesized

if TYPE_CHECKING:
    from tests.infra.conftest import App

ROOT = Path(__file__).resolve().parents[2]


def test_cdk_synth_prints_no_warning(tmp_path: Path) -> None:
    done = subprocess.run(
        cdk_command("synth", "--quiet", "--output", str(tmp_path)),
        cwd=ROOT,
        env=cdk_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_wrong_settings_end_in_one_clear_message_and_no_traceback(app: App, tmp_path: Path) -> None:
    done = app(tmp_path, tick_minutes=0, colour="red")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "tick_minutes: " in done.stderr
    assert "colour: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_the_template_is_the_same_each_time(app: App, tmp_path: Path) -> None:
    assert app(tmp_path).returncode == 0
    assert json.loads((tmp_path / "CallArchive.template.json").read_text()) == synthesized()


def test_nothing_about_a_synthesis_is_sent_out(shipped_context: dict[str, Any]) -> None:
    settings = json.loads((ROOT / "cdk.json").read_text())
    assert settings["versionReporting"] is False
    assert shipped_context["cli-telemetry"] is False
    assert cdk_environment({})["CDK_DISABLE_CLI_TELEMETRY"] == "true"


def test_the_cdk_runs_on_this_environment_alone() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("cdk")), "--version"],
        env={"PATH": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("2.")


def test_the_cdks_exit_code_is_passed_through(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "infra.packaging.cdk_cli",
            "--output",
            str(tmp_path),
            "synth",
            "-c",
            "tick_minutes=0",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "tick_minutes: " in done.stderr
