"""What the checks found, held against what is acknowledged in the template."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

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
