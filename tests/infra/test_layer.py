import json
import re
from importlib.metadata import version
from pathlib import Path

import pytest

from infra.packaging.layer import LAMBDA_PYTHON, LAYER_REQUIREMENTS, PackagingError, build_layer

ROOT = Path(__file__).resolve().parents[2]
PINS = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", LAYER_REQUIREMENTS.read_text(), re.MULTILINE))


def test_the_layer_holds_the_versions_that_are_tested_here() -> None:
    assert {"boto3", "requests", "aws-lambda-powertools"} <= set(PINS)
    assert {name: version(name) for name in PINS} == PINS


def test_each_requirement_is_pinned_by_hash_and_nothing_names_a_registry_or_this_machine() -> None:
    text = LAYER_REQUIREMENTS.read_text()
    blocks = re.split(r"^(?=[a-z0-9-]+==)", text, flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in block for block in blocks)
    assert not re.search(r"://|--index|--extra|--find-links|file:|(^|\s)/", text)


def test_the_layer_is_for_lambdas_platform_whatever_this_machine_is() -> None:
    compiled = [path.name for path in build_layer().path.rglob("*") if path.suffix in {".so", ".pyd", ".pyc"}]
    python = LAMBDA_PYTHON.replace(".", "")
    assert all(name.endswith(f".cpython-{python}-aarch64-linux-gnu.so") for name in compiled)


def test_the_layer_names_nothing_of_this_machine() -> None:
    layer = build_layer().path
    assert [path.name for path in layer.iterdir()] == ["python"]
    assert not (layer / "python" / "bin").exists()
    here = str(ROOT).encode()
    assert not [path for path in layer.rglob("*") if path.is_file() and here in path.read_bytes()]


def test_a_layer_is_built_once_and_silently_reused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("# nothing\n")
    first = build_layer(requirements, tmp_path / "build")
    told = capfd.readouterr()
    assert (told.out, len(told.err.splitlines())) == ("", 1)
    marker = first.path / "marker"
    marker.touch()
    assert build_layer(requirements, tmp_path / "build") == first
    assert marker.exists()
    assert capfd.readouterr() == ("", "")


def test_a_change_of_the_requirements_is_another_layer(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    built = []
    for text in ("# one\n", "# two\n"):
        requirements.write_text(text)
        built.append(build_layer(requirements, tmp_path / "build"))
    assert built[0].fingerprint != built[1].fingerprint
    assert built[0].path != built[1].path


def test_a_failed_or_interrupted_build_leaves_nothing_to_be_reused(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("six==1.17.0 --hash=sha256:" + "0" * 64 + "\n")
    with pytest.raises(PackagingError, match=r"requirements\.txt"):
        build_layer(requirements, tmp_path / "build")
    assert list((tmp_path / "build").iterdir()) == []


def test_a_change_of_our_code_uploads_our_code_alone(assembly: Path) -> None:
    assets = json.loads((assembly / "CallArchive.assets.json").read_text())["files"].values()
    paths = [assembly / asset["source"]["path"] for asset in assets]
    (code,) = [path for path in paths if (path / "call_archive").is_dir()]
    files = [path for path in code.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= {".py", ".typed"}
    assert sum(path.stat().st_size for path in files) < 1_000_000
