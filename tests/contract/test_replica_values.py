"""Which values and names of attributes every replica takes, compares and gives back."""

from __future__ import annotations

import pytest

from distributary.domain.image import STAMP_ATTRIBUTE, AttributeValue, Image, key_text
from distributary.domain.row import Row
from distributary.domain.steps import Write
from tests.contract.places import Place, new_key
from tests.contract.test_replica import NEW, OLD, row, same

VALUES: dict[str, AttributeValue] = {
    "text": {"S": "plain"},
    "unicode": {"S": "žluťoučký 🐎 \x7f \u2028"},
    "empty text": {"S": ""},
    "quotes": {"S": 'it\'s "quoted" ? `\\'},
    "number": {"N": "-12.5"},
    "38 digits": {"N": "12345678901234567890123456789012345678"},
    "tiny": {"N": "1E-130"},
    "binary": {"B": "AP+A"},
    "empty binary": {"B": ""},
    "null": {"NULL": True},
    "true": {"BOOL": True},
    "false": {"BOOL": False},
    "texts": {"SS": ["b", "a", "c"]},
    "numbers": {"NS": ["3", "1", "2.5"]},
    "binaries": {"BS": ["AP8=", "AA=="]},
    "empty list": {"L": []},
    "empty map": {"M": {}},
    "list": {"L": [{"S": "a"}, {"N": "1"}, {"NULL": True}, {"L": [{"B": "AA=="}]}]},
    "map": {"M": {"a.b": {"S": "x"}, "#": {"L": []}, "set": {"BS": ["AA=="]}, "m": {"M": {"x": {"BOOL": False}}}}},
}

NAMES = [
    "select", "SET", "where", "value", "a.b", "a b", " lead", "a-b", "a:b", "1st", "_", "é😀", "it's", 'say "x"',
    "a`b", "a\\b", "a?b", "a\nb", "#hash", ":colon", "[0]", "a[0].b", "{x}", "x = ? WHERE y", "; --", "n" * 255,
    "%", "$", "a/b", "ROW", "MISSING",
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_a_value_is_written_compared_and_read_as_it_is(place: Place, value: AttributeValue) -> None:
    key = new_key()
    old, new = row(key, OLD, v=value), row(key, NEW, v=value, more=value)
    assert place.replica.write([(key, Write(None, old.image))]) == [True]
    assert same(place.get(key), old.image)
    found = place.replica.look([key])[key_text(key)].row
    assert found is not None
    assert same(found.image, old.image)
    assert place.replica.write([(key, Write(row(key, OLD, v={"S": "other"}), new.image))]) == [False]
    assert place.replica.write([(key, Write(found, new.image))]) == [True]
    assert same(place.get(key), new.image)
    assert place.replica.write([(key, Write(new, None))]) == [True]


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ({"N": "1"}, {"N": "1.0"}),
        ({"N": "1e3"}, {"N": "1000"}),
        ({"SS": ["a", "b"]}, {"SS": ["b", "a"]}),
        ({"NS": ["1", "20"]}, {"NS": ["2e1", "1.00"]}),
        ({"BS": ["AA==", "AP8="]}, {"BS": ["AP8=", "AA=="]}),
        ({"M": {"a": {"N": "1"}, "b": {"S": "x"}}}, {"M": {"b": {"S": "x"}, "a": {"N": "1.0"}}}),
    ],
)
def test_equal_values_are_equal_in_any_notation(place: Place, stored: AttributeValue, expected: AttributeValue) -> None:
    key = new_key()
    place.put(row(key, OLD, v=stored).image)
    assert place.replica.write([(key, Write(row(key, OLD, v=expected), row(key, NEW, v=expected).image))]) == [True]
    assert place.replica.write([(key, Write(row(key, NEW, v=expected), None))]) == [True]


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ({"L": [{"S": "a"}, {"S": "b"}]}, {"L": [{"S": "b"}, {"S": "a"}]}),
        ({"L": [{"S": "a"}]}, {"L": [{"S": "a"}, {"S": "b"}]}),
        ({"M": {"a": {"S": "1"}}}, {"M": {"a": {"S": "1"}, "b": {"S": "2"}}}),
        ({"SS": ["a"]}, {"SS": ["a", "b"]}),
        ({"SS": ["1"]}, {"NS": ["1"]}),
        ({"B": "AA=="}, {"S": "AA=="}),
        ({"N": "0.1"}, {"N": "0.10000000000000000000000000000000000001"}),
        ({"BOOL": False}, {"NULL": True}),
        ({"S": ""}, {"NULL": True}),
    ],
)
def test_values_that_only_look_alike_are_not_equal(
    place: Place, stored: AttributeValue, expected: AttributeValue
) -> None:
    key = new_key()
    place.put(row(key, OLD, v=stored).image)
    assert place.replica.write([(key, Write(row(key, OLD, v=expected), row(key, NEW, v=expected).image))]) == [False]
    assert place.replica.write([(key, Write(row(key, OLD, v=expected), None))]) == [False]


@pytest.mark.parametrize("name", NAMES)
def test_an_attribute_may_have_any_name(place: Place, name: str) -> None:
    key = new_key()
    old = Row({**key, STAMP_ATTRIBUTE: OLD, name: {"S": "old"}, "other": {"S": "o"}})
    new = Row({**key, STAMP_ATTRIBUTE: NEW, name: {"S": "new"}, "other": {"S": "o"}})
    without: Image = {**key, STAMP_ATTRIBUTE: NEW, "other": {"S": "o"}}
    assert place.replica.write([(key, Write(None, old.image))]) == [True]
    assert place.replica.write([(key, Write(None, old.image))]) == [False]
    assert place.replica.write([(key, Write(new, old.image))]) == [False]
    assert place.replica.write([(key, Write(old, new.image))]) == [True]
    assert same(place.get(key), new.image)
    assert place.replica.write([(key, Write(old, None))]) == [False]
    assert place.replica.write([(key, Write(new, without))]) == [True]
    assert same(place.get(key), without)
    assert place.replica.write([(key, Write(Row(without), old.image))]) == [True]
    assert place.replica.write([(key, Write(old, None))]) == [True]
    assert place.replica.write([(key, Write(old, None))]) == [False]


def test_names_of_every_kind_share_one_row(place: Place) -> None:
    key = new_key()
    old = Row({**key, STAMP_ATTRIBUTE: OLD, **{name: {"S": "old"} for name in NAMES}})
    new = Row({**key, STAMP_ATTRIBUTE: NEW, **{name: {"S": "new"} for name in NAMES}})
    assert place.replica.write([(key, Write(None, old.image))]) == [True]
    assert place.replica.write([(key, Write(old, new.image))]) == [True]
    assert same(place.get(key), new.image)
