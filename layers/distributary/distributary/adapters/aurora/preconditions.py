"""What a database and its tables have to be before anything is installed: what is wrong, and the remedy."""

from __future__ import annotations

from collections.abc import Sequence

from distributary.adapters.aurora.catalog import SCHEMA, Table
from distributary.adapters.aurora.names import TableName, literal, quoted
from distributary.adapters.aurora.policy_checks import unfit_rules
from distributary.adapters.aurora.session import Session
from distributary.domain.dataset import Dataset
from distributary.domain.errors import InvalidSettings, NotInstalled
from distributary.domain.image import STAMP_ATTRIBUTE, STATE_ATTRIBUTE


def check_identity(session: Session, dataset: Dataset, region: str) -> None:
    """A database that is prepared is so for this dataset and region; raises InvalidSettings."""
    for known_dataset, known_region in session.run(f"SELECT dataset, region FROM {SCHEMA}.replica"):
        if (known_dataset, known_region) != (dataset.name, region):
            found, wanted = f"{known_dataset} in {known_region}", f"{dataset.name} in {region}"
            remedy = "connect to that one's, or uninstall here first"
            raise InvalidSettings(f"the database is prepared for {found}, not for {wanted}: {remedy}")


def check_dataset(session: Session, dataset: Dataset) -> None:
    """What is undone is that of this dataset; raises InvalidSettings."""
    for (known,) in session.run(f"SELECT dataset FROM {SCHEMA}.replica"):
        if known != dataset.name:
            raise InvalidSettings(f"the database is prepared for {known}, not for {dataset.name}; name that one")


def check_tables(wanted: Sequence[Table]) -> None:
    """Each table has a key that is stored as it was written; raises NotInstalled."""
    unfit = [table.name.text() for table in wanted if not table.key]
    if unfit:
        remedy = "add one (ALTER TABLE … ADD PRIMARY KEY …), or leave the table out of `tables` in replication.toml"
        raise NotInstalled(f"without a primary key: {', '.join(unfit)}; {remedy}")
    odd = [f"{table.name.text()}.{name}" for table in wanted for name in table.key if _is_generated(table, name)]
    if odd:
        raise NotInstalled(
            f"a key that is generated cannot be replicated: {', '.join(odd)}; store the value in a plain column"
        )


def check_inheritance(session: Session, wanted: Sequence[Table]) -> None:
    """No table has others that inherit from it, whose rows are its own and are not; raises NotInstalled."""
    inherited = "c.relkind = 'r' AND EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhparent = c.oid)"
    unfit = _such_as(session, wanted, inherited)
    if unfit:
        remedy = "make partitions of the tables that do, or leave this one out of `tables` in replication.toml"
        raise NotInstalled(f"other tables inherit from {', '.join(unfit)}: {remedy}")


def check_deferrable_keys(session: Session, wanted: Sequence[Table]) -> None:
    """No key is checked late: it identifies no row in the log, and no insert can meet it; raises NotInstalled."""
    late = "EXISTS (SELECT FROM pg_catalog.pg_index WHERE indrelid = c.oid AND indisprimary AND NOT indimmediate)"
    unfit = _such_as(session, wanted, late)
    if unfit:
        raise NotInstalled(f"with a DEFERRABLE primary key: {', '.join(unfit)}; make it NOT DEFERRABLE")


def check_owners(session: Session, wanted: Sequence[Table]) -> None:
    """The role may alter each table, before a slot begins to keep the log for them; raises NotInstalled."""
    unfit = _such_as(session, wanted, "NOT pg_catalog.pg_has_role(current_user, c.relowner, 'USAGE')")
    if unfit:
        remedy = "GRANT their owner's role to the one that installs, or leave them out of `tables` in replication.toml"
        raise NotInstalled(f"somebody else's: {', '.join(unfit)}; {remedy}")


def check_own_columns(session: Session, wanted: Sequence[Table]) -> None:
    """No column of another kind has the name of one of ours: triggers would write to it; raises NotInstalled."""
    stamp, state = literal(STAMP_ATTRIBUTE), literal(STATE_ATTRIBUTE)
    other = f"""EXISTS (SELECT FROM pg_catalog.pg_attribute a
        LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
        WHERE a.attrelid = c.oid AND NOT a.attisdropped AND a.attname IN ({stamp}, {state})
        AND (a.atttypid <> 'pg_catalog.text'::regtype OR a.attname = {stamp} AND l.collname <> 'C'))"""
    unfit = _such_as(session, wanted, other)
    if unfit:
        ours = f"{STAMP_ATTRIBUTE} or {STATE_ATTRIBUTE}"
        raise NotInstalled(f"a column {ours} that is not ours is in {', '.join(unfit)}; give it another name")


def check_key_types(session: Session, wanted: Sequence[Table]) -> None:
    """Keys are compared where only PostgreSQL's own operators are looked for; raises NotInstalled.

    What is taken for a text without being asked, as the type citext is, is compared as that.
    """
    strange = """EXISTS (SELECT FROM pg_catalog.pg_index x, pg_catalog.unnest(x.indclass) class
        JOIN pg_catalog.pg_opclass k ON k.oid = class
        JOIN pg_catalog.pg_amop p ON p.amopfamily = k.opcfamily AND p.amopstrategy = 3
            AND p.amoplefttype = k.opcintype AND p.amoprighttype = k.opcintype
        JOIN pg_catalog.pg_operator o ON o.oid = p.amopopr
        WHERE x.indrelid = c.oid AND x.indisprimary AND o.oprnamespace <> 'pg_catalog'::regnamespace
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_cast WHERE castsource = k.opcintype AND castcontext = 'i'
            AND casttarget = 'pg_catalog.text'::regtype))"""
    unfit = _such_as(session, wanted, strange)
    if unfit:
        remedy = "give it a key of a type of PostgreSQL's own, or leave the table out of `tables` in replication.toml"
        raise NotInstalled(f"an extension's type is in the key of {', '.join(unfit)}: {remedy}")


def _such_as(session: Session, wanted: Sequence[Table], condition: str) -> list[str]:
    """Which of the tables meet a condition on their row `c` of the catalogue."""
    found = session.run(
        "SELECT n.nspname::text, c.relname::text FROM pg_catalog.pg_class c"
        f" JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE {condition}"
    )
    names = {TableName(str(schema), str(name)) for schema, name in found}
    return [table.name.text() for table in wanted if table.name in names]


def check_policies(dataset: Dataset, wanted: Sequence[Table]) -> None:
    """Each rule is one that its column can keep; raises NotInstalled."""
    unfit = [f"{each.subject} {each.problem}: {each.remedy}" for each in unfit_rules(dataset, wanted) if not each.early]
    if unfit:
        raise NotInstalled("; ".join(unfit))


def _is_generated(table: Table, name: str) -> bool:
    column = table.column(name)
    return column is not None and column.generated


def check_rights(session: Session) -> None:
    """The server decodes its log, and the role may prepare it; raises NotInstalled with everything that is missing."""
    ((level, may_replicate, may_create, name, role, encoding),) = session.run(
        "SELECT pg_catalog.current_setting('wal_level'),"
        " (SELECT rolsuper OR rolreplication FROM pg_catalog.pg_roles WHERE rolname = current_user)"
        " OR EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'rds_replication'"
        "            AND pg_catalog.pg_has_role(current_user, oid, 'MEMBER')),"
        " pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE'),"
        " pg_catalog.current_database()::text, current_user::text, pg_catalog.current_setting('server_encoding')"
    )
    missing = []
    if encoding == "SQL_ASCII":  # its texts may be none in UTF-8: one such row, and no call reads the log any further
        missing.append(f"{name} has the encoding SQL_ASCII: move the tables to a database with ENCODING 'UTF8'")
    if level != "logical":
        missing.append(
            f"wal_level is {level}: set rds.logical_replication = 1 in the cluster's parameters and restart the writer"
        )
    if not may_replicate:
        missing.append(f"{role} may not use replication slots: GRANT rds_replication TO {quoted(str(role))}")
    if not may_create:
        grant = f"GRANT CREATE ON DATABASE {quoted(str(name))} TO {quoted(str(role))}"
        missing.append(f"{role} may not create schemas and publications: {grant}")
    if missing:
        raise NotInstalled("; ".join(missing))
