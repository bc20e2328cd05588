"""The gates find what is planted, take what is acknowledged, and tell when it is not found any more."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.acknowledgements import CFN_LINT, CHECKOV, NAG, acknowledged_in
from infra.gates.code_check import check_code
from infra.gates.findings import Finding, GateError, judge
from infra.gates.sbom import OF_THE_FUNCTIONS, write_sbom
from infra.gates.stack_checks import found_by_cfn_lint, found_by_checkov
from infra.gates.tools import output_of
from infra.packaging.cdk_cli import cdk_environment
from infra.packaging.layer import LAYER_REQUIREMENTS

ROOT = Path(__file__).resolve().parents[2]
OPEN = Finding(resource="Bucket", rule="S1", message="has no log")


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("planted")
    command = [sys.executable, "-m", "tests.infra.planted", str(folder)]
    subprocess.run(command, cwd=ROOT, env=cdk_environment(), check=True)
    return folder


@pytest.fixture(scope="module")
def template(planted: Path) -> Any:
    return json.loads((planted / "Planted.template.json").read_text())


def found_by_nag(planted: Path) -> list[Finding]:
    return [Finding(**each) for each in json.loads((planted / "nag-findings.json").read_text())["findings"]]


def rules(findings: list[Finding], resource: str) -> set[str]:
    return {finding.rule for finding in findings if finding.resource == resource}


def test_cdk_nag_finds_an_open_bucket_in_each_pack_that_looks_at_buckets(planted: Path) -> None:
    packs = {rule.partition("-")[0] for rule in rules(found_by_nag(planted), "Open")}
    assert packs == {"AwsSolutions", "NIST.800.53.R5", "HIPAA.Security", "PCI.DSS.321"}


def test_cdk_nag_is_shown_no_acknowledgement(planted: Path) -> None:
    found = found_by_nag(planted)
    assert rules(found, "Accepted") == rules(found, "Open")


def test_what_is_acknowledged_is_no_failure_and_the_rest_is(planted: Path, template: Any) -> None:
    verdict = judge("cdk-nag", "a stack", found_by_nag(planted), acknowledged_in(template, NAG))
    assert not verdict.passed
    assert (verdict.acknowledged, verdict.stale) == (1, ())
    assert any(line.startswith("Open: AwsSolutions-S1: ") for line in verdict.unacknowledged)
    assert not any(line.startswith("Accepted: AwsSolutions-S1: ") for line in verdict.unacknowledged)


def test_checkov_finds_an_open_bucket_and_reads_what_is_acknowledged(planted: Path, template: Any) -> None:
    found = found_by_checkov(planted / "Planted.template.json")
    assert acknowledged_in(template, CHECKOV).keys() == {("Accepted", "CKV_AWS_20")}
    assert rules(found, "Open") - rules(found, "Accepted") == {"CKV_AWS_20"}


def test_cfn_lint_finds_an_old_property_and_reads_what_is_acknowledged(planted: Path, template: Any) -> None:
    found = found_by_cfn_lint(planted / "Planted.template.json")
    assert acknowledged_in(template, CFN_LINT).keys() == {("Accepted", "W3045")}
    assert rules(found, "Open") - rules(found, "Accepted") == {"W3045"}


@pytest.mark.parametrize(
    ("note", "unacknowledged", "stale"),
    [
        ("", 1, 0),
        ("  # nosec", 1, 0),
        ("  # nosec B602", 1, 0),
        ("  # nosec B602  # the command is a constant", 0, 0),
        ("  # nosec B602, B307  # the command is a constant", 0, 1),
    ],
)
def test_bandit_finds_a_shell_and_takes_a_note_with_a_reason_alone(
    tmp_path: Path, note: str, unacknowledged: int, stale: int
) -> None:
    (tmp_path / "code").mkdir()
    code = f"import subprocess\n\n\ndef list_all(what: str) -> None:\n    subprocess.run(what, shell=True){note}\n"
    (tmp_path / "code" / "planted.py").write_text(code)
    verdict = check_code(tmp_path, ("code",))
    assert (len(verdict.unacknowledged), len(verdict.stale)) == (unacknowledged, stale)


def test_an_acknowledgement_of_what_is_not_found_any_more_is_a_failure() -> None:
    verdict = judge("a check", "a stack", [], {("Bucket", "S1"): "It has no log, and needs none."})
    assert not verdict.passed
    assert verdict.stale == ("Bucket: S1",)


def test_an_acknowledgement_is_of_one_resource_alone() -> None:
    verdict = judge("a check", "a stack", [OPEN], {("Other", "S1"): "It has no log, and needs none."})
    assert len(verdict.unacknowledged) == 1


def test_a_check_that_found_nothing_left_to_do_passes() -> None:
    verdict = judge("a check", "a stack", [OPEN], {("Bucket", "S1"): "It has no log, and needs none."})
    assert verdict.passed
    assert verdict.lines() == ["a check: a stack: 0 unacknowledged, 0 stale, 1 acknowledged"]


def test_a_check_that_did_not_run_is_no_check_that_found_nothing() -> None:
    with pytest.raises(GateError, match="ended with 3"):
        output_of(sys.executable, "-c", "raise SystemExit(3)", also=(1,))


def test_the_bill_of_the_functions_lists_what_the_layer_holds_and_never_changes(tmp_path: Path) -> None:
    sboms = [tmp_path / "one.json", tmp_path / "two.json"]
    for bill in sboms:
        write_sbom(bill, OF_THE_FUNCTIONS)
    assert sboms[0].read_bytes() == sboms[1].read_bytes()
    components = json.loads(sboms[0].read_text())["components"]
    pinned = {line.split()[0] for line in LAYER_REQUIREMENTS.read_text().splitlines() if "==" in line}
    assert {f"{each['name']}=={each['version']}" for each in components} == pinned


def test_checkovs_requirements_are_all_pinned_and_name_no_registry() -> None:
    lines = (ROOT / "infra" / "gates" / "checkov-requirements.txt").read_text().splitlines()
    requirements = [line for line in lines if not line.startswith("#")]
    assert requirements
    assert all("==" in line and "://" not in line and not line.startswith("-") for line in requirements)


def test_nothing_that_is_deployed_or_deploys_needs_the_gates() -> None:
    for path in [*(ROOT / "functions").rglob("*.py"), *(ROOT / "infra").rglob("*.py")]:
        if path.is_relative_to(ROOT / "infra" / "gates"):
            continue
        imported = [
            node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)
        ]
        names = {(node.module or "") for node in imported}
        assert not [name for name in names if name.startswith(("infra.gates", "cdk_nag"))], path
