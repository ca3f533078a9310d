"""Prepares a database for replication, takes in tables that came later, and undoes it; each as a plan to be read."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from distributary.adapters.aurora import ddl
from distributary.adapters.aurora.catalog import ABSENT, ALTERED, DISARMED, SCHEMA, TOMBSTONES, Table, tables
from distributary.adapters.aurora.names import TableName, literal, quoted, table_name
from distributary.adapters.aurora.preconditions import (
    check_dataset,
    check_deferrable_keys,
    check_identity,
    check_inheritance,
    check_key_types,
    check_own_columns,
    check_owners,
    check_policies,
    check_rights,
    check_tables,
)
from distributary.adapters.aurora.session import Session
from distributary.adapters.aurora.stamp_triggers import stamp_over
from distributary.domain.dataset import Dataset
from distributary.domain.errors import SlotLost
from distributary.domain.image import STAMP_ATTRIBUTE

LONGEST_TRANSACTION = 3600
"""Seconds that a transaction may last whose writes were stamped before the old slot was read and committed after."""


@dataclass(frozen=True, slots=True)
class Part:
    """Statements that are one transaction (none: each stands alone), and what they are for."""

    purpose: str
    statements: tuple[str, ...]


def slot_of(dataset: str) -> str:
    """The name of a dataset's slot and publication."""
    return f"distributary_{dataset.replace('-', '_')}"


def plan(session: Session, dataset: Dataset, region: str, *, new_slot: bool = False) -> list[Part]:
    """What is missing, in order; nothing where all is there.

    new_slot: the slot is made anew, and told of all that was written since the old one was read last.

    Raises:
        NotInstalled: a right is missing, the server does not decode its log, or a table cannot be replicated; the
            message names all of them, with the remedy.
        SlotLost: the slot was there once.
        InvalidSettings: the database is prepared for another dataset or region.
    """
    check_rights(session)
    prepared = _exists(session, f"{SCHEMA}.replica")
    if prepared:
        check_identity(session, dataset, region)
    wanted = tables(session, dataset.tables)
    check_owners(session, wanted)
    check_tables(wanted)
    check_inheritance(session, wanted)
    check_deferrable_keys(session, wanted)
    check_key_types(session, wanted)
    check_own_columns(session, wanted)
    check_policies(dataset, wanted)
    publication = slot_of(dataset.name)
    parts = [] if prepared and _up_to_date(session, dataset) else [_foundation(dataset, region)]
    published = _published(session, publication)
    if published is None:
        parts.append(_publication(publication))
    parts += _slot(session, publication, prepared=prepared, new_slot=new_slot)
    known = _known(session) if prepared else {}
    parts += _of_tables(wanted, dataset, region, published or (), known)
    parts += _of_absent(session) if prepared else []
    stateful = [table.name.text() for table in wanted if table.stateful]
    return parts + (_again(session, publication, region, stateful) if prepared and new_slot else [])


def _publication(name: str) -> Part:
    options = "publish = 'insert, update, truncate', publish_via_partition_root = true"
    made = f"CREATE PUBLICATION {quoted(name)} FOR TABLE {TOMBSTONES.text()} WITH ({options})"
    return Part("a publication, of our tombstones so far", (made,))


def _of_tables(
    wanted: Iterable[Table], dataset: Dataset, region: str, published: Container[str], known: Mapping[str, str]
) -> Iterator[Part]:
    """Each table that is not published, or whose columns and triggers are not as this release makes them."""
    drift, publication = dataset.max_clock_drift, slot_of(dataset.name)
    for table in wanted:
        name, policies = table.name.text(), dataset.policies_of(f"{table.name.schema}.{table.name.name}")
        is_published, has_columns = name in published, table.stamped and (table.stateful or policies.plain)
        if is_published and has_columns and known.get(name) == ddl.digest(table, region, drift, policies):
            continue
        statements = ddl.table_statements(
            table, publication, region=region, max_clock_drift=drift, published=is_published, policies=policies
        )
        yield Part(f"table {name}", tuple(statements))


def _of_absent(session: Session) -> Iterator[Part]:
    """Each table that was taken in and is no table any more; its name alone is left to be forgotten."""
    for (relation,) in session.run(ABSENT):
        forgotten = f"DELETE FROM {SCHEMA}.relations WHERE relation = {literal(str(relation))}"
        yield Part(f"table {relation}, which is gone", (forgotten,))


def removal(session: Session, dataset: Dataset, *, keep_columns: bool = False) -> list[Part]:
    """What undoes `plan`: the slot, the publication, the triggers and columns of every table, our schema.

    Raises:
        InvalidSettings: the database is prepared for another dataset, whose slot would stay.
    """
    if _exists(session, f"{SCHEMA}.replica"):
        check_dataset(session, dataset)
    name = slot_of(dataset.name)
    parts: list[Part] = []
    if session.run("SELECT 1 FROM pg_catalog.pg_replication_slots WHERE slot_name = $1", name):
        parts.append(Part("the slot", (f"SELECT pg_catalog.pg_drop_replication_slot({literal(name)})::text",)))
    if _published(session, name) is not None:
        parts.append(Part("the publication", (f"DROP PUBLICATION {quoted(name)}",)))
    if _exists(session, f"{SCHEMA}.relations"):
        known = {table_name(text) for text in _known(session)} | _armed(session)
        every = sorted({name.schema for name in known})
        taken = [each for each in tables(session, [f"{schema}.*" for schema in every]) if each.name in known]
        undone = [(table.name.text(), ddl.table_removal(table, keep_columns=keep_columns)) for table in taken]
        parts += [Part(f"table {text}", tuple(statements)) for text, statements in undone]
    if _exists(session, f"{SCHEMA}.replica"):
        parts.append(Part("our schema", (f"DROP SCHEMA {SCHEMA} CASCADE",)))
    return parts


def carry_out(session: Session, parts: Iterable[Part]) -> None:
    """Run a plan. A slot cannot be made in a transaction that writes, so its part stands alone."""
    for part in parts:
        if len(part.statements) == 1:
            session.run(part.statements[0])
            continue
        with session.transaction():
            for statement in part.statements:
                session.run(statement)


def _foundation(dataset: Dataset, region: str) -> Part:
    identity = ", ".join(map(literal, (dataset.name, region, slot_of(dataset.name), ddl.VERSION)))
    drift = dataset.max_clock_drift
    known = (
        f"INSERT INTO {SCHEMA}.replica (dataset, region, slot, version, max_clock_drift) VALUES ({identity}, {drift}) "
        "ON CONFLICT (only_one) DO UPDATE SET version = excluded.version, max_clock_drift = excluded.max_clock_drift"
    )
    return Part(
        "our schema, with tombstones, checkpoint and the stamping functions",
        (
            *(each.strip() for each in ddl.STATE_TABLES.split(";\n") if each.strip()),
            # Triggers fire without it, and with it anybody could make a trigger of a table of his own that writes
            # tombstones of ours. Earlier releases granted it.
            f"REVOKE USAGE ON SCHEMA {SCHEMA} FROM PUBLIC",
            stamp_over(region, drift),
            known,
        ),
    )


def _slot(session: Session, name: str, *, prepared: bool, new_slot: bool) -> list[Part]:
    present = bool(session.run("SELECT 1 FROM pg_catalog.pg_replication_slots WHERE slot_name = $1", name))
    if present and not new_slot:
        return []
    known = prepared and bool(session.run(f"SELECT 1 FROM {SCHEMA}.checkpoint WHERE slot = $1", name))
    if known and not new_slot:
        raise SlotLost(f"slot {name} was there once and is gone; what was written since is in no other region")
    parts = []
    if present:
        parts.append(Part("the old slot", (f"SELECT pg_catalog.pg_drop_replication_slot({literal(name)})::text",)))
    made = f"SELECT lsn::text FROM pg_catalog.pg_create_logical_replication_slot({literal(name)}, 'pgoutput')"
    return [*parts, Part("the slot that keeps what is written from now on", (made,))]


def _again(session: Session, name: str, region: str, stateful: Sequence[str]) -> list[Part]:
    """Tell a new slot what was written since the old one was read last, as it is, stamp included: it may come twice.

    What replication has joined with others since carries its stamp, which capture passes over: it is written anew.
    """
    since = session.run(
        f"SELECT ((pg_catalog.date_part('epoch', at) - {LONGEST_TRANSACTION}) * 1000000)::bigint::text"
        f" FROM {SCHEMA}.checkpoint WHERE slot = $1",
        name,
    )
    ((moment,),) = since or [("0",)]  # never read: all that was written since the triggers are there
    here = f"pg_catalog.split_part({{0}}, ' ', 2) = 'a' AND {{0}} > {literal(str(moment))}"
    updates = [
        f"UPDATE {relation} SET {STAMP_ATTRIBUTE} = {STAMP_ATTRIBUTE} WHERE {here.format(STAMP_ATTRIBUTE)}"
        for relation in sorted(_known(session))
    ]
    buried = f"UPDATE {TOMBSTONES.text()} SET deleted_at = deleted_at WHERE {here.format('stamp')}"
    mine = f"pg_catalog.substring({STAMP_ATTRIBUTE}, '[ ,]{region}=([0-9a-f]+)[.]')"
    later = f"pg_catalog.lpad({mine}, 16, '0') COLLATE \"C\" > {literal(f'{int(moment):016x}')}"
    joined = [
        f"UPDATE {relation} SET {STAMP_ATTRIBUTE} = {STAMP_ATTRIBUTE}"
        f" WHERE pg_catalog.split_part({STAMP_ATTRIBUTE}, ' ', 2) = 'r' AND {later}"
        for relation in stateful
    ]
    switched = "SELECT pg_catalog.set_config('distributary.applying', 'on', true)"
    forgotten = f"DELETE FROM {SCHEMA}.checkpoint WHERE slot = {literal(name)}"
    return [Part("what was written since the old slot was read last", (*joined, switched, *updates, buried, forgotten))]


def _published(session: Session, publication: str) -> frozenset[str] | None:
    if not session.run("SELECT 1 FROM pg_catalog.pg_publication WHERE pubname = $1", publication):
        return None
    found = session.run(
        "SELECT pg_catalog.jsonb_build_array(schemaname::text, tablename::text)::text"
        " FROM pg_catalog.pg_publication_tables WHERE pubname = $1",
        publication,
    )
    return frozenset(_text(each) for (each,) in found)


def _text(pair: str) -> str:
    return TableName(*json.loads(pair)).text()


def _known(session: Session) -> dict[str, str]:
    """The tables that were taken in and are there, by what their triggers were; empty if altered or disarmed since."""
    absent = {str(name) for (name,) in session.run(ABSENT)}
    altered = {str(name) for name, same in session.run(ALTERED) if not same}
    altered |= {str(name) for (name,) in session.run(DISARMED)}
    found = session.run(f"SELECT relation, triggers FROM {SCHEMA}.relations")
    return {str(name): "" if name in altered else str(triggers) for name, triggers in found if name not in absent}


def _armed(session: Session) -> set[TableName]:
    """The tables that have triggers of ours; their names may be others than when they were taken in."""
    found = session.run(
        "SELECT DISTINCT n.nspname::text, c.relname::text FROM pg_catalog.pg_trigger t"
        " JOIN pg_catalog.pg_proc f ON f.oid = t.tgfoid JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid"
        " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE f.pronamespace = pg_catalog.to_regnamespace($1)",
        SCHEMA,
    )
    return {TableName(str(schema), str(name)) for schema, name in found}


def _exists(session: Session, name: str) -> bool:
    return session.run("SELECT pg_catalog.to_regclass($1) IS NOT NULL", name) == [(True,)]


def _up_to_date(session: Session, dataset: Dataset) -> bool:
    found = session.run(f"SELECT version, max_clock_drift FROM {SCHEMA}.replica")
    return found == [(ddl.VERSION, dataset.max_clock_drift)]
