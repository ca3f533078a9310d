"""A schema of its own in a PostgreSQL database, and a logical slot that tells what happens there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import uuid4

import psycopg

from distributary.adapters.aurora.messages import Message
from distributary.adapters.aurora.pgoutput import Decoder

_PEEK = """
    SELECT lsn::text, xid::text::bigint, data FROM pg_logical_slot_peek_binary_changes(%(slot)s, NULL, NULL,
        'proto_version', %(protocol)s, 'publication_names', %(publication)s, 'messages', 'true',
        'streaming', %(streaming)s)
"""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Told:
    """What the slot told at one place of the log: position and transaction by PostgreSQL, and the message."""

    lsn: str
    xid: int
    message: Message


@dataclass(frozen=True, slots=True)
class Source:
    """Where applications write. What they did before `watch` is not told."""

    connection: psycopg.Connection
    address: str
    name: str
    """Of the schema, the publication and the slot."""
    version: int

    def run(self, *statements: str) -> None:
        """Each statement in a transaction of its own."""
        for statement in statements:
            self.connection.execute(statement.encode())

    def together(self, *statements: str) -> None:
        """All statements in one transaction."""
        with self.connection.transaction():
            self.run(*statements)

    def watch(self, options: str = "", *, of: str = "") -> None:
        """Publish the schema, or what `of` says, and start to keep what happens."""
        self.run(f"CREATE PUBLICATION {self.name} FOR {of or f'TABLES IN SCHEMA {self.name}'} {options}")
        self.ask("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", self.name)

    def peek(self, protocol: int = 1, *, streaming: bool = False) -> list[Told]:
        """All that the slot has to tell, from its start; it keeps it."""
        options = {"slot": self.name, "publication": self.name, "protocol": str(protocol)}
        rows = self.connection.execute(_PEEK, {**options, "streaming": "on" if streaming else "off"})
        decoder = Decoder()
        return [Told(lsn, xid, decoder.decode(data)) for lsn, xid, data in rows]

    def messages(self, protocol: int = 1, *, streaming: bool = False) -> list[Message]:
        return [told.message for told in self.peek(protocol, streaming=streaming)]

    def all(self, kind: type[T]) -> list[T]:
        """The messages of a kind."""
        return [each for each in self.messages() if isinstance(each, kind)]

    def one(self, kind: type[T]) -> T:
        """The only message of a kind."""
        (found,) = self.all(kind)
        return found

    def ask(self, question: str, *parameters: object) -> tuple[Any, ...]:
        """The only row of the answer."""
        (row,) = self.connection.execute(question.encode(), parameters).fetchall()
        return tuple(row)

    @contextmanager
    def replaying(self) -> Iterator[None]:
        """Within, the connection writes as a replica that replays what was committed elsewhere, at A/FF."""
        self.ask("SELECT pg_replication_origin_create(%s)", self.name)
        self.ask("SELECT pg_replication_origin_session_setup(%s)", self.name)
        try:
            yield
        finally:
            self.ask("SELECT pg_replication_origin_session_reset()")
            self.ask("SELECT pg_replication_origin_drop(%s)", self.name)

    def drop(self) -> None:
        slots = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s"
        self.connection.execute(slots, [self.name])
        self.run(f"DROP PUBLICATION IF EXISTS {self.name}", f"DROP SCHEMA {self.name} CASCADE")


@contextmanager
def new_source(address: str) -> Iterator[Source]:
    """A source on a running server; nothing is left of it."""
    with psycopg.connect(address, autocommit=True) as connection:
        source = Source(connection, address, f"s{uuid4().hex}", connection.info.server_version // 10_000)
        source.run(f"CREATE SCHEMA {source.name}", f"SET search_path = {source.name}")
        try:
            yield source
        finally:
            source.drop()
