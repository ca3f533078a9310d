"""One table of a PostgreSQL database, many plain rows a statement; and what every statement of a table begins with."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeAlias

from distributary.adapters.aurora import plain_statements
from distributary.adapters.aurora.catalog import Table
from distributary.adapters.aurora.dependents import references
from distributary.adapters.aurora.fragments import parameters
from distributary.adapters.aurora.halving import OF_A_ROW, rows_at_fault
from distributary.adapters.aurora.names import TableName
from distributary.adapters.aurora.session import Session
from distributary.domain.block import Block, Taken
from distributary.domain.errors import DistributaryError, RejectedByDatabase, SchemaDiffers
from distributary.domain.image import STATE_ATTRIBUTE

DECIDED = 50
"""Rows that take a decision each where one statement for them failed: fewer would cost more than they save."""

TableOf: TypeAlias = Callable[[TableName, bool], Table]
"""The description of a table, read anew where asked to; raises UnknownTable."""


class PostgresBulk:
    """`ports.Bulk` of one table. stateful: the policies need a memory, so nothing goes without the column for it."""

    def __init__(self, session: Session, name: TableName, table_of: TableOf, *, stateful: bool = False) -> None:
        self._session, self._name, self._table_of, self._stateful = session, name, table_of, stateful

    def take(self, block: Block) -> Taken:
        """See `ports.Bulk`. What fails is halved down to a few rows, which are left."""
        inserted = replaced = deleted = 0
        left: set[int] = set()

        def attempt(some: Sequence[int]) -> None:
            nonlocal inserted, replaced, deleted
            part = block if len(some) == len(block) else block.slice(some[0], some[-1] + 1)
            taken = self._delete_plain(part) if block.deletes else self._put_plain(part)
            inserted, replaced, deleted = inserted + taken.inserted, replaced + taken.replaced, deleted + taken.deleted
            left.update(some[at] for at in taken.left)

        if block.deletes and references(self._session, self._name):  # whether others hang on a row takes a decision
            return Taken(left=range(len(block)))
        left.update(self._at_fault(attempt, range(len(block)), DECIDED))
        return Taken(inserted, replaced, deleted, sorted(left))

    def outlived(self, block: Block) -> Sequence[int]:
        """See `ports.Bulk`. A key that fits no row here is covered by none."""
        table = self._checked(block.key)
        found: list[int] = []

        def ask(some: Sequence[int]) -> None:
            part = block if len(some) == len(block) else block.pick(some)
            ((covered,),) = self._session.run(plain_statements.outlived(table), *self._keys(table, part))
            found.extend(some[at] for at in json.loads(covered or "[]"))

        but_for_unfit_keys(rows_at_fault(ask, range(len(block))))
        return found

    def _put_plain(self, block: Block) -> Taken:
        table = self._checked(block.key)
        columns = written(table, block.columns)
        own = own_texts(table, block.stamps, block.states)
        texts = parameters(*own, *(block.columns[name] for name in columns))
        ((inserted, replaced, rest),) = self._session.run(plain_statements.take(table, columns), *texts)
        left = json.loads(rest or "[]")
        if not inserted:
            return Taken(0, replaced, 0, left)
        # Between that statement's view of the tombstones and its end others may have noted newer ones.
        keys = [block.columns[name] for name in table.key]
        look_back = plain_statements.outlived_states if table.stateful else plain_statements.outlived
        ((covered,),) = self._session.run(look_back(table), *parameters(*own, *keys))
        outlived = set(json.loads(covered or "[]")).difference(left)
        return Taken(inserted - len(outlived), replaced, 0, [*left, *outlived])

    def _delete_plain(self, block: Block) -> Taken:
        """The tombstones first, and the rows in a transaction that begins when those are committed."""
        table = self._checked(block.key)
        ((rest,),) = self._session.run(plain_statements.note_plain(table), *self._keys(table, block))
        unnoted = set(json.loads(rest or "[]"))
        noted = [at for at in range(len(block)) if at not in unnoted] if unnoted else range(len(block))
        part = block.pick(noted) if unnoted else block
        ((rest,),) = self._session.run(plain_statements.delete_plain(table), *self._keys(table, part))
        stayed = [noted[at] for at in json.loads(rest or "[]")]
        return Taken(deleted=len(noted) - len(stayed), left=[*unnoted, *stayed])

    def _keys(self, table: Table, block: Block) -> tuple[str, ...]:
        return parameters(block.stamps, *(block.columns[name] for name in table.key))

    def _at_fault(
        self, attempt: Callable[[Sequence[int]], None], numbers: Sequence[int], least: int = 1
    ) -> dict[int, DistributaryError]:
        """See `rows_at_fault`; what was known of the table may be the fault, so it is looked up anew first."""
        try:
            attempt(numbers)
        except OF_A_ROW:
            self._table_of(self._name, True)
            return rows_at_fault(attempt, numbers, least)
        return {}

    def _checked(self, key: Collection[str]) -> Table:
        """The table; raises SchemaDiffers where its key is another than the change's, or states have no column yet."""
        table = self._table_of(self._name, False)
        if self._stateful and not table.stateful:  # it may have been installed since it was looked up
            table = self._table_of(self._name, True)
        if self._stateful and not table.stateful:
            raise _no_column(table)
        if set(table.key) != set(key):
            raise SchemaDiffers(f"the key of {self._name.text()} is {', '.join(table.key)}")
        return table


def written(table: Table, names: Collection[str]) -> tuple[str, ...]:
    """The columns to write, in the table's order; what the database generates it generates here too."""
    missing = sorted(set(names).difference(column.name for column in table.columns))
    if missing:
        raise SchemaDiffers(f"{table.name.text()} has no column {', '.join(missing)}")
    return tuple(column.name for column in table.columns if column.name in names and not column.generated)


def own_texts(
    table: Table, stamps: Sequence[str | None], states: Sequence[str | None] | None
) -> list[Sequence[str | None]]:
    """What goes into our columns of a table; raises SchemaDiffers where states have no column yet."""
    if table.stateful:
        return [stamps, states if states is not None else [None] * len(stamps)]
    if states is not None and any(text is not None for text in states):
        raise _no_column(table)
    return [stamps]


def _no_column(table: Table) -> SchemaDiffers:
    return SchemaDiffers(f"{table.name.text()} has no column {STATE_ATTRIBUTE}: run `distributary aurora install`")


def but_for_unfit_keys(faults: Mapping[int, DistributaryError]) -> None:
    """Raises an error of a question, unless a key is none any more, as where its column has another type now."""
    for error in faults.values():
        if not isinstance(error, RejectedByDatabase):
            raise error
