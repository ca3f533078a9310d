"""The commands `distributary aurora install | uninstall | doctor`: prepare databases, undo it, look them over."""

from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from cli.databases import (
    Authorities,
    ClusterArn,
    DatasetName,
    Dsn,
    Host,
    Name,
    Port,
    Region,
    ReplicationFile,
    SecretArn,
    Target,
    User,
    targets,
)
from cli.plainly import told_plainly
from distributary.adapters.aurora import install as installing
from distributary.adapters.aurora.catalog import Table as Described
from distributary.adapters.aurora.catalog import tables
from distributary.adapters.aurora.doctor import Finding, Severity, compare, examine
from distributary.adapters.aurora.install import Part
from distributary.adapters.aurora.names import literal
from distributary.adapters.aurora.session import SETTINGS
from distributary.domain.dataset import Database
from local.world import PROJECT

app = typer.Typer(no_args_is_help=True, help="Prepare Aurora PostgreSQL databases for replication.")
console = Console(highlight=False, soft_wrap=True)

HEADINGS = ("region", "severity", "subject", "problem", "what to do")

DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the SQL and run none of it.")]
NewSlot = Annotated[
    bool, typer.Option("--new-slot", help="Make the slot anew, and ship again what was written since it was lost.")
]
KeepColumns = Annotated[bool, typer.Option("--keep-columns", help="Leave our columns in the tables.")]
Everything = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@app.command()
def install(
    replication: ReplicationFile = PROJECT / "replication.toml",
    dataset: DatasetName = "",
    region: Region = "",
    dsn: Dsn = "",
    host: Host = "",
    port: Port = 5432,
    database: Name = "postgres",
    user: User = "",
    authorities: Authorities = "",
    cluster_arn: ClusterArn = "",
    secret_arn: SecretArn = "",
    *,
    dry_run: DryRun = False,
    new_slot: NewSlot = False,
) -> None:
    """Add what is missing: our schema, the publication, the slot, and each table's columns and triggers.

    Without --dsn, --host and --cluster-arn: in every database of the local world. Can be run again at any
    time, and takes in tables that were created since.
    """
    with told_plainly():
        wanted = Database(dsn, host, port, database, user, authorities, cluster_arn, secret_arn)
        _each(
            targets(replication, dataset, region, wanted),
            lambda target: installing.plan(target.session, target.dataset, target.region, new_slot=new_slot),
            dry_run=dry_run,
        )


@app.command()
def uninstall(
    replication: ReplicationFile = PROJECT / "replication.toml",
    dataset: DatasetName = "",
    region: Region = "",
    dsn: Dsn = "",
    host: Host = "",
    port: Port = 5432,
    database: Name = "postgres",
    user: User = "",
    authorities: Authorities = "",
    cluster_arn: ClusterArn = "",
    secret_arn: SecretArn = "",
    *,
    dry_run: DryRun = False,
    keep_columns: KeepColumns = False,
    yes: Everything = False,
) -> None:
    """Remove the slot, the publication, our schema with its tombstones, and each table's triggers and columns.

    Afterwards nothing tells deleted rows from rows that have yet to arrive.
    """
    with told_plainly():
        wanted = Database(dsn, host, port, database, user, authorities, cluster_arn, secret_arn)
        chosen = targets(replication, dataset, region, wanted)
        if not (yes or dry_run):
            typer.confirm(f"Undo replication in {', '.join(t.region for t in chosen)}?", abort=True)
        _each(
            chosen,
            lambda target: installing.removal(target.session, target.dataset, keep_columns=keep_columns),
            dry_run=dry_run,
        )


@app.command()
def doctor(
    replication: ReplicationFile = PROJECT / "replication.toml",
    dataset: DatasetName = "",
    region: Region = "",
    dsn: Dsn = "",
    host: Host = "",
    port: Port = 5432,
    database: Name = "postgres",
    user: User = "",
    authorities: Authorities = "",
    cluster_arn: ClusterArn = "",
    secret_arn: SecretArn = "",
) -> None:
    """Look for what keeps replication from working or regions from staying alike; exit status 1 if something is broken.

    Without --dsn, --host and --cluster-arn: in every database of the local world, whose tables are compared with
    each other too.
    """
    with told_plainly():
        wanted = Database(dsn, host, port, database, user, authorities, cluster_arn, secret_arn)
        chosen = targets(replication, dataset, region, wanted)
        table = Table(*[Column(title, overflow="fold") for title in HEADINGS])
        broken = False
        seen: dict[str, list[Described]] = {}
        for target in chosen:
            try:
                seen[target.region] = tables(target.session, target.dataset.tables)
                found = examine(target.session, target.dataset, target.region)
            finally:
                target.session.close()
            broken |= _add(table, target.region, found)
        broken |= len(seen) > 1 and _add(table, "all", compare(seen))
    console.print(table if table.row_count else "Nothing was found that needs attention.")
    raise typer.Exit(1 if broken else 0)


def _add(table: Table, region: str, found: list[Finding]) -> bool:
    """Add findings to the table; whether one is severe."""
    for each in found:
        table.add_row(region, each.severity.value, Text(each.subject), Text(each.problem), Text(each.remedy))
    return any(each.severity is Severity.BROKEN for each in found)


def _each(chosen: list[Target], plan: Callable[[Target], list[Part]], *, dry_run: bool) -> None:
    for target in chosen:
        where = f"{target.dataset.name} in {target.region}"
        try:
            parts = plan(target)
            if dry_run:
                _print(where, parts)
                continue
            for part in parts:
                console.print(f"{where}: {part.purpose}", markup=False)
                installing.carry_out(target.session, [part])
            if not parts:
                console.print(f"{where}: nothing to do", markup=False)
        finally:
            target.session.close()


def _print(where: str, parts: list[Part]) -> None:
    """The plan as SQL that could be run as it is, by psql too: with our settings, to the last tab in a name."""
    if not parts:
        console.file.write(f"-- {where}: nothing to do\n")
        return
    settings = [f"pg_catalog.set_config({literal(name)}, {literal(to)}, false)" for name, to in SETTINGS.items()]
    for purpose, statements in (
        (where, (f"SELECT {', '.join(settings)}",)),
        *((part.purpose, part.statements) for part in parts),
    ):
        together = len(statements) > 1
        lines = [*(["BEGIN"] if together else []), *statements, *(["COMMIT"] if together else [])]
        # The comment is one line, whatever is in a table's name.
        told = "\n".join([f"-- {' '.join(purpose.split())}", *(f"{line.strip()};" for line in lines)])
        console.file.write(f"{told}\n")  # `print` would replace tabs and more
