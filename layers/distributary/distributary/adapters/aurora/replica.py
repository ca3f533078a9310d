"""One table of a PostgreSQL database as a replica: many rows a statement, and rows at fault told from the others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from distributary.adapters.aurora import statements
from distributary.adapters.aurora.bulk import PostgresBulk, but_for_unfit_keys, own_texts, written
from distributary.adapters.aurora.catalog import Table
from distributary.adapters.aurora.fragments import parameters
from distributary.adapters.aurora.halving import rows_at_fault
from distributary.adapters.aurora.session import Row as Answer
from distributary.domain.errors import ItemTooLarge, MalformedStamp, Misconfigured
from distributary.domain.image import OWN_ATTRIBUTES, STAMP_ATTRIBUTE, STATE_ATTRIBUTE, Image, key_text
from distributary.domain.row import Row, State, Tombstone
from distributary.domain.stamp import Stamp, Writer, parse
from distributary.domain.steps import Remember, Write
from distributary.ports import Outcome


class PostgresReplica(PostgresBulk):
    """`ports.Replica` of one table, beside `ports.Bulk`.

    Rows are looked at by what we keep in them, unless they are looked at whole; a write is conditional on the stamp
    alone, which every write changes.
    """

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

        but_for_unfit_keys(rows_at_fault(ask, range(len(keys))))
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
        names = written(table, columns)
        own = own_texts(table, [_stamp_in(image) for image in images], [_state_in(image) for image in images])
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


def _texts(names: Sequence[str], images: Sequence[Image]) -> list[Sequence[str | None]]:
    """A column of texts for each name."""
    return [[image[name].get("S") for image in images] for name in names]


def _stamp_in(image: Image) -> str | None:
    value = image.get(STAMP_ATTRIBUTE)
    return value["S"] if value else None


def _state_in(image: Image) -> str | None:
    value = image.get(STATE_ATTRIBUTE)
    return value["S"] if value else None


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
