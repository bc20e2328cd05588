"""bandit over the code, held against what is acknowledged beside it: a `nosec` with its rules and the reason."""

import json
import re
from pathlib import Path
from typing import Any, Final

from infra.gates.findings import Finding, Verdict, judge
from infra.gates.tools import PROJECT, installed, output_of

CODE: Final = ("functions", "infra")

_NOTE: Final = re.compile(r"# nosec (?P<rules>B\d{3}(?:, B\d{3})*)  # (?P<reason>.+)")


def check_code(project: Path = PROJECT, folders: tuple[str, ...] = CODE) -> Verdict:
    command = (installed("bandit"), "--quiet", "--recursive", "--ignore-nosec", "--format", "json")
    settings = ("--configfile", str(PROJECT / "pyproject.toml"))
    report = json.loads(output_of(*command, *settings, *folders, folder=project, also=(1,)))
    acknowledged = {
        (f"{path.relative_to(project)}:{number}", rule): match["reason"]
        for folder in folders
        for path in sorted((project / folder).rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if (match := _NOTE.search(line))
        for rule in match["rules"].split(", ")
    }
    unread = [
        Finding(resource=error["filename"], rule="unreadable", message=error["reason"])
        for error in report["errors"]
    ]
    found = [_finding(result, acknowledged) for result in report["results"]]
    lines = f"{report['metrics']['_totals']['loc']} lines of code"
    return judge("bandit", lines, [*found, *unread], acknowledged)


def _finding(result: dict[str, Any], acknowledged: dict[tuple[str, str], str]) -> Finding:
    """At the line of its note, if one of its lines has one."""
    rule, file = result["test_id"], result["filename"]
    noted = (line for line in result["line_range"] if (f"{file}:{line}", rule) in acknowledged)
    line = next(noted, result["line_number"])
    return Finding(resource=f"{file}:{line}", rule=rule, message=result["issue_text"])
