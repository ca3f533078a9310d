"""The log of a PostgreSQL database as capture sees it: a slot that is peeked at, and advanced after the hand-over.

Reading does not consume: `pg_logical_slot_get_changes` would, even in a transaction that is rolled back. Positions are
kept twice, in the slot and, before the slot is told, in our own checkpoint: a slot that is behind the checkpoint has
moved back (a crash of the server; changes repeat), one that is ahead was consumed by somebody else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from distributary.adapters.aurora import statements
from distributary.adapters.aurora.catalog import ALTERED, SCHEMA, Table
from distributary.adapters.aurora.names import TableName, table_name
from distributary.adapters.aurora.pgoutput import Decoder
from distributary.adapters.aurora.positions import format_lsn, parse_lsn
from distributary.adapters.aurora.replica import numbered
from distributary.adapters.aurora.session import Session, StreamingSession
from distributary.adapters.aurora.statements import EXPECTED
from distributary.adapters.aurora.transactions import Assembler
from distributary.domain.alert import Alert, AlertKind
from distributary.domain.errors import NotInstalled, SchemaDiffers, SlotLost, Unavailable
from distributary.domain.image import Image
from distributary.domain.logged import Holding, Logged, Portion

SIZE = 2_000
"""Messages that are in memory at once, whatever the size of a transaction."""

PURGED_AT_ONCE = 5_000
TOMBSTONE_DAYS = 45

_PEEK = """SELECT data FROM pg_catalog.pg_logical_slot_peek_binary_changes($1, NULL, $2::integer,
    'proto_version', '1', 'publication_names', $3)"""
_LOCK = "SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended($1, 0))"
_SLOT = f"""SELECT s.confirmed_flush_lsn::text, coalesce(s.wal_status, 'reserved'),
    (SELECT c.lsn::text FROM {SCHEMA}.checkpoint c WHERE c.slot = $1),
    pg_catalog.pg_is_in_recovery(),
    CASE WHEN NOT pg_catalog.pg_is_in_recovery()
         THEN coalesce(pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), s.restart_lsn), 0)::bigint END
    FROM (SELECT) one LEFT JOIN pg_catalog.pg_replication_slots s ON s.slot_name = $1"""
_CHECKPOINT = f"""INSERT INTO {SCHEMA}.checkpoint (slot, lsn) VALUES ($1, $2::pg_lsn)
    ON CONFLICT (slot) DO UPDATE SET lsn = excluded.lsn, at = pg_catalog.clock_timestamp()"""
_PURGE = f"""DELETE FROM {SCHEMA}.tombstones WHERE (relation, key) IN (SELECT relation, key FROM {SCHEMA}.tombstones
    WHERE deleted_at < pg_catalog.clock_timestamp() - pg_catalog.make_interval(days => {TOMBSTONE_DAYS})
    LIMIT {PURGED_AT_ONCE})"""


@dataclass(frozen=True, slots=True)
class Identity:
    """Which replica the log is of, and the name of its slot and publication."""

    dataset: str
    region: str
    slot: str


class PostgresChangeLog:
    """`ports.ChangeLog` over a logical slot. table_of: a table's description. now: microseconds.

    reader: reads the slot, in a transaction that is open while portions are worked on, and holds the lock. session: for
    all else; what is read and written there must not wait for that transaction.
    """

    def __init__(
        self,
        reader: StreamingSession,
        session: Session,
        identity: Identity,
        table_of: Callable[[TableName, bool], Table],
        now: Callable[[], int],
    ) -> None:
        self._reader, self._session, self._table_of, self._now = reader, session, table_of, now
        self._identity, self._slot = identity, identity.slot
        self._seen = ""

    def hold(self) -> Holding | None:
        """See `ports.ChangeLog`. The lock is the session's, so it ends with the session, however that ends."""
        self._reader.run("SELECT pg_catalog.pg_advisory_unlock_all()")
        ((held,),) = self._reader.run(_LOCK, self._slot)
        if not held:
            return None
        retained = self._check_slot()
        self._session.run(_PURGE)
        altered = [str(relation) for relation, same in self._session.run(ALTERED) if not same]
        told = "other columns than when it was taken in"
        return Holding(tuple(Alert(AlertKind.SCHEMA_CHANGED, relation, told) for relation in altered), retained)

    def release(self) -> None:
        """See `ports.ChangeLog`. A function that sleeps between two calls must not keep the lock: its session ends."""
        self._reader.close()

    def read(self, limit: int) -> Iterator[Portion]:
        """See `ports.ChangeLog`. A look at the log's end saves a reading that would tell nothing.

        That end is what has reached the disk, since the slot reads no further.
        """
        ((end,),) = self._session.run("SELECT pg_catalog.pg_current_wal_flush_lsn()::text")
        if end == self._seen:
            return
        decoder = Decoder()
        assembler = Assembler(self._identity.dataset, self._identity.region, self._table_of, self._now())
        told = False
        for rows in self._reader.stream(_PEEK, self._slot, limit, self._slot, size=SIZE):
            told = True
            yield assembler.take([decoder.decode(data) for (data,) in rows])
        if not told:
            self._seen = end

    def complete(self, writes: Sequence[Logged]) -> Sequence[Logged]:
        """See `ports.ChangeLog`."""
        groups: dict[tuple[str, tuple[str, ...]], list[Logged]] = {}
        for each in writes:
            groups.setdefault((each.change.table, each.missing), []).append(each)
        found: list[Logged] = []
        for (table, missing), some in groups.items():
            sql = statements.complete(self._table_of(table_name(table), False), missing)
            rows = {at: {**_texts(each.change.key), EXPECTED: each.stamp} for at, each in enumerate(some)}
            for at, text in self._session.run(sql, numbered(rows)):
                found.append(_completed(some[at], json.loads(text)))
        return found

    def advance(self, end: int | None) -> None:
        """See `ports.ChangeLog`. None: to where the log ended when it was last found to tell nothing."""
        position = format_lsn(end) if end is not None else self._seen
        if not position:
            return
        self._session.run(_CHECKPOINT, self._slot, position)
        self._reader.run("SELECT pg_catalog.pg_replication_slot_advance($1, $2::pg_lsn)", self._slot, position)

    def _check_slot(self) -> int:
        """Raises what is wrong with the slot; gives the bytes of log that it keeps."""
        try:
            ((confirmed, status, checkpoint, replica, retained),) = self._session.run(_SLOT, self._slot)
        except SchemaDiffers as error:
            raise NotInstalled("the database was not prepared for replication") from error
        if replica:
            self._reader.close()
            self._session.close()
            raise Unavailable("this node only reads: the writer is elsewhere since a failover")
        if confirmed is None:
            if checkpoint is None:
                raise NotInstalled(f"slot {self._slot} is not there")
            raise SlotLost(f"slot {self._slot} is gone; handed over was all up to {checkpoint}")
        if status == "lost":
            raise SlotLost(f"slot {self._slot} is invalid; handed over was all up to {checkpoint}")
        if checkpoint is None:
            self._session.run(_CHECKPOINT, self._slot, confirmed)
        elif parse_lsn(confirmed) > parse_lsn(checkpoint):
            raise SlotLost(f"slot {self._slot} was consumed by somebody else, from {checkpoint} to {confirmed}")
        return int(retained)


def _texts(image: Image) -> dict[str, str | None]:
    return {name: value.get("S") for name, value in image.items()}


def _completed(write: Logged, texts: dict[str, str | None]) -> Logged:
    added = {name: {"S": text} if text is not None else {"NULL": True} for name, text in texts.items()}
    image = {**(write.change.image or {}), **added}
    return replace(write, change=replace(write.change, image=image), missing=())
