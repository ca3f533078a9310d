"""Works out what a conditional write of a row has to compare, set and remove."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from distributary.domain.image import OWN_ATTRIBUTES, STAMP_ATTRIBUTE, Image
from distributary.domain.row import Row

OPERATORS = 300
"""Operators that one condition may have; n comparisons joined by AND count 2n - 1."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """The names of the attributes that a write touches, key attributes left out.

    compared: have to be as expected, the most important first. absent: has to be missing (the stamp of a row without
    one). set, removed: what turns the expected row into the new one, never both empty for a replacement.
    """

    compared: tuple[str, ...]
    absent: tuple[str, ...]
    set: tuple[str, ...]
    removed: tuple[str, ...]

    def limited_to(self, comparisons: int) -> Assignment:
        """The same with so many comparisons at most.

        A row wider than a condition is compared in part: the stamp, then what this write changes, then the rest. What
        an application does meanwhile to an attribute that is neither compared nor changed stays in the row, whose
        content then belies its stamp: it counts as not settled until the application's own record is captured. Only a
        row of which some 150 attributes change at once, or that is deleted, can lose such an update for the moment;
        its record is in the stream with its whole image, and settling writes it back.
        """
        kept = self.compared[: comparisons - len(self.absent)]
        return Assignment(kept, self.absent, self.set, self.removed)


def assignment(key: Image, expected: Row, image: Image | None) -> Assignment:
    """How a row as expected becomes the image, or is deleted.

    Attributes that keep their value are not set: that makes requests small, and leaves alone what was not compared.
    """
    old = expected.image
    stamped = STAMP_ATTRIBUTE in old
    names = [name for name in old if name not in key and name != STAMP_ATTRIBUTE]
    changed, removed = _difference(key, old, image)
    names.sort(key=lambda name: (name not in OWN_ATTRIBUTES, name not in changed, name))
    return Assignment(
        compared=((STAMP_ATTRIBUTE,) if stamped else ()) + tuple(names),
        absent=() if stamped else (STAMP_ATTRIBUTE,),
        set=tuple(name for name in _sorted(changed) if image is not None and name in image),
        removed=tuple(_sorted(removed)),
    )


def _difference(key: Image, old: Image, image: Image | None) -> tuple[set[str], set[str]]:
    """Names that change their value or go, and those that go."""
    if image is None:
        return set(old.keys() - key.keys()), set()
    changed = {name for name, value in image.items() if old.get(name) != value and name not in key}
    removed = old.keys() - image.keys() - key.keys()
    # A write must name something: the stamp stands in where nothing differs.
    if not changed and not removed:
        if STAMP_ATTRIBUTE in image:
            changed.add(STAMP_ATTRIBUTE)
        else:
            removed.add(STAMP_ATTRIBUTE)
    return changed | removed, removed


def _sorted(names: set[str]) -> Iterator[str]:
    """In a fixed order, so that rows of one shape share one statement."""
    return iter(sorted(names))
