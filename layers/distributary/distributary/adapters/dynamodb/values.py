"""Turns typed values between their form in JSON, where binary is base64 text, and the SDK's, where it is bytes.

What goes to the SDK is checked here: its own check of parameters is switched off, since it takes nearly half of the
CPU time of a batch.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

from distributary.domain.image import AttributeValue, Image

_SAME_IN_BOTH = frozenset({"S", "N", "BOOL", "NULL", "SS", "NS"})

_FORMS: Mapping[str, type[Any]] = {
    **dict.fromkeys(("S", "N", "B"), str),
    **dict.fromkeys(("BOOL", "NULL"), bool),
    **dict.fromkeys(("SS", "NS", "BS", "L"), list),
    "M": dict,
}


def for_sdk(value: AttributeValue) -> Mapping[str, Any]:
    """One value as the SDK takes it; raises ValueError for anything that is no typed value."""
    ((kind, inner),) = value.items()
    form = _FORMS.get(kind)
    if form is None or not isinstance(inner, form):
        raise ValueError(f"no value of DynamoDB: {kind!r} with {type(inner).__name__}")
    match kind:
        case "M":
            return {"M": {name: for_sdk(each) for name, each in inner.items()}}
        case "L":
            return {"L": [for_sdk(each) for each in inner]}
        case "B":
            return {"B": b64decode(inner, validate=True)}
        case "BS":
            return {"BS": [b64decode(each, validate=True) for each in _texts(inner)]}
        case "SS" | "NS":
            return {kind: _texts(inner)}
    return value


def _texts(values: list[Any]) -> list[str]:
    if not all(isinstance(each, str) for each in values):
        raise ValueError("no value of DynamoDB: a set of other things than texts")
    return values


def from_sdk(value: Mapping[str, Any]) -> AttributeValue:
    """One value as it stands in JSON."""
    ((kind, inner),) = value.items()
    if kind in _SAME_IN_BOTH:
        return value
    match kind:
        case "M":
            return {"M": {name: from_sdk(each) for name, each in inner.items()}}
        case "L":
            return {"L": [from_sdk(each) for each in inner]}
        case "B":
            return {"B": b64encode(inner).decode()}
        case "BS":
            return {"BS": [b64encode(each).decode() for each in inner]}
    raise ValueError(f"no type of DynamoDB: {kind!r}")


def item_for_sdk(image: Image) -> dict[str, Any]:
    """A whole image, or a key, as the SDK takes it; raises ValueError as `for_sdk` does."""
    return {name: for_sdk(value) for name, value in image.items()}


def image_from_sdk(item: Mapping[str, Mapping[str, Any]]) -> Image:
    """A whole item as it stands in JSON."""
    return {name: from_sdk(value) for name, value in item.items()}
