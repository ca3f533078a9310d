"""Writes of one row as any application makes them: the triggers give them a version, and capture ships them."""

from __future__ import annotations

from distributary.adapters.aurora.catalog import Table
from distributary.adapters.aurora.fragments import listed, parameters, rows, same_key
from distributary.adapters.aurora.names import quoted
from distributary.adapters.aurora.session import Session
from distributary.domain.errors import NothingFound, RejectedByDatabase
from distributary.domain.image import Image, content_of


def put(session: Session, table: Table, image: Image) -> None:
    """Insert the row, or update it to these columns; columns that the image lacks stay as they are.

    Raises RejectedByDatabase for an image that the table cannot hold, and what `Session` does.
    """
    columns = _columns(table, image)
    # Of a key only the value is written, by the insert: it is the same row.
    changed = [name for name in columns if name not in table.key and not _always(table, name)]
    settings = ", ".join(f"{quoted(name)} = excluded.{quoted(name)}" for name in changed)
    taken = f"DO UPDATE SET {settings}" if settings else "DO NOTHING"
    statement = f"""{rows(table, columns)}
INSERT INTO {table.name.text()} ({listed(columns)}) OVERRIDING SYSTEM VALUE SELECT {listed(columns, "s")} FROM s
ON CONFLICT ({listed(table.key)}) {taken}"""
    session.run(statement, *_texts(image, columns))


def update(session: Session, table: Table, key: Image, values: Image) -> None:
    """Give columns of a row these values; raises as `put` does, and NothingFound where it is not there."""
    columns = _columns(table, {**key, **values})
    changed = [name for name in columns if name not in table.key and not _always(table, name)]
    settings = ", ".join(f"{quoted(name)} = s.{quoted(name)}" for name in changed)
    statement = f"""{rows(table, columns)}
UPDATE {table.name.text()} t SET {settings} FROM s WHERE {same_key(table)} RETURNING 1"""
    if changed and not session.run(statement, *_texts({**key, **values}, columns)):
        raise NothingFound("the row is not there any more, so there is nothing to give its columns back to")


def delete(session: Session, table: Table, key: Image) -> None:
    """Delete the row, if it is there; raises as `put` does."""
    statement = f"{rows(table, table.key)} DELETE FROM {table.name.text()} t USING s WHERE {same_key(table)}"
    _columns(table, key)
    session.run(statement, *_texts(key, table.key))


def _columns(table: Table, image: Image) -> tuple[str, ...]:
    """The columns of the image that can be written; it must have the key and none that the table lacks."""
    content = content_of(image)
    known = {column.name: column for column in table.columns}
    lacking = [*sorted(set(table.key) - content.keys()), *sorted(content.keys() - known.keys())]
    if lacking:
        raise RejectedByDatabase(f"{table.name.text()} and the row do not agree in the column {lacking[0]!r}")
    return tuple(sorted(name for name in content if not known[name].generated))


def _always(table: Table, name: str) -> bool:
    column = table.column(name)
    return column is not None and column.always


def _texts(image: Image, columns: tuple[str, ...]) -> tuple[str, ...]:
    return parameters(*([image[name].get("S")] for name in columns))
