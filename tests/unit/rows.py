"""A row with an attribute of every type that DynamoDB has."""

from __future__ import annotations

from distributary.domain.image import Image

OF_EVERY_TYPE: Image = {
    "text": {"S": "a"},
    "number": {"N": "1.50"},
    "binary": {"B": "AP8="},
    "flag": {"BOOL": True},
    "nothing": {"NULL": True},
    "texts": {"SS": ["b", "a"]},
    "numbers": {"NS": ["2", "1.0"]},
    "binaries": {"BS": ["AQ==", "AA=="]},
    "list": {"L": [{"N": "1.0"}, {"S": "a"}]},
    "map": {"M": {"b": {"N": "1.0"}, "a": {"SS": ["b", "a"]}}},
}
