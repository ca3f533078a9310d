"""One table of a PostgreSQL database as a replica: many rows a statement, and rows at fault told from the others."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeAlias

from distributary.adapters.aurora import plain_statements, statements
from distributary.adapters.aurora.catalog import Table
from distributary.adapters.aurora.dependents import references
from distributary.adapters.aurora.fragments import parameters
from distributary.adapters.aurora.halving import OF_A_ROW, rows_at_fault
from distributary.adapters.aurora.names import TableName
from distributary.adapters.aurora.session import Row as Answer
from distributary.adapters.aurora.session import Session
from distributary.domain.block import Block, Taken
from distributary.domain.errors import (
    DistributaryError,
    ItemTooLarge,
    MalformedStamp,
    Misconfigured,
    RejectedByDatabase,
    SchemaDiffers,
)
from distributary.domain.image import OWN_ATTRIBUTES, STAMP_ATTRIBUTE, STATE_ATTRIBUTE, Image, key_text
from distributary.domain.row import Row, State, Tombstone
from distributary.domain.stamp import Stamp, Writer, parse
from distributary.domain.steps import Remember, Write
from distributary.ports import Outcome

DECIDED = 50
"""Rows that take a decision each where one statement for them failed: fewer would cost more than they save."""

TableOf: TypeAlias = Callable[[TableName, bool], Table]
"""The description of a table, read anew where asked to; raises UnknownTable."""


class PostgresReplica:
    """`ports.Replica` and `ports.Bulk` of one table.

    Rows are looked at by what we keep in them, unless they are looked at whole; a write is conditional on the stamp
    alone, which every write changes. stateful: the policies need a memory, so nothing goes without the column for it.
    """

    def __init__(self, session: Session, name: TableName, table_of: TableOf, *, stateful: bool = False) -> None:
        self._session, self._name, self._table_of, self._stateful = session, name, table_of, stateful

    def look(self, keys: Sequence[Image], *, whole: bool = False) -> Mapping[str, State]:
        """See `ports.Replica`."""
        found: dict[str, State] = {}
        if not keys:
            return found
        table = self._checked(keys[0])
        for number, there, deletion, *values in self._ask(statements.look_whole if whole else statements.look, keys):
            row = Row(statements.image_of(table, values)) if there else None
            tombstone = _tombstone(deletion)
            found[key_text(keys[number])] = State(row, tombstone, tombstone)
        return found

    def look_back(self, keys: Sequence[Image]) -> Mapping[str, Tombstone | None]:
        """See `ports.Replica`. A key that fits no row here has none."""
        found: dict[str, Tombstone | None] = {key_text(key): None for key in keys}

        def ask(some: Sequence[int]) -> None:
            for number, stamp in self._ask(statements.look_back, [keys[at] for at in some]):
                found[key_text(keys[some[number]])] = _tombstone(stamp)

        _but_for_unfit_keys(rows_at_fault(ask, range(len(keys))))
        return found

    def write(self, writes: Sequence[tuple[Image, Write]]) -> Sequence[Outcome]:
        """See `ports.Replica`; a row that cannot be written is told alone, by halving."""
        groups: dict[tuple[bool, frozenset[str]], list[int]] = {}
        for number, (_, write) in enumerate(writes):
            columns = frozenset((write.image or {}).keys() - OWN_ATTRIBUTES)
            groups.setdefault((write.expected is None, columns), []).append(number)
        outcomes: list[Outcome] = [False] * len(writes)
        for (inserts, columns), numbers in groups.items():

            def attempt(some: Sequence[int], inserts: bool = inserts, columns: frozenset[str] = columns) -> None:
                for (at,) in self._write([writes[number] for number in some], inserts=inserts, columns=columns):
                    outcomes[some[at]] = True

            for number, error in self._at_fault(attempt, numbers).items():
                outcomes[number] = error
        return outcomes

    def remember(self, notes: Sequence[tuple[Image, Remember]]) -> Sequence[Outcome]:
        """See `ports.Replica`."""
        outcomes: list[Outcome] = [False] * len(notes)
        for fresh in (True, False):
            numbers = [at for at, (_, note) in enumerate(notes) if (note.expected is None) == fresh]

            def attempt(some: Sequence[int], fresh: bool = fresh) -> None:
                for (at,) in self._remember([notes[number] for number in some], fresh=fresh):
                    outcomes[some[at]] = True

            for number, error in (self._at_fault(attempt, numbers) if numbers else {}).items():
                outcomes[number] = error
        return outcomes

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

        _but_for_unfit_keys(rows_at_fault(ask, range(len(block))))
        return found

    def _put_plain(self, block: Block) -> Taken:
        table = self._checked(block.key)
        columns = _written(table, block.columns)
        own = _own(table, block.stamps, block.states)
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

    def _ask(self, statement: Callable[[Table], str], keys: Sequence[Image]) -> list[Answer]:
        """Number of the key, and what the statement tells of it; by halves where an answer would be too large."""
        if not keys:
            return []
        table = self._checked(keys[0])
        try:
            return self._session.run(statement(table), *parameters(*_texts(table.key, keys)))
        except ItemTooLarge:
            middle = len(keys) // 2
            if not middle:
                raise
            rest = self._ask(statement, keys[middle:])
            return self._ask(statement, keys[:middle]) + [(number + middle, *told) for number, *told in rest]

    def _write(self, writes: Sequence[tuple[Image, Write]], *, inserts: bool, columns: Collection[str]) -> list[Answer]:
        table = self._checked(writes[0][0])
        expected = [_stamp_in(write.expected.image if write.expected else {}) for _, write in writes]
        if not columns:
            texts = [expected, *_texts(table.key, [key for key, _ in writes])]
            return self._session.run(statements.delete(table), *parameters(*texts))
        images = [write.image or {} for _, write in writes]
        names = _written(table, columns)
        own = _own(table, [_stamp_in(image) for image in images], [_state_in(image) for image in images])
        if inserts:
            texts = [*own, *_texts(names, images)]
            return self._session.run(statements.insert(table, names), *parameters(*texts))
        texts = [*own, expected, *_texts(names, images)]
        return self._session.run(statements.update(table, names), *parameters(*texts))

    def _remember(self, notes: Sequence[tuple[Image, Remember]], *, fresh: bool) -> list[Answer]:
        table = self._checked(notes[0][0])
        keys = _texts(table.key, [key for key, _ in notes])
        stamps = [_text_of(note.tombstone) for _, note in notes]
        if fresh:
            return self._session.run(statements.note(table), *parameters(stamps, *keys))
        expected = [_version_and_context(_text_of(note.expected)) for _, note in notes if note.expected is not None]
        return self._session.run(statements.note_again(table), *parameters(stamps, expected, *keys))

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


def _written(table: Table, names: Collection[str]) -> tuple[str, ...]:
    """The columns to write, in the table's order; what the database generates it generates here too."""
    missing = sorted(set(names).difference(column.name for column in table.columns))
    if missing:
        raise SchemaDiffers(f"{table.name.text()} has no column {', '.join(missing)}")
    return tuple(column.name for column in table.columns if column.name in names and not column.generated)


def _texts(names: Sequence[str], images: Sequence[Image]) -> list[Sequence[str | None]]:
    """A column of texts for each name."""
    return [[image[name].get("S") for image in images] for name in names]


def _stamp_in(image: Image) -> str | None:
    value = image.get(STAMP_ATTRIBUTE)
    return value["S"] if value else None


def _state_in(image: Image) -> str | None:
    value = image.get(STATE_ATTRIBUTE)
    return value["S"] if value else None


def _own(table: Table, stamps: Sequence[str | None], states: Sequence[str | None] | None) -> list[Sequence[str | None]]:
    """What goes into our columns of a table; raises SchemaDiffers where states have no column yet."""
    if table.stateful:
        return [stamps, states if states is not None else [None] * len(stamps)]
    if states is not None and any(text is not None for text in states):
        raise _no_column(table)
    return [stamps]


def _no_column(table: Table) -> SchemaDiffers:
    return SchemaDiffers(f"{table.name.text()} has no column {STATE_ATTRIBUTE}: run `distributary aurora install`")


def _tombstone(stamp: str | None) -> Tombstone | None:
    if stamp is None:
        return None
    try:
        known = parse(stamp)
    except MalformedStamp as error:
        raise Misconfigured(f"a tombstone cannot be read: {error}") from error  # taken for none, the row came back
    return Tombstone(known.version, known.context)


def _text_of(tombstone: Tombstone) -> str:
    if tombstone.deletion is None:
        raise ValueError("a tombstone without a deletion")
    context = tombstone.context.including(tombstone.deletion)
    return Stamp(tombstone.deletion, context, Writer.REPLICATION).text()


def _version_and_context(stamp: str) -> str:
    version, _, _, _, context = stamp.split(" ")
    return f"{version} {context}"


def _but_for_unfit_keys(faults: Mapping[int, DistributaryError]) -> None:
    """Raises an error of a question, unless a key is none any more, as where its column has another type now."""
    for error in faults.values():
        if not isinstance(error, RejectedByDatabase):
            raise error
