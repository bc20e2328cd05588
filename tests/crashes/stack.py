"""What the deployed stack fixes and the world needs: the table's schema, environments, the queues' numbers."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from infra.cdk_cli import cdk_environment

ROOT: Final = Path(__file__).resolve().parents[2]
FUNCTION_TIMEOUT_SECONDS: Final = 180
"""The shortest that may be set: what a killed function had begun is begun again sooner, in fewer steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    table: Mapping[str, Any]
    environment: Mapping[str, str]
    """Both functions' variables; without the names of resources."""
    visibility_seconds: int
    most_receives: int


def synthesized_stack() -> Stack:
    """The stack as the app synthesizes it, with the shipped settings but for the functions' time-out."""
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    context |= {"function_timeout_seconds": FUNCTION_TIMEOUT_SECONDS}
    with TemporaryDirectory() as out:
        environment = cdk_environment() | {"CDK_OUTDIR": out, "CDK_CONTEXT_JSON": json.dumps(context)}
        program = [sys.executable, "-m", "infra.app"]
        subprocess.run(program, cwd=ROOT, env=environment, capture_output=True, check=True)
        template = json.loads(Path(out, "CallArchive.template.json").read_text())
    return _stack(template["Resources"].values())


def _stack(resources: Any) -> Stack:
    properties = [(each["Type"], each.get("Properties", {})) for each in resources]
    (table,) = (each for kind, each in properties if kind == "AWS::DynamoDB::GlobalTable")
    functions = [
        each["Environment"]["Variables"] for kind, each in properties if kind == "AWS::Lambda::Function"
    ]
    queues = [each for kind, each in properties if kind == "AWS::SQS::Queue" and "RedrivePolicy" in each]
    # Consumers' queues aside, both work queues have the same numbers.
    visibility = max(each["VisibilityTimeout"] for each in queues)
    taken = ("KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes", "BillingMode")
    return Stack(
        table={name: table[name] for name in taken},
        environment={
            name: text for each in functions for name, text in each.items() if isinstance(text, str)
        },
        visibility_seconds=visibility,
        most_receives=min(each["RedrivePolicy"]["maxReceiveCount"] for each in queues),
    )
