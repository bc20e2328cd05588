"""What a security check finds and we leave as it is: acknowledged beside the construct, with the reason.

It is written into the template, as each check writes it: running checkov or cfn-lint over it reports nothing again.
`poe gates` runs them, and cdk-nag, without it, and fails when one finds more than this, or less.
"""

import copy
import re
from collections.abc import Mapping
from typing import Any, Final

from aws_cdk import CfnResource, Stack
from aws_cdk.aws_iam import IGrantable
from constructs import Construct, IConstruct

NAG: Final = "cdk_nag"
CHECKOV: Final = "checkov"
CFN_LINT: Final = "cfn-lint"

Template = Mapping[str, Any]

AWS_SOLUTIONS: Final = "AwsSolutions"
NIST: Final = "NIST.800.53.R5"
HIPAA: Final = "HIPAA.Security"
PCI: Final = "PCI.DSS.321"
SERVERLESS: Final = "Serverless"

_OF_CFN_LINT: Final = re.compile(r"[EWI]\d{4}")


def acknowledge(construct: IConstruct, reason: str, *rules: str) -> None:
    """For the construct's own resource alone: what stands below or beside it is judged for itself."""
    resource = construct if isinstance(construct, CfnResource) else construct.node.default_child
    if not isinstance(resource, CfnResource):
        raise TypeError(f"{construct.node.path} has no resource of its own")
    for rule in rules:
        if rule.startswith("CKV_"):
            skipped = (resource.get_metadata(CHECKOV) or {}).get("skip", [])
            resource.add_metadata(CHECKOV, {"skip": [*skipped, {"id": rule, "comment": reason}]})
        elif _OF_CFN_LINT.fullmatch(rule):
            known = resource.get_metadata(CFN_LINT) or {"config": {"ignore_checks": []}, "reasons": {}}
            ignored = [*known["config"]["ignore_checks"], rule]
            reasons = {**known["reasons"], rule: reason}
            resource.add_metadata(CFN_LINT, {"config": {"ignore_checks": ignored}, "reasons": reasons})
        else:
            suppressed = (resource.get_metadata(NAG) or {}).get("rules_to_suppress", [])
            entry = {"id": rule, "reason": reason}
            resource.add_metadata(NAG, {"rules_to_suppress": [*suppressed, entry]})


def acknowledge_wildcards(grantee: IGrantable, reason: str, of: IConstruct, *patterns: str) -> None:
    """Of the policy that the grantee's grants are written in; cdk-nag names each by what it is for."""
    role, resource = grantee.grant_principal, of.node.default_child
    if not isinstance(role, Construct) or not isinstance(resource, CfnResource):
        raise TypeError(f"there is no policy that grants {of.node.path}")
    target = Stack.of(of).get_logical_id(resource)
    found = (f"IAM5[Resource::<{target}.Arn>/{pattern}]" for pattern in patterns)
    policy = role.node.find_child("DefaultPolicy")
    acknowledge(policy, reason, *(f"{AWS_SOLUTIONS}-{each}" for each in found))


def across(rule: str, *packs: str) -> tuple[str, ...]:
    """A rule of cdk-nag by the name that each of these packs gives it."""
    return tuple(f"{pack}-{rule}" for pack in packs)


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
