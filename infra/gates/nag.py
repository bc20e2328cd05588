"""cdk-nag: the rules of five packs, over the constructs.

A program of its own, for the CDK wants an environment of its own: it synthesizes the stack into a folder,
for the other checks too, and writes beside it what the rules found.
"""

import json
import sys
import tarfile
from dataclasses import asdict
from pathlib import Path
from typing import Final

import aws_cdk as cdk
import cdk_nag

from infra.config import Config
from infra.gates.findings import Finding
from infra.gates.tools import PROJECT
from infra.packaging.layer import build_layer
from infra.stack import CallArchiveStack

FINDINGS: Final = "nag-findings.json"

# What cdk.json ships, and whatever it leaves out by default.
EVERY_PART: Final = {"consumers": {"everything": ""}, "alarm_email": "operator@example.com"}

_SOURCES: Final = ("aws-solutions", "nist-800-53-r5", "hipaa-security", "pci-dss-321", "serverless")


def main() -> None:
    folder = Path(sys.argv[1])
    shipped = json.loads((PROJECT / "cdk.json").read_text())["context"]
    app = cdk.App(context={**shipped, **EVERY_PART}, outdir=str(folder))
    stack = CallArchiveStack(app, config=Config.from_context(app.node.get_all_context()), layer=build_layer())
    app.synth()
    write_findings(stack, folder)


def write_findings(stack: cdk.Stack, folder: Path) -> None:
    report = {
        "looked_at": f"{_rules()} rules in {len(_SOURCES)} packs",
        "template": stack.template_file,
        "findings": [asdict(finding) for finding in found_in(stack)],
    }
    (folder / FINDINGS).write_text(json.dumps(report))


def found_in(stack: cdk.Stack) -> list[Finding]:
    """A plugin of the CDK's would stop the synthesis at the first pack that finds something."""
    resources = [each for each in stack.node.find_all() if isinstance(each, cdk.CfnElement)]
    names = {resource.node.path: stack.get_logical_id(resource) for resource in resources}
    return [
        Finding(
            resource=names[place.construct_path or ""],
            rule=found.rule_name,
            message=found.description.partition(" - (Control ID")[0],
        )
        for pack in _packs()
        for found in pack.validate_scope(stack).violations
        for place in found.violating_resources
    ]


def _packs() -> tuple[cdk_nag.NagPack, ...]:
    return (
        cdk_nag.AwsSolutionsChecks(),
        cdk_nag.NIST80053R5Checks(),
        cdk_nag.HIPAASecurityChecks(),
        cdk_nag.PCIDSS321Checks(),
        cdk_nag.ServerlessChecks(),
    )


def _rules() -> int:
    """A pack does not say how many rules it has; its source applies them one by one."""
    (source,) = (Path(cdk_nag.__file__).parent / "_jsii").glob("*.tgz")
    with tarfile.open(source) as archive:
        files = (archive.extractfile(f"package/lib/packs/{name}.js") for name in _SOURCES)
        return sum(file.read().count(b"this.applyRule(") for file in files if file)


if __name__ == "__main__":
    main()
