"""The log of a PostgreSQL database as capture sees it: a slot that is peeked at, and advanced after the hand-over.

Reading does not consume: `pg_logical_slot_get_changes` would, even in a transaction that is rolled back. Positions are
kept twice, in the slot and, before the slot is told, in our own checkpoint: a slot that is behind the checkpoint has
moved back (a crash of the server; changes repeat), one that is ahead was consumed by somebody else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from struct import Struct

from distributary.adapters.aurora.catalog import ALTERED, DISARMED, SCHEMA, Table
from distributary.adapters.aurora.completion import completed
from distributary.adapters.aurora.names import TableName, table_name
from distributary.adapters.aurora.positions import format_lsn, parse_lsn
from distributary.adapters.aurora.session import Parameter, Session, StreamingSession
from distributary.adapters.aurora.transactions import Assembler
from distributary.domain.alert import Alert, AlertKind
from distributary.domain.errors import NotInstalled, SchemaDiffers, SlotLost, Unacceptable, Unavailable
from distributary.domain.logged import Holding, Logged, Portion

SIZE, BYTES = 2_000, 4_000_000
"""At most so many changes, and about so many bytes of messages, are a portion, whatever the size of a transaction."""

TAKEN = 200
"""Messages that are taken at once, which are in memory beyond a portion; fewer where they are large."""

RESTS, LONGEST_REST = 4, 100_000
"""For how many times as long as the server took to begin its answer it is left alone after that, and at most how many
microseconds. Each reading begins where the slot keeps its log, which moves some seconds behind what was read."""

KEPT = 1_000_000
"""Bytes of log that tell nothing which the slot keeps before it is told to go on: each reading looks through them."""

PURGED_AT_ONCE = 5_000
TOMBSTONE_DAYS = 45

_PEEK = """SELECT xid, lsn, data FROM pg_catalog.pg_logical_slot_peek_binary_changes({}, NULL, {},
    'proto_version', '1', 'publication_names', {})"""
_PEEK_ON = f"""{_PEEK} WHERE xid::text <> {{}} OR lsn >= {{}}::pg_lsn
    OR pg_catalog.get_byte(data, 0) IN ({ord("B")}, {ord("R")}, {ord("Y")})"""
"""Leaves out what a call that ended within the transaction has handed over, but not what tells of the tables."""

_PLACE = Struct("!6xI4xQ4x")
"""The number of columns, and a size and a value of each; the third value, the message, follows."""

_LOCK = "SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended($1, 0))"
_SLOT = f"""SELECT s.confirmed_flush_lsn::text, coalesce(s.wal_status, 'reserved'),
    (SELECT pg_catalog.jsonb_build_array(c.lsn::text, c.within)::text FROM {SCHEMA}.checkpoint c WHERE c.slot = $1),
    pg_catalog.pg_is_in_recovery(),
    CASE WHEN NOT pg_catalog.pg_is_in_recovery()
         THEN coalesce(pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), s.restart_lsn), 0)::bigint END
    FROM (SELECT) one LEFT JOIN pg_catalog.pg_replication_slots s
    ON s.slot_name = $1 AND s.database = pg_catalog.current_database()"""
_CHECKPOINT = f"""INSERT INTO {SCHEMA}.checkpoint AS known (slot, lsn, within, at)
    VALUES ($1, $2::pg_lsn, $3, pg_catalog.to_timestamp($4::bigint / 1e6))
    ON CONFLICT (slot) DO UPDATE SET lsn = greatest(known.lsn, excluded.lsn), within = excluded.within,
        at = excluded.at"""
"""at: up to when the log was read, long ago where there is much to read: what a new slot is told begins there."""
_WITHIN = f"UPDATE {SCHEMA}.checkpoint SET within = $2 WHERE slot = $1"
_ADVANCE = """SELECT pg_catalog.pg_replication_slot_advance(slot_name, $2::pg_lsn)
    FROM pg_catalog.pg_replication_slots WHERE slot_name = $1 AND confirmed_flush_lsn < $2::pg_lsn"""
_OLD = f"deleted_at < pg_catalog.clock_timestamp() - pg_catalog.make_interval(days => {TOMBSTONE_DAYS})"
_PURGE = f"""DELETE FROM {SCHEMA}.tombstones WHERE {_OLD} AND (relation, key) IN
    (SELECT relation, key FROM {SCHEMA}.tombstones WHERE {_OLD} LIMIT {PURGED_AT_ONCE})"""


@dataclass(frozen=True, slots=True)
class Identity:
    """Which replica the log is of, and the name of its slot and publication."""

    dataset: str
    region: str
    slot: str


class PostgresChangeLog:
    """`ports.ChangeLog` over a logical slot. table_of: a table's description. now: microseconds.

    reader: reads the slot, in a statement that goes on while portions are worked on, and holds the lock. session: for
    all else; what is read and written there must not wait for that transaction.
    """

    def __init__(
        self,
        reader: StreamingSession,
        session: Session,
        identity: Identity,
        table_of: Callable[[TableName, bool], Table],
        now: Callable[[], int],
        rests: int = RESTS,
    ) -> None:
        self._reader, self._session, self._table_of, self._now = reader, session, table_of, now
        self._identity, self._slot, self._rests = identity, identity.slot, rests
        self._seen, self._within, self._kept_from = "", "", 0
        self._read_to, self._rest, self._rests_until = 0, 0, 0

    def hold(self) -> Holding | None:
        """See `ports.ChangeLog`. The lock is the session's, so it ends with the session, however that ends."""
        self._reader.run("SELECT pg_catalog.pg_advisory_unlock_all()")
        ((held,),) = self._reader.run(_LOCK, self._slot)
        if not held:
            return None
        retained = self._check_slot()
        self._session.run(_PURGE)
        return Holding(tuple(self._alerts()), retained)

    def release(self) -> None:
        """See `ports.ChangeLog`. A function that sleeps between two calls must not keep the lock: its session ends."""
        self._reader.close()
        self._session.close()

    def read(self, limit: int) -> Generator[Portion, None, None]:
        """See `ports.ChangeLog`. A look at the log's end saves a reading that would tell nothing.

        That end is what has reached the disk, since the slot reads no further. Who has read all there was lets the
        server rest, and is told nothing meanwhile.
        """
        looked_at = self._now()
        if looked_at < self._rests_until:
            return
        ((end,),) = self._session.run("SELECT pg_catalog.pg_current_wal_flush_lsn()::text")
        if end == self._seen:
            return
        assembler = Assembler(self._identity.dataset, self._identity.region, self._table_of, self._now())
        at, size, told, waited = "", 0, 0, 0
        with closing(self._peek(limit)) as fetched:
            for rows in fetched:
                told, waited = told + len(rows), waited or self._now() - looked_at
                xid, lsn = _PLACE.unpack_from(rows[-1])
                at = f"{xid} {format_lsn(lsn)}"
                size += sum(map(len, rows))
                assembler.take([row[_PLACE.size :] for row in rows])
                if assembler.kept > SIZE - TAKEN or size >= BYTES:
                    self._read_to = assembler.committed_at or self._read_to
                    yield assembler.portion(at)
                    size = 0
            if size:
                self._read_to = assembler.committed_at or self._read_to
                yield assembler.portion(at)
        if not at:
            self._seen, self._read_to = end, looked_at
        if told < limit:
            self._rest = min(LONGEST_REST, self._rests * (waited or self._now() - looked_at))

    def complete(self, writes: Sequence[Logged]) -> Sequence[Logged]:
        """See `ports.ChangeLog`."""
        groups: dict[tuple[str, tuple[str, ...]], list[Logged]] = {}
        for each in writes:
            groups.setdefault((each.change.table, each.missing), []).append(each)
        found: list[Logged] = []
        for (table, _), some in groups.items():
            found += self._complete(table_name(table), some)
        return found

    def advance(self, end: int | None, within: str = "") -> None:
        """See `ports.ChangeLog`. The checkpoint before the slot: of the two the slot may be behind, never ahead."""
        if end is None and within:
            self._session.run(_WITHIN, self._slot, within)
            return
        self._rests_until, self._rest = max(self._rests_until, self._now() + self._rest), 0
        if end is None:
            end = parse_lsn(self._seen) if self._seen else 0
            if end < self._kept_from + KEPT:
                return
        self._session.run(_CHECKPOINT, self._slot, format_lsn(end), within, self._read_to)
        self._reader.run(_ADVANCE, self._slot, format_lsn(end))
        self._kept_from = end

    def _peek(self, limit: int) -> Generator[list[bytes], None, None]:
        """Messages as they come, behind the place where an earlier call ended."""
        sql = _PEEK
        parameters: tuple[Parameter, ...] = (self._slot, limit, self._slot)
        if self._within:
            sql, parameters = _PEEK_ON, (*parameters, *self._within.split(" "))
        return self._reader.stream(sql, *parameters, rows=TAKEN, volume=BYTES // 4)

    def _complete(self, name: TableName, some: Sequence[Logged]) -> Sequence[Logged]:
        """The writes of one table with the columns that are still there; as they were where it cannot be asked."""
        for refresh in (False, True):
            try:
                table = self._table_of(name, refresh)
                if table.key != tuple(sorted(some[0].change.key)):
                    continue
                return completed(self._session, table, some)
            except (
                SchemaDiffers,
                Unacceptable,
            ):  # dropped or altered since it was looked up, or since the row was written
                continue
        return some

    def _alerts(self) -> Iterator[Alert]:
        for relation, same in self._session.run(ALTERED):
            if not same:
                told = "other columns than when it was taken in"
                yield Alert(AlertKind.SCHEMA_CHANGED, str(relation), told)
        for (relation,) in self._session.run(DISARMED):
            yield Alert(AlertKind.TRIGGERS_OFF, str(relation), "stamping triggers are missing or switched off")

    def _check_slot(self) -> int:
        """Raises what is wrong with the slot; gives the bytes of log that it keeps."""
        try:
            ((confirmed, status, stored, replica, retained),) = self._session.run(_SLOT, self._slot)
        except SchemaDiffers as error:
            raise NotInstalled("the database was not prepared for replication") from error
        if replica:
            self._reader.close()
            self._session.close()
            raise Unavailable("this node only reads: the writer is elsewhere since a failover")
        checkpoint, self._within = json.loads(stored) if stored is not None else (None, "")
        if confirmed is None:
            if checkpoint is None:
                raise NotInstalled(f"slot {self._slot} is not there")
            raise SlotLost(f"slot {self._slot} is gone; handed over was all up to {checkpoint}")
        if status == "lost":
            raise SlotLost(f"slot {self._slot} is invalid; handed over was all up to {checkpoint}")
        if checkpoint is None:
            self._session.run(_CHECKPOINT, self._slot, confirmed, "", 0)  # nothing of it is read
        elif parse_lsn(confirmed) > parse_lsn(checkpoint):
            raise SlotLost(f"slot {self._slot} was consumed by somebody else, from {checkpoint} to {confirmed}")
        self._kept_from = parse_lsn(confirmed)
        return int(retained)
