"""What is acknowledged, as the template holds it: each check reads its own metadata, we read all of it."""

import copy
from collections.abc import Mapping
from typing import Any, Final

NAG: Final = "cdk_nag"
CHECKOV: Final = "checkov"
CFN_LINT: Final = "cfn-lint"

Template = Mapping[str, Any]


def acknowledged_in(template: Template, tool: str) -> dict[tuple[str, str], str]:
    return {
        (name, rule): reason
        for name, resource in template["Resources"].items()
        for rule, reason in _reasons(resource.get("Metadata", {}).get(tool, {}), tool)
    }


def bare(template: Template) -> dict[str, Any]:
    """The template without what is acknowledged in it."""
    stripped = copy.deepcopy(dict(template))
    for resource in stripped["Resources"].values():
        for tool in (NAG, CHECKOV, CFN_LINT):
            resource.get("Metadata", {}).pop(tool, None)
    return stripped


def _reasons(metadata: Mapping[str, Any], tool: str) -> list[tuple[str, str]]:
    if tool == NAG:
        return [(entry["id"], entry["reason"]) for entry in metadata.get("rules_to_suppress", [])]
    if tool == CHECKOV:
        return [(entry["id"], entry["comment"]) for entry in metadata.get("skip", [])]
    return list(metadata.get("reasons", {}).items())
