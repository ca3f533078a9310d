"""Row images in DynamoDB's typed JSON: what counts as content, and a digest that ignores mere notation."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from decimal import Context as DecimalContext
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from typing import Any

AttributeValue = Mapping[str, Any]
"""One typed value, such as {"S": "text"} or {"N": "1.5"}; binary values are base64 text, as in stream events."""

Image = Mapping[str, AttributeValue]
"""A whole row: attribute name to typed value."""

STAMP_ATTRIBUTE = "replication_stamp"
STATE_ATTRIBUTE = "replication_state"
OWN_ATTRIBUTES = frozenset({STAMP_ATTRIBUTE, STATE_ATTRIBUTE})

_PRECISE = DecimalContext(prec=64)
_text = json.JSONEncoder(separators=(",", ":")).encode


def content_of(image: Image) -> Image:
    """The application's part of an image, without the attributes that replication adds."""
    return {name: value for name, value in image.items() if name not in OWN_ATTRIBUTES}


def fingerprint(text: str, size: int = 9) -> str:
    """A short name for a text: `size` bytes, a multiple of 3, of BLAKE2b as URL-safe base64 (4 characters for 3)."""
    return urlsafe_b64encode(blake2b(text.encode(), digest_size=size).digest()).decode()


def digest_of(content: Image) -> str:
    """A fingerprint of a row's content: equal for equal values, however they were written.

    1, 1.0 and 1e0 are one number, and sets have no order (DynamoDB developer guide, "Data types").
    """
    return fingerprint(_text({name: _canonical(content[name]) for name in sorted(content)}))


def same_content(left: Image, right: Image) -> bool:
    """Whether two contents hold the same values."""
    return left.keys() == right.keys() and all(
        value == right[name] or _canonical(value) == _canonical(right[name]) for name, value in left.items()
    )


def key_text(key: Image) -> str:
    """A key as canonical text: equal keys give equal texts."""
    try:
        if len(key) == 1:
            return _key_text(tuple([(name, *pair) for name, value in key.items() for pair in value.items()]))
        return _key_text(tuple(sorted((name, *pair) for name, value in key.items() for pair in value.items())))
    except TypeError:  # a list or a map: no database takes such a key, but somebody may send it
        return _text({name: _canonical(key[name]) for name in sorted(key)})


@lru_cache(maxsize=4096)
def _key_text(attributes: tuple[tuple[str, str, Any], ...]) -> str:
    return _text({name: _canonical({kind: inner}) for name, kind, inner in attributes})


def _canonical(value: AttributeValue) -> Any:
    ((kind, inner),) = value.items()
    match kind:
        case "N":
            return {"N": _number(inner)}
        case "SS" | "BS":
            return {kind: sorted(inner)}
        case "NS":
            return {"NS": sorted(map(_number, inner))}
        case "M":
            return {"M": {name: _canonical(inner[name]) for name in sorted(inner)}}
        case "L":
            return {"L": [_canonical(element) for element in inner]}
    return value


@lru_cache(maxsize=4096)
def _number(text: str) -> str:
    return str(_PRECISE.plus(_PRECISE.normalize(Decimal(text))))  # plus: zero has no sign
