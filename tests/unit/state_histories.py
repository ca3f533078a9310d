"""States of a row that regions can come to: random histories of local writes, deletions and joins, each state kept.

What a writer finds is what its region shows, or what it showed some time ago; versions are above all that was seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hypothesis import strategies as st

from distributary.domain.crdt import ALWAYS, Moment
from distributary.domain.image import AttributeValue, Image
from distributary.domain.notation import Notation
from distributary.domain.policies import AttributePolicy, AttributeRule, Policies, Policy
from distributary.domain.row_state import RowState, StateLattice
from distributary.domain.version import Version

T = TypeVar("T")
REGIONS = ("ap", "eu", "sa", "us")
NUMBER, TAGS, MOST, LEAST, LONGEST = "number", "tags", "most", "least", "longest"
PLAIN = ("one", "two")
RULES = {
    NUMBER: AttributeRule(AttributePolicy.COUNTER),
    TAGS: AttributeRule(AttributePolicy.ADD_WINS_SET),
    MOST: AttributeRule(AttributePolicy.MAX),
    LEAST: AttributeRule(AttributePolicy.MIN),
    LONGEST: AttributeRule(AttributePolicy.CUSTOM, "users:longest"),
}


def longest(one: Any, other: Any) -> Any:
    """A user's function: the longer text."""
    return max(one, other, key=lambda value: (len(str(value)), str(value)))


def policies_of(base: Policy, *own: str) -> Policies:
    """A base, and rules for some of the attributes."""
    priority = ("us", "eu") if base is Policy.REGION_PRIORITY else ()
    return Policies(base, priority, {name: RULES[name] for name in own}, {"users:longest": longest})


ALONE = [policies_of(base) for base in Policy] + [policies_of(Policy.LAST_WRITER_WINS, name) for name in RULES]
MIXED = [policies_of(base, *RULES) for base in Policy]
EVERY = [*ALONE, *MIXED]


def told(policies: object) -> str:
    """A name for a test."""
    if not isinstance(policies, Policies):
        return str(getattr(policies, "value", policies))
    return "+".join([policies.base.value, *(rule.policy.value for rule in policies.rules.values())])


_SETS = (["x"], ["x", "y"], ["y", "z"], ["NULL"], ['q"\\,'])
_DYNAMODB: Mapping[str, Sequence[Any]] = {
    NUMBER: [{"N": n} for n in ("0", "1", "5", "-2", "0.25", "1E+60")] + [{"S": "none"}],
    TAGS: [{"SS": each} for each in _SETS] + [{"NS": ["1", "2"]}, {"S": "none"}],
    MOST: [{"N": "1"}, {"N": "1.0"}, {"N": "20"}, {"S": "3"}, {"NULL": True}, {"SS": ["x", "y"]}],
    LONGEST: [{"S": "a"}, {"S": "b"}, {"S": "long"}, {"N": "12"}, {"NULL": True}],
    "one": [{"S": "a"}, {"S": "b"}],
}
_POSTGRESQL: Mapping[str, Sequence[Any]] = {
    NUMBER: [{"S": n} for n in ("0", "1", "1.00", "-2", "0.25", "none")] + [{"NULL": True}],
    TAGS: [{"S": t} for t in ("{}", "{x}", "{x,y}", "{y,z}", '{"NULL"}', '{"q\\"\\\\,"}', "{{x}}")] + [{"NULL": True}],
    MOST: [{"S": n} for n in ("1", "1.0", "20", "3", "text")] + [{"NULL": True}],
    LONGEST: [{"S": "a"}, {"S": "b"}, {"S": "long"}, {"NULL": True}],
    "one": [{"S": "a"}, {"S": "b"}],
}


class _Tape:
    """The choices of a history as bytes, 0 the simplest; a tape that ends goes on with zeros. One draw is quicker."""

    def __init__(self, choices: bytes) -> None:
        self._left = iter(choices)

    def below(self, limit: int) -> int:
        """A number from 0 to just below the limit."""
        return next(self._left, 0) % limit

    def pick(self, options: Sequence[T]) -> T:
        """One of some options."""
        return options[self.below(len(options))]


@dataclass
class _Region:
    """What one region knows of the row. shown: contents that it has shown, the newest last; empty for no row."""

    name: str
    known: RowState | None = None
    deletion: Version = ALWAYS
    last: Version = ALWAYS
    shown: list[Image] = field(default_factory=lambda: [{}])

    @property
    def alive(self) -> RowState | None:
        """The row's state, none where it is deleted."""
        return self.known if self.known is not None and self.known.incarnation >= self.deletion else None


@dataclass
class History:
    """What has happened. states: all that were ever reached. writes: what was known, and what was written on top."""

    lattice: StateLattice
    regions: list[_Region]
    states: list[RowState] = field(default_factory=list)
    writes: list[tuple[RowState, RowState]] = field(default_factory=list)

    def write(self, region: _Region, old: Image, touched: Mapping[str, AttributeValue | None], at: int) -> None:
        """An application changes some attributes of what it has read; what is none goes."""
        new = {name: value for name, value in {**old, **touched}.items() if value is not None}
        version = self._version(region, at)
        moment = Moment(version, version.sequence)
        state = self.lattice.written(region.known, old, new, moment, region.deletion)
        if region.alive is not None:
            self.writes.append((region.alive, state))
        self._reach(region, state)

    def delete(self, region: _Region, at: int) -> None:
        """An application deletes the row."""
        if region.alive is not None:
            region.deletion = self._version(region, at)
            region.shown.append({})

    def join(self, here: _Region, there: _Region) -> None:
        """What one region knows arrives in another."""
        here.deletion = max(here.deletion, there.deletion)
        if there.alive is not None and there.alive.incarnation >= here.deletion:
            self._reach(here, self.lattice.join(here.known, there.alive) if here.known else there.alive)
        if here.alive is None:
            here.shown.append({})

    def _reach(self, region: _Region, state: RowState) -> None:
        region.known = state
        region.shown.append(self.lattice.visible(state))
        self.states.append(state)

    @staticmethod
    def _version(region: _Region, at: int) -> Version:
        seen = [region.last, region.deletion, *([region.known.version] if region.known else [])]
        timestamp = max(at, *(each.timestamp + 1 for each in seen))
        region.last = Version(timestamp, region.last.sequence + 1, region.name)
        return region.last


def histories(policies: Policies, notation: Notation, length: int = 60) -> st.SearchStrategy[History]:
    """Histories of two to four regions, in which at least one state is reached. length: of the tape."""
    lattice = StateLattice(policies, notation)
    return st.binary(min_size=length, max_size=length).map(lambda choices: _play(lattice, _Tape(choices)))


def _play(lattice: StateLattice, tape: _Tape) -> History:
    known = _DYNAMODB if lattice.notation is Notation.DYNAMODB else _POSTGRESQL
    values = {**known, LEAST: known[MOST], "two": known["one"]}
    names = [*lattice.policies.rules, *PLAIN]
    regions = REGIONS[: 2 + tape.below(3)]
    history = History(lattice, [_Region(name) for name in regions])
    for step in range(1 + tape.below(12)):
        here = tape.pick(history.regions)
        match tape.pick("wwwwjjjd") if step else "w":
            case "w":
                stale = tape.pick((0, 0, 0, 1, 2))
                old = here.shown[max(-1 - stale, -len(here.shown))] if here.alive else {}
                chosen = [tape.pick(names) for _ in range(tape.below(4))]
                touched = {name: tape.pick([*values[name], None]) for name in chosen}
                history.write(here, old, touched, 1 + tape.below(9))
            case "j":
                history.join(here, tape.pick(history.regions))
            case "d":
                history.delete(here, 1 + tape.below(9))
    return history
