"""Reads a template as one would say it: a resource by its construct's path, a reference by that name."""

import re
from typing import Any

_HASH = re.compile(r"[0-9A-F]{8}$")
_SAID_ELSEWHERE = ("AlarmDescription", "Description", "Tags")


def named(logical_id: str) -> str:
    """A construct's path, without the eight characters that CloudFormation's ids end in."""
    return _HASH.sub("", logical_id)


def plain(value: Any) -> Any:
    match value:
        case {"Ref": name}:
            return named(name)
        case {"Fn::GetAtt": [name, attribute]}:
            return f"{named(name)}.{attribute}"
        case {"Fn::Join": ["", parts]}:
            return "".join(plain(part) for part in parts)
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case list():
            return [plain(item) for item in value]
    return value


def properties(template: dict[str, Any], kind: str) -> dict[str, Any]:
    """Of all resources of a kind, by name; but for descriptions and tags."""
    found = {name: item for name, item in template["Resources"].items() if item["Type"] == kind}
    deduplicate_names = {
        named(name): {
            key: plain(value) for key, value in item["Properties"].items() if key not in _SAID_ELSEWHERE
        }
        for name, item in found.items()
    }
    assert len(deduplicate_names) == len(found)
    return deduplicate_names
