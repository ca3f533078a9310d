"""The stack as CloudFormation sees it: template.yaml parsed, its intrinsic functions kept as mappings."""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cfnlint.decode.cfn_yaml import load

PROJECT = Path(__file__).resolve().parents[2]
TEMPLATE = PROJECT / "template.yaml"
FUNCTION_TIMEOUT_FACTOR = 6
RETENTION_SECONDS = 14 * 24 * 3600


@dataclass(frozen=True)
class Stack:
    """A parsed template; `changed` gives a copy with one value replaced, to show that a rule can fail."""

    body: dict[str, Any]

    def resources(self, kind: str) -> dict[str, dict[str, Any]]:
        """Resources of one type by logical id."""
        found: dict[str, dict[str, Any]] = self.body["Resources"]
        return {name: resource for name, resource in found.items() if resource["Type"] == kind}

    def properties(self, name: str) -> dict[str, Any]:
        """The properties of the resource with this logical id."""
        properties: dict[str, Any] = self.body["Resources"][name]["Properties"]
        return properties

    def events(self) -> dict[str, dict[str, Any]]:
        """The properties of every event source, by "Function.Event"."""
        return {
            f"{name}.{event}": source["Properties"]
            for name, function in self.resources("AWS::Serverless::Function").items()
            for event, source in function["Properties"]["Events"].items()
        }

    def statements(self, role: str) -> list[dict[str, Any]]:
        """The policy statements of a role; one that depends on a condition counts as there."""
        found: list[dict[str, Any]] = []
        for policy in self.properties(role)["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                found += _branches(statement)
        return found

    def changed(self, value: object, *path: str | int) -> "Stack":
        """This stack with `value` in the place of what stands at `path` of its resources."""
        body = copy.deepcopy(self.body)
        target: Any = body["Resources"]
        for step in path[:-1]:
            target = target[step]
        target[path[-1]] = value
        return Stack(body)


def _branches(statement: dict[str, Any]) -> list[dict[str, Any]]:
    if "Fn::If" not in statement:
        return [statement]
    return [branch for branch in statement["Fn::If"][1:] if "Ref" not in branch]


def read() -> Stack:
    """The project's template, as plain mappings and lists."""
    return Stack(_plain(load(str(TEMPLATE))))


def _plain(node: Any) -> Any:
    # cfn-lint's nodes cannot be copied and changed freely.
    if isinstance(node, dict):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(value) for value in node]
    return str(node) if isinstance(node, str) else node
