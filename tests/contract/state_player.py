"""Plays statements against a table whose triggers keep states, beside the rules that they are to follow."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from psycopg import sql

from distributary.domain.crdt import ALWAYS, AttributeState, Chosen, Counter, Moment, Total
from distributary.domain.image import Image
from distributary.domain.notation import Notation, elements_of
from distributary.domain.plain import canonical_text
from distributary.domain.policies import AttributePolicy, AttributeRule, Handed, Policies
from distributary.domain.row_state import RowState, StateLattice
from distributary.domain.stamp import Stamp, Writer, parse
from distributary.domain.state_documents import document_of, state_from
from distributary.domain.version import NOTHING_SEEN, Version
from tests.contract.aurora_sites import Site

HERE, THERE = "us-east-1", "eu-west-1"

COLUMNS = {
    "note": "text", "other": "json", "exact": "numeric", "whole": "bigint", "cents": "numeric(12,2)",
    "tags": "text[]", "ids": "integer[]", "high": "numeric", "low": "integer", "day": "timestamptz",
    "longest": "text", "rate": "numeric", "ever": "boolean", "bag": "jsonb",
}  # fmt: skip
RULES = {
    "exact": AttributePolicy.COUNTER, "whole": AttributePolicy.COUNTER, "cents": AttributePolicy.COUNTER,
    "tags": AttributePolicy.ADD_WINS_SET, "ids": AttributePolicy.ADD_WINS_SET,
    "high": AttributePolicy.MAX, "low": AttributePolicy.MIN, "day": AttributePolicy.MAX,
}  # fmt: skip
HANDED = {"longest": Handed.TEXT, "rate": Handed.NUMBER, "ever": Handed.BOOLEAN, "bag": Handed.JSON}
ATTRIBUTES = {
    **{f"public.t.{name}": AttributeRule(policy) for name, policy in RULES.items()},
    **{f"public.t.{name}": AttributeRule(AttributePolicy.CUSTOM, f"users:{name}", h) for name, h in HANDED.items()},
}


def _together(one: Any, other: Any) -> Any:
    """Of two objects all members; of anything else the one whose text comes later."""
    if isinstance(one, dict) and isinstance(other, dict):
        shared = {name: _together(one[name], other[name]) for name in one.keys() & other.keys()}
        return {**one, **other, **shared}
    return max(one, other, key=canonical_text)


FUNCTIONS = {
    "users:longest": lambda one, other: max(one, other, key=lambda text: (len(text), text)),
    "users:rate": lambda one, other: max(one, other, key=lambda number: (abs(number), number)),
    "users:ever": lambda one, other: one or other,
    "users:bag": _together,
}

AHEAD = Version(4_000_000_000_000_000, 0, THERE)
DOUBTFUL = Stamp(AHEAD, NOTHING_SEEN.including(AHEAD), Writer.REPLICATION).text()
"""A stamp of a clock that is a lifetime ahead."""

_UNNUMBERED = 1 << 40
"""The number of a total that a reference was given; the trigger counts each counter's own."""


@dataclass(frozen=True)
class Shown:
    """A row as it is: what an application sees, as the log tells it, and what we keep."""

    content: Image
    stamp: Stamp | None
    document: Mapping[str, Any] | None

    def state(self, lattice: StateLattice) -> RowState | None:
        """The state; none where the stamp is not to be believed."""
        if self.stamp is None:
            return None
        return state_from(self.document, self.content, self.stamp.version, self.stamp.context, lattice)


@dataclass
class Player:
    """One table `t` of a site, prepared. Values are literals of PostgreSQL's, none for NULL."""

    site: Site
    policies: Policies

    @property
    def lattice(self) -> StateLattice:
        return StateLattice(self.policies, Notation.POSTGRESQL)

    def row(self, key: int) -> Shown | None:
        names = ["id", *COLUMNS]
        texts = ", ".join(f"CASE WHEN {name} IS NOT NULL THEN format('%s', {name}) END" for name in names)
        found = self.site.ask(f"SELECT replication_stamp, replication_state, {texts} FROM t WHERE id = {key}")
        if not found:
            return None
        ((stamp, document, *values),) = found
        believed = parse(stamp) if stamp != DOUBTFUL else None
        return Shown(_image(names, values), believed, json.loads(document) if document is not None else None)

    def insert(self, key: int, values: Mapping[str, str | None]) -> None:
        """An insert; what it must leave is compared."""
        incarnation = self._deletion(key)
        self._run("INSERT INTO t ({}) VALUES ({})", {"id": str(key), **values})
        self._check(key, None, {}, self._told(key, values), incarnation)

    def update(self, key: int, values: Mapping[str, str | None]) -> None:
        before = self.row(key)
        assert before is not None
        settings = sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(name), _typed(name, value)) for name, value in values.items()
        )
        self.site.application.execute(sql.SQL("UPDATE t SET {} WHERE id = {}").format(settings, sql.Literal(key)))
        known = before.state(self.lattice)
        incarnation = known.incarnation if known is not None else self._deletion(key)
        self._check(key, known, before.content, {**before.content, **self._values(values)}, incarnation)

    def doubt(self, key: int) -> None:
        """A stamp that nobody believes, as a broken clock leaves it; the state beside it is not believed either."""
        with self.site.application.transaction():
            self.site.write("SELECT set_config('distributary.applying', 'on', true)")
            self.site.write(f"UPDATE t SET replication_stamp = '{DOUBTFUL}' WHERE id = {key}")

    def move(self, key: int, to: int) -> None:
        before = self.row(key)
        assert before is not None
        incarnation = self._deletion(to)
        self.site.write(f"UPDATE t SET id = {to} WHERE id = {key}")
        self._check(to, None, {}, {**before.content, "id": {"S": str(to)}}, incarnation)

    def delete(self, key: int) -> None:
        self.site.write(f"DELETE FROM t WHERE id = {key}")
        assert self.row(key) is None

    def arrive(self, key: int, values: Mapping[str, str | None]) -> None:
        """What another region has written on top of this row, brought here as replication does."""
        before = self.row(key)
        assert before is not None
        known = before.state(self.lattice)
        if known is None or before.stamp is None:
            return
        version = Version(before.stamp.version.timestamp + 1, 7, THERE)
        written = {**before.content, **self._values(values)}
        state = self.lattice.written(
            known, before.content, written, Moment(version, version.timestamp), known.incarnation
        )
        self.show(key, state)
        after = self.row(key)
        assert after is not None
        assert after.state(self.lattice) == self._as_kept(state), (after, state)

    def _as_kept(self, state: RowState) -> RowState:
        """The state with JSON as its column writes it: a function that joins knows no blanks."""
        bag = state.attributes["bag"]
        if not isinstance(bag.body, Chosen) or "S" not in bag.body.value:
            return state
        kept = self._values({"bag": bag.body.value["S"]})["bag"]
        return replace(state, attributes={**state.attributes, "bag": replace(bag, body=Chosen(kept))})

    def show(self, key: int, state: RowState) -> None:
        stamp = Stamp(state.version, state.context, Writer.REPLICATION).text()
        document = document_of(state)
        own = {"replication_stamp": stamp, "replication_state": json.dumps(document)}
        values = {**{name: value.get("S") for name, value in self.lattice.visible(state).items()}, **own}
        settings = sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(name), _typed(name, value)) for name, value in values.items()
        )
        with self.site.application.transaction():
            self.site.write("SELECT set_config('distributary.applying', 'on', true)")
            self.site.application.execute(sql.SQL("UPDATE t SET {} WHERE id = {}").format(settings, sql.Literal(key)))

    def forget(self, key: int) -> None:
        """A row as it was before its table had policies, or as regions that have none yet ship it."""
        with self.site.application.transaction():
            self.site.write("SELECT set_config('distributary.applying', 'on', true)")
            self.site.write(f"UPDATE t SET replication_state = NULL WHERE id = {key}")

    def _run(self, statement: str, values: Mapping[str, str | None]) -> None:
        names = sql.SQL(", ").join(map(sql.Identifier, values))
        typed = sql.SQL(", ").join(_typed(name, value) for name, value in values.items())
        self.site.application.execute(sql.SQL(statement).format(names, typed))

    def _told(self, key: int, values: Mapping[str, str | None]) -> Image:
        return {"id": {"S": str(key)}, **{name: {"NULL": True} for name in COLUMNS}, **self._values(values)}

    def _values(self, values: Mapping[str, str | None]) -> Image:
        """Values as the log would tell of them, had no trigger changed them."""
        if not values:
            return {}
        typed = sql.SQL(", ").join(
            sql.SQL("format('%s', {})").format(_typed(name, value)) for name, value in values.items()
        )
        texts = self.site.application.execute(sql.SQL("SELECT {}").format(typed)).fetchone()
        assert texts is not None
        told = [None if value is None else text for value, text in zip(values.values(), texts, strict=True)]
        return _image(list(values), told)

    def _deletion(self, key: int) -> Version:
        found = self.site.ask(f"SELECT stamp FROM distributary.tombstones WHERE key = '[\"{key}\"]'")
        return parse(found[0][0]).version if found else ALWAYS

    def _check(self, key: int, known: RowState | None, old: Image, new: Image, incarnation: Version) -> None:
        after = self.row(key)
        assert after is not None
        assert after.stamp is not None
        moment = Moment(after.stamp.version, _UNNUMBERED)
        wanted = _numbered(self.lattice.written(known, old, new, moment, incarnation), known)
        assert after.document is not None
        found = after.state(self.lattice)
        assert found is not None
        assert replace(found, context=NOTHING_SEEN) == replace(wanted, context=NOTHING_SEEN)
        if known is not None:
            assert found.context == wanted.context
        shown = {name: value for name, value in new.items() if name in HANDED}  # whoever knows the functions joins them
        self._check_shown(after.content, {**self.lattice.visible(wanted), **shown})

    def _check_shown(self, found: Image, wanted: Image) -> None:
        assert found.keys() == wanted.keys()
        for name, value in wanted.items():
            if RULES.get(name) is AttributePolicy.ADD_WINS_SET and elements_of(value, Notation.POSTGRESQL):
                assert elements_of(found[name], Notation.POSTGRESQL) == elements_of(value, Notation.POSTGRESQL)
                elements = found[name]["S"][1:-1].split(",") if name == "ids" else []
                assert elements == sorted(elements)
            elif name == "cents" and "S" in value:
                assert Decimal(found[name]["S"]) == Decimal(value["S"])
            else:
                assert found[name] == value, name


def _image(names: Sequence[str], texts: Sequence[str | None]) -> Image:
    return {name: {"S": text} if text is not None else {"NULL": True} for name, text in zip(names, texts, strict=True)}


def _typed(name: str, value: str | None) -> sql.Composable:
    return sql.SQL("{}::{}").format(sql.Literal(value), sql.SQL({"id": "int", **COLUMNS}.get(name, "text")))


def _numbered(state: RowState, known: RowState | None) -> RowState:
    """The state, with the number of each total that was written one above the one before it."""
    return replace(
        state, attributes={name: _numbered_part(name, each, known) for name, each in state.attributes.items()}
    )


def _numbered_part(name: str, part: AttributeState, known: RowState | None) -> AttributeState:
    if not isinstance(part.body, Counter) or part.body.totals.get(HERE, Total(0, Decimal(0))).number != _UNNUMBERED:
        return part
    before = known.attributes.get(name) if known is not None else None
    same = before is not None and before.era == part.era and isinstance(before.body, Counter)
    number = before.body.totals.get(HERE, Total(0, Decimal(0))).number if same and before is not None else 0  # type: ignore[union-attr]
    total = Total(number + 1, part.body.totals[HERE].amount)
    return replace(part, body=replace(part.body, totals={**part.body.totals, HERE: total}))
