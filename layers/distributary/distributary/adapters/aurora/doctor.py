"""Looks a database over for what would keep replication from working, or regions from staying alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from distributary.adapters.aurora import ddl
from distributary.adapters.aurora.catalog import ALTERED, SCHEMA, Table, tables
from distributary.adapters.aurora.install import slot_of
from distributary.adapters.aurora.policy_checks import may_be_null, unfit_rules
from distributary.adapters.aurora.preconditions import check_identity
from distributary.adapters.aurora.session import Session
from distributary.adapters.aurora.table_checks import CHECKS
from distributary.domain.dataset import Dataset
from distributary.domain.errors import InvalidSettings

RETAINED_MUCH = 1 << 30
"""Bytes of log that a slot that is read keeps only for a moment."""


class Severity(Enum):
    """How bad a finding is."""

    BROKEN = "broken"
    """Replication does not work, or loses something."""
    RISK = "risk"
    """Replication works; some writes may end otherwise than meant."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found. subject: the parameter, table or slot. remedy: what to do."""

    severity: Severity
    subject: str
    problem: str
    remedy: str


def examine(session: Session, dataset: Dataset, region: str) -> list[Finding]:
    """All findings in the database of a region, the broken ones first."""
    there = tables(session, dataset.tables)
    found = [
        *_parameters(session),
        *_rights(session),
        *_installation(session, dataset, region),
        *_absent(dataset, there),
        *_policies(dataset, there),
        *_tables(session, there),
        *_circle(there),
    ]
    return sorted(found, key=lambda finding: (finding.severity is not Severity.BROKEN, finding.subject))


def _absent(dataset: Dataset, there: Sequence[Table]) -> Iterator[Finding]:
    """What `tables` names and the database lacks, or has no table in."""
    for wanted in dataset.tables:
        schema, _, name = wanted.rpartition(".")
        if not any(each.name.schema == schema and name in ("*", each.name.name) for each in there):
            remedy = f"create it and install again, or correct [datasets.{dataset.name}] tables in replication.toml"
            yield Finding(Severity.RISK, wanted, "names no table that is there", remedy)


def compare(seen: Mapping[str, Sequence[Table]]) -> list[Finding]:
    """Where the same table has other columns, or none, in another region."""
    found: list[Finding] = []
    names = sorted({table.name for some in seen.values() for table in some})
    for name in names:
        shapes = {region: next((t for t in some if t.name == name), None) for region, some in seen.items()}
        absent = [region for region, table in shapes.items() if table is None]
        remedy = "run the same DDL in every region, then `distributary aurora install`"
        if absent:
            problem = f"is not there in {', '.join(absent)}"
            found.append(Finding(Severity.BROKEN, name.text(), problem, remedy))
        kinds = {
            region: {column.name: column.type for column in table.columns} | {"primary key": str(table.key)}
            for region, table in shapes.items()
            if table is not None
        }
        first, *others = kinds
        for other in others:
            differing = sorted(set(kinds[first].items()) ^ set(kinds[other].items()))
            if differing:
                parts = ", ".join(sorted({part for part, _ in differing}))
                problem = f"differs between {first} and {other} in {parts}"
                found.append(Finding(Severity.BROKEN, name.text(), problem, remedy))
    return found


def _circle(there: Sequence[Table]) -> Iterator[Finding]:
    """Tables that name each other: rows inserted together find each other nowhere else, one by one."""
    left = {table.name: set(table.parents) for table in there}
    before = len(left) + 1
    while len(left) < before:
        before = len(left)
        named = {parent for parents in left.values() for parent in parents}
        left = {name: kept for name, parents in left.items() if (kept := parents & left.keys()) and name in named}
    if left:
        problem = "name each other by foreign keys: rows that are inserted together wait for each other elsewhere"
        remedy = "insert one with an empty reference, and fill it in after the commit"
        yield Finding(Severity.RISK, ", ".join(name.text() for name in sorted(left)), problem, remedy)


def _parameters(session: Session) -> Iterator[Finding]:
    told: dict[str, str] = dict(
        session.run(
            "SELECT name, setting FROM pg_catalog.pg_settings WHERE name IN ('wal_level', 'max_replication_slots',"
            " 'max_wal_senders', 'rds.logical_replication', 'output_plugin_libraries', 'max_slot_wal_keep_size',"
            " 'server_encoding')"
        )
    )
    group = "in the cluster's parameter group, and restart the writer"
    if told["server_encoding"] not in ("UTF8", "LATIN1"):
        problem = f"is {told['server_encoding']}: a text that has none in UTF-8 ends the reading of the log"
        yield Finding(Severity.RISK, "server_encoding", problem, "move the tables to a database with ENCODING 'UTF8'")
    if told.get("rds.logical_replication", "on") not in ("on", "1"):
        yield Finding(Severity.BROKEN, "rds.logical_replication", "is off", f"set it to 1 {group}")
    if told["wal_level"] != "logical":
        yield Finding(
            Severity.BROKEN, "wal_level", f"is {told['wal_level']}", f"set rds.logical_replication to 1 {group}"
        )
    ((used,),) = session.run("SELECT pg_catalog.count(*) FROM pg_catalog.pg_replication_slots")
    if int(told["max_replication_slots"]) <= int(used):
        problem = f"is {told['max_replication_slots']}, and all are taken"
        yield Finding(Severity.RISK, "max_replication_slots", problem, f"raise it {group}")
    plugins = told.get("output_plugin_libraries")
    if plugins is not None and plugins not in ("", "*") and "pgoutput" not in plugins:
        yield Finding(Severity.BROKEN, "output_plugin_libraries", "does not admit pgoutput", f"add pgoutput {group}")
    if told.get("max_slot_wal_keep_size", "-1") != "-1":
        problem = f"is {told['max_slot_wal_keep_size']} MB: a slot that is not read for long is lost"
        yield Finding(Severity.RISK, "max_slot_wal_keep_size", problem, "set an alarm on RetainedLog below it")


def _rights(session: Session) -> Iterator[Finding]:
    ((role, replicates, creates),) = session.run(
        "SELECT current_user::text, (SELECT rolsuper OR rolreplication FROM pg_catalog.pg_roles"
        " WHERE rolname = current_user) OR EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'rds_replication'"
        " AND pg_catalog.pg_has_role(current_user, oid, 'MEMBER')),"
        " pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')"
    )
    if not replicates:
        yield Finding(Severity.BROKEN, str(role), "may not use replication slots", "GRANT rds_replication to it")
    if not creates:
        yield Finding(Severity.BROKEN, str(role), "may not create schemas", "GRANT CREATE ON DATABASE to it")


def _installation(session: Session, dataset: Dataset, region: str) -> Iterator[Finding]:
    install = "run `distributary aurora install`"
    if session.run("SELECT pg_catalog.to_regclass($1) IS NULL", f"{SCHEMA}.replica") == [(True,)]:
        yield Finding(Severity.BROKEN, SCHEMA, "the database is not prepared", install)
        return
    try:
        check_identity(session, dataset, region)
    except InvalidSettings as wrong:
        yield Finding(Severity.BROKEN, SCHEMA, str(wrong), "name the region's own database, here and in its stack")
        return
    yield from _slot(session, slot_of(dataset.name))
    yield from _taken_in(session, dataset, region, install)


def _taken_in(session: Session, dataset: Dataset, region: str, install: str) -> Iterator[Finding]:
    """Tables that are not, or not any more, as `install` makes them. install: the remedy."""
    for relation, same in session.run(ALTERED):
        if not same:
            yield Finding(Severity.BROKEN, str(relation), "was altered or dropped since it was taken in", install)
    ((drift,),) = session.run(f"SELECT max_clock_drift FROM {SCHEMA}.replica")
    taken = {str(name): str(told) for name, told in session.run(f"SELECT relation, triggers FROM {SCHEMA}.relations")}
    for table in tables(session, dataset.tables):
        if table.key and table.name.text() not in taken:
            yield Finding(Severity.BROKEN, table.name.text(), "is not replicated yet", install)
        elif table.key and taken[table.name.text()] != _wanted(table, region, int(drift), dataset):
            problem = "has triggers of another release, key or policy"
            yield Finding(Severity.BROKEN, table.name.text(), problem, install)
    for relation, name in session.run(_DISABLED):
        remedy = "ALTER TABLE … ENABLE TRIGGER, then repair what was written meanwhile"
        yield Finding(Severity.BROKEN, str(relation), f"the trigger {name} is off", remedy)


def _wanted(table: Table, region: str, drift: int, dataset: Dataset) -> str:
    policies = dataset.policies_of(f"{table.name.schema}.{table.name.name}")
    return ddl.digest(table, region, drift, policies)


def _slot(session: Session, slot: str) -> Iterator[Finding]:
    rows = session.run(
        "SELECT coalesce(wal_status, 'reserved'), active, coalesce(pg_catalog.pg_wal_lsn_diff("
        "CASE WHEN pg_catalog.pg_is_in_recovery() THEN NULL ELSE pg_catalog.pg_current_wal_lsn() END, restart_lsn), 0)"
        "::bigint FROM pg_catalog.pg_replication_slots WHERE slot_name = $1",
        slot,
    )
    remedy = 'follow "The slot is lost" in docs/runbook.md'
    if not rows:
        ((known,),) = session.run(f"SELECT pg_catalog.count(*) FROM {SCHEMA}.checkpoint WHERE slot = $1", slot)
        problem = "is gone: changes are missing in the other regions" if known else "is not there"
        yield Finding(Severity.BROKEN, slot, problem, remedy if known else "run `distributary aurora install`")
        return
    ((status, _, retained),) = rows
    if status == "lost":
        yield Finding(Severity.BROKEN, slot, "is invalid: changes are missing in the other regions", remedy)
    elif int(retained) > RETAINED_MUCH:
        problem = f"keeps {int(retained) >> 20} MiB of log"
        yield Finding(Severity.RISK, slot, problem, "see whether the capture function runs; end long transactions")


def _policies(dataset: Dataset, some: Sequence[Table]) -> Iterator[Finding]:
    unfit = unfit_rules(dataset, some)
    for each in unfit:
        severity = Severity.RISK if each.early else Severity.BROKEN
        yield Finding(severity, each.subject, each.problem, each.remedy)
    if unfit:
        return
    for table in some:
        for name in may_be_null(dataset, table):
            problem = f"{name} may be NULL: of two regions that write it for the first time the later one counts alone"
            remedy = "ALTER TABLE … ALTER COLUMN … SET NOT NULL, with a default"
            yield Finding(Severity.RISK, table.name.text(), problem, remedy)


def _tables(session: Session, some: Sequence[Table]) -> Iterator[Finding]:
    for table in some:
        subject = table.name.text()
        if not table.key:
            remedy = "ALTER TABLE … ADD PRIMARY KEY, or leave it out of `tables` in replication.toml"
            yield Finding(Severity.BROKEN, subject, "has no primary key, so it cannot be replicated", remedy)
        for name, columns in table.unique:
            problem = (
                f"{name} is unique in {', '.join(columns)}: of rows that clash between regions the older is deleted"
            )
            yield Finding(Severity.RISK, subject, problem, "make such values in one region, or put them into the key")
        for check in CHECKS:
            severity = Severity.BROKEN if check.breaks else Severity.RISK
            for (part,) in session.run(check.query, subject):
                yield Finding(severity, subject, check.problem.format(part), check.remedy)


_DISABLED = """SELECT t.tgrelid::regclass::text, t.tgname::text FROM pg_catalog.pg_trigger t
    WHERE t.tgname LIKE '~distributary\\_%' AND t.tgenabled = 'D' ORDER BY 1, 2"""
