"""What the checks find and we leave: said in the template, in their words, with a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from infra.acknowledgements import CFN_LINT, CHECKOV, NAG, acknowledged_in, bare

if TYPE_CHECKING:
    from collections.abc import Mapping

TOOLS = (NAG, CHECKOV, CFN_LINT)
SHORTEST = 60
"""Characters: less than a sentence is no reason."""


@pytest.mark.parametrize("tool", TOOLS)
def test_each_acknowledgement_has_a_sentence_for_a_reason(template: Mapping[str, Any], tool: str) -> None:
    reasons = acknowledged_in(template, tool)
    assert reasons
    for (resource, rule), reason in reasons.items():
        assert len(reason) >= SHORTEST, (resource, rule)
        assert reason[0].isupper(), (resource, rule)
        assert reason.endswith("."), (resource, rule)


def test_each_rule_that_cfn_lint_is_reported_to_ignore_has_a_reason(template: Mapping[str, Any]) -> None:
    for resource in template["Resources"].values():
        told = resource.get("Metadata", {}).get(CFN_LINT, {"config": {"ignore_checks": []}, "reasons": {}})
        assert told["config"]["ignore_checks"] == list(told["reasons"])


def test_nothing_is_acknowledged_twice(template: Mapping[str, Any]) -> None:
    for resource in template["Resources"].values():
        metadata = resource.get("Metadata", {})
        rules = [entry["id"] for entry in metadata.get(NAG, {}).get("rules_to_suppress", [])]
        assert len(rules) == len(set(rules))


def test_a_bare_template_differs_in_nothing_but_what_is_acknowledged(template: Mapping[str, Any]) -> None:
    stripped = bare(template)
    assert not [tool for tool in TOOLS if acknowledged_in(stripped, tool)]
    for name, resource in template["Resources"].items():
        kept = {key: value for key, value in resource.items() if key != "Metadata"}
        assert {key: value for key, value in stripped["Resources"][name].items() if key != "Metadata"} == kept
