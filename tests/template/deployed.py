"""The stack as it is deployed with certain parameters: conditions are decided, and what is not made is left out."""

import re
from typing import Any

from tests.template.stack import Stack

PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::Region": "eu-west-1",
    "AWS::AccountId": "123456789012",
    "AWS::URLSuffix": "amazonaws.com",
}
_ABSENT = object()
_VARIABLE = re.compile(r"\$\{([^}]+)\}")


def deployed(stack: Stack, **parameters: str) -> Stack:
    """The stack with these parameters and the defaults of the others; attributes of resources stand as "Name.Attr"."""
    known = {**PSEUDO, **{name: each.get("Default", "") for name, each in stack.body["Parameters"].items()}}
    return Stack(_Deployment(stack.body, {**known, **parameters}).body())


class _Deployment:
    def __init__(self, template: dict[str, Any], parameters: dict[str, Any]) -> None:
        self._template, self._parameters = template, parameters

    def body(self) -> dict[str, Any]:
        resources = {
            name: self._plain(resource)
            for name, resource in self._template["Resources"].items()
            if "Condition" not in resource or self._holds({"Condition": resource["Condition"]})
        }
        return {"Resources": resources, "Globals": self._plain(self._template["Globals"])}

    def _holds(self, condition: dict[str, Any]) -> bool:
        ((kind, told),) = condition.items()
        if kind == "Condition":
            return self._holds(self._template["Conditions"][told])
        if kind == "Fn::Not":
            return not self._holds(told[0])
        if kind == "Fn::And":
            return all(map(self._holds, told))
        left, right = map(self._plain, told)
        assert kind == "Fn::Equals"
        return str(left) == str(right)

    def _plain(self, node: Any) -> Any:
        """A value without intrinsic functions."""
        if isinstance(node, list):
            return [each for each in map(self._plain, node) if each is not _ABSENT]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            ((kind, told),) = node.items()
            if kind == "Ref" or kind.startswith("Fn::"):
                return self._function(kind, told)
        values = {name: self._plain(value) for name, value in node.items()}
        return {name: value for name, value in values.items() if value is not _ABSENT}

    def _function(self, kind: str, told: Any) -> Any:
        if kind == "Ref":
            return _ABSENT if told == "AWS::NoValue" else self._parameters.get(told, told)
        if kind == "Fn::If":
            return self._plain(told[1] if self._holds({"Condition": told[0]}) else told[2])
        if kind == "Fn::GetAtt":
            return ".".join(told)
        if kind == "Fn::Join":
            parts = self._plain(told[1])
            return told[0].join(map(str, parts)) if isinstance(parts, list) else parts
        if kind == "Fn::Split":
            return str(self._plain(told[1])).split(told[0])
        assert kind == "Fn::Sub", kind
        return self._filled_in(*(told if isinstance(told, list) else [told, {}]))

    def _filled_in(self, text: str, own: dict[str, Any]) -> str:
        known = {**self._parameters, **{name: self._plain(value) for name, value in own.items()}}
        return _VARIABLE.sub(lambda match: str(known.get(match[1], match[1])), text)
