import json
import os
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest
import requests

from infra.simulator import Options, SimulatedTelesign

KEY = "a/b+c=="


def command(port_file: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "infra.simulator", "--port-file", str(port_file), *arguments]


@pytest.fixture
def port_file(tmp_path: Path) -> Path:
    return tmp_path / "ports.json"


def test_a_process_serves_the_truth_its_options_report(port_file: Path) -> None:
    arguments = ("--calls", "3", "--seed", "5", "--customer-id", "someone", "--api-key-env", "SIMULATED_KEY")
    with subprocess.Popen(
        command(port_file, *arguments), env={**os.environ, "SIMULATED_KEY": KEY}
    ) as process:
        try:
            while not port_file.exists() and process.poll() is None:
                time.sleep(0.01)
            addresses = json.loads(port_file.read_text())
            ended = datetime.fromisoformat(addresses["history_end"])
            truth = SimulatedTelesign(Options(calls=3, seed=5, history_end=ended)).truth()
            answer = requests.get(
                f"{addresses['api_url']}/v2/call_recording/{truth[0].reference_id}",
                auth=("someone", KEY),
                headers={"Content-Type": "application/json"},
                timeout=5,
            )
        finally:
            process.terminate()
    assert addresses["pid"] == process.pid
    assert answer.ok
    assert process.returncode == 0


def test_a_missing_key_is_said_before_anything_listens(port_file: Path) -> None:
    ended = subprocess.run(
        command(port_file, "--api-key-env", "NOT_THERE"), capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert "NOT_THERE, which is not set" in ended.stderr
    assert not port_file.exists()
