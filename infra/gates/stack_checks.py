"""The checks of what is deployed: cdk-nag over the constructs, cfn-lint and checkov over the template."""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from infra.acknowledgements import CFN_LINT, CHECKOV, NAG, Template, acknowledged_in, bare
from infra.gates.findings import Finding, Verdict, judge
from infra.gates.tools import installed, output_of
from infra.packaging.cdk_cli import cdk_environment

CHECKOV_REQUIREMENTS: Final = Path(__file__).with_name("checkov-requirements.txt")

# An error is 2, a warning 4, a remark 8; together they are added up.
_OF_CFN_LINT: Final = (2, 4, 6, 8, 10, 12, 14)


def check_stack() -> Iterator[Verdict]:
    """One synthesis for all three."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        output_of(sys.executable, "-m", "infra.gates.nag", str(folder), env=cdk_environment())
        report = json.loads((folder / "nag-findings.json").read_text())
        template: Template = json.loads((folder / report["template"]).read_text())
        found = [Finding(**finding) for finding in report["findings"]]
        yield judge("cdk-nag", report["looked_at"], found, acknowledged_in(template, NAG))
        # Outside of the project, whose settings uv would read.
        stripped = folder / "bare.json"
        stripped.write_text(json.dumps(bare(template), indent=1))
        with ThreadPoolExecutor() as pool:
            checkov = pool.submit(found_by_checkov, stripped)
            resources = f"{len(template['Resources'])} resources"
            linted = found_by_cfn_lint(stripped)
            yield judge("cfn-lint", resources, linted, acknowledged_in(template, CFN_LINT))
            yield judge("checkov", resources, checkov.result(), acknowledged_in(template, CHECKOV))


def found_by_cfn_lint(template: Path) -> list[Finding]:
    command = (installed("cfn-lint"), "--format", "json", "--", str(template))
    matches = json.loads(output_of(*command, folder=template.parent, also=_OF_CFN_LINT))
    return [
        Finding(
            resource=str([*match["Location"]["Path"], "", ""][1]),
            rule=match["Rule"]["Id"],
            message=match["Message"],
        )
        for match in matches
    ]


def found_by_checkov(template: Path) -> list[Finding]:
    """In an environment of its own: it wants another boto3 than the functions."""
    answer = output_of(
        *(os.environ.get("UV", "uv"), "run", "--quiet", "--no-project", "--isolated"),
        *("--with-requirements", str(CHECKOV_REQUIREMENTS), "checkov"),
        *("--framework", "cloudformation", "--skip-download", "--output", "json", "--compact"),
        *("--file", template.name),
        folder=template.parent,
        also=(1,),
    )
    failed = json.loads(answer)["results"]["failed_checks"]
    return [
        Finding(
            resource=check["resource"].rpartition(".")[2], rule=check["check_id"], message=check["check_name"]
        )
        for check in failed
    ]
