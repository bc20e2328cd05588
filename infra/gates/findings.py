"""What the checks found, held against what is acknowledged in the template."""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.acknowledging import CFN_LINT, CHECKOV, NAG

Template = Mapping[str, Any]
Acknowledged = Mapping[tuple[str, str], str]
"""The reason, by resource and rule."""


class GateError(Exception):
    """A check did not run, which must never look like one that found nothing."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Finding:
    resource: str
    rule: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    gate: str
    looked_at: str
    unacknowledged: tuple[str, ...]
    stale: tuple[str, ...]
    acknowledged: int

    @property
    def passed(self) -> bool:
        return not self.unacknowledged and not self.stale

    def lines(self) -> list[str]:
        """The findings, then the sum."""
        return [
            *(f"{self.gate}: {line}" for line in self.unacknowledged),
            *(f"{self.gate}: acknowledged, and not found any more: {line}" for line in self.stale),
            self._sum(),
        ]

    def _sum(self) -> str:
        left = f"{len(self.unacknowledged)} unacknowledged, {len(self.stale)} stale"
        return f"{self.gate}: {self.looked_at}: {left}, {self.acknowledged} acknowledged"


def judge(gate: str, looked_at: str, findings: Iterable[Finding], acknowledged: Acknowledged) -> Verdict:
    """`findings` are those of a check that was shown no acknowledgement."""
    found = sorted(set(findings))
    keys = {(finding.resource, finding.rule) for finding in found}
    return Verdict(
        gate=gate,
        looked_at=looked_at,
        unacknowledged=tuple(
            f"{finding.resource}: {finding.rule}: {finding.message}"
            for finding in found
            if (finding.resource, finding.rule) not in acknowledged
        ),
        stale=tuple(f"{resource}: {rule}" for resource, rule in sorted(set(acknowledged) - keys)),
        acknowledged=len(keys & set(acknowledged)),
    )


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
