"""The commands `distributary conflicts list | show | restore`: writes that knew nothing of each other."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cli import restoring
from cli.conflict_views import difference, document, key_of, line_of, table_of
from cli.databases import Authorities, ClusterArn, Dsn, Host, Name, Port, ReplicationFile, SecretArn, User
from cli.moments import moment
from cli.plainly import told_plainly
from cli.row_keys import text_key, typed_key
from distributary import settings, wiring, wiring_journal
from distributary.adapters.aurora.names import TableName
from distributary.domain.dataset import Database, Dataset, Engine
from distributary.domain.errors import InvalidSettings, NothingFound
from distributary.domain.journal import DAY, Entry
from distributary.domain.version import MICROSECONDS
from distributary.ports import Recorded
from local.world import PROJECT

app = typer.Typer(no_args_is_help=True, help="Writes that knew nothing of each other, and what became of them.")
console = Console(highlight=False)

NOTHING = "No conflicts."
WIDE = 200
"""Characters that a line of a list may have."""
POLL = 2.0
"""Seconds between two looks of --follow."""
LONGEST_LOOK = 400
"""Days back that are looked through at the most, unless the dataset's journal keeps conflicts for longer now."""
OVERLAP = 60 * MICROSECONDS
"""How far each look goes back: what is resolved now may be in the lists a little later."""

REPLICATION = PROJECT / "replication.toml"
DatasetName = Annotated[str, typer.Option("--dataset", help="The dataset's name in replication.toml.")]
Region = Annotated[str, typer.Option(help="The replica that resolved the conflicts; each keeps its own journal.")]
Key = Annotated[str, typer.Option(help='Only of this row, as in {"pk": "order-1"}; typed JSON where that is not text.')]
TableOption = Annotated[str, typer.Option("--table", help="Only of this table; schema.name in an Aurora database.")]
Since = Annotated[str, typer.Option(help="From when on: 90s, 15m, 6h, 2d ago, or 2026-11-25T22:04:59 (UTC).")]
Until = Annotated[str, typer.Option(help="Until when; now if left out.")]
Limit = Annotated[int, typer.Option(min=1, help="How many at the most, the newest.")]
LostOnly = Annotated[bool, typer.Option("--lost-only", help="Only where one of the two states is nowhere to be seen.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document a line.")]
Follow = Annotated[bool, typer.Option("--follow", help="Go on with those to come, until Ctrl-C.")]
Id = Annotated[str, typer.Argument(help="The conflict's id, from the list or an event.")]
DynamoTable = Annotated[str, typer.Option("--table-name", help="The DynamoDB table; that of the stack if left out.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@dataclass(frozen=True)
class Place:
    """A replica whose journal is read. told: the names that its stack has given."""

    dataset: Dataset
    journal: Recorded
    table: str


@app.command("list")
def show_many(
    dataset: DatasetName,
    region: Region,
    key: Key = "",
    table: TableOption = "",
    since: Since = "24h",
    until: Until = "",
    limit: Limit = 50,
    replication: ReplicationFile = REPLICATION,
    *,
    lost_only: LostOnly = False,
    as_json: AsJson = False,
    follow: Follow = False,
) -> None:
    """List conflicts, the newest first."""
    with told_plainly():
        place = _place(replication, dataset, region)
        now = wiring.clock()
        # Nothing is there from before; each day that is looked through is four queries.
        begin = max(moment("--since", since, now), now - max(place.dataset.journal_days, LONGEST_LOOK) * DAY)
        search = _search(place, key, table, lost_only=lost_only)
        if follow:
            if until:
                raise InvalidSettings("--until: has no meaning with --follow; leave it out")
            _follow(search, begin, _tell_json if as_json else _tell_line)
            return
        end = moment("--until", until, now) if until else now + 1
        if until and end <= begin:
            raise InvalidSettings("--until: is before --since")
        found = list(islice(search(begin, end), limit))
    if as_json:
        for entry in found:
            _tell_json(entry)
    else:
        # In a narrow terminal a line goes on in the next one; nothing is cut off.
        wide = Console(highlight=False, width=max(console.width, WIDE))
        wide.print(table_of(found) if found else NOTHING)


@app.command()
def show(
    name: Id,
    dataset: DatasetName,
    region: Region,
    replication: ReplicationFile = REPLICATION,
    *,
    as_json: AsJson = False,
) -> None:
    """Show both states of a conflict side by side."""
    with told_plainly():
        entry = _found(_place(replication, dataset, region), name)
    if as_json:
        _tell_json(entry)
    else:
        console.print(difference(entry))


@app.command()
def restore(
    name: Id,
    dataset: DatasetName,
    region: Region,
    table_name: DynamoTable = "",
    dsn: Dsn = "",
    host: Host = "",
    port: Port = 5432,
    database: Name = "postgres",
    user: User = "",
    authorities: Authorities = "",
    cluster_arn: ClusterArn = "",
    secret_arn: SecretArn = "",
    replication: ReplicationFile = REPLICATION,
    *,
    yes: Yes = False,
) -> None:
    """Write what was lost back, as a new write in this region, over whatever the row holds now.

    That is the whole state that has lost or, where the row shows both but for some attributes, those.
    Of an Aurora dataset say where its database is, as with `distributary aurora`.
    """
    with told_plainly():
        place = _place(replication, dataset, region)
        entry = _found(place, name)
        console.print(difference(entry))
        refused = restoring.refusal(entry)
        if refused is not None:
            Console(stderr=True).print(f"not restored: {refused}", style="red", markup=False)
            raise typer.Exit(1)
        wanted = Database(dsn, host, port, database, user, authorities, cluster_arn, secret_arn)
        if place.dataset.engine is Engine.AURORA:
            write = restoring.into_aurora(replication, place.dataset, region, wanted)
        else:
            write = restoring.into_dynamodb(region, table_name or place.table)
        if not yes:
            action = restoring.what_is_written(entry)
            typer.confirm(f"{action} {key_of(entry)}, over what is there now, in all regions?", abort=True)
        write(entry)
    console.print("Written. It travels to the other regions as any write does.")


def _place(replication: Path, name: str, region: str) -> Place:
    chosen = settings.load(replication).dataset(name)
    if chosen is None:
        raise InvalidSettings(f"--dataset: {replication} has no dataset {name!r}")
    told = wiring_journal.deployed(name, region)
    return Place(chosen, wiring_journal.recorded(chosen, region, told), told.get("TABLE_NAME", ""))


def _found(place: Place, name: str) -> Entry:
    entry = place.journal.find(name)
    if entry is None:
        raise NothingFound(f"the journal has no conflict {name!r}; each region keeps its own, for a time")
    return entry


def _search(place: Place, key: str, table: str, *, lost_only: bool) -> Callable[[int, int], Iterator[Entry]]:
    """What finds the conflicts that are meant, between two times."""
    aurora = place.dataset.engine is Engine.AURORA
    wanted = _quoted(table) if aurora and table else table
    if key and aurora and not table:
        raise InvalidSettings("--table: is missing; a key is one of a table")
    row = (text_key(key) if aurora else typed_key(key, place.dataset.key)) if key else None

    def search(since: int, until: int) -> Iterator[Entry]:
        found = (
            place.journal.of_row(wanted or place.table, row, since, until)
            if row is not None
            else place.journal.within(since, until)
        )
        for entry in found:
            if wanted in ("", entry.table) and not (lost_only and not entry.loses):
                yield entry

    return search


def _quoted(table: str) -> str:
    return table if table.startswith('"') else TableName(*table.rpartition(".")[::2]).text()


def _follow(search: Callable[[int, int], Iterator[Entry]], since: int, tell: Callable[[Entry], None]) -> None:
    seen: dict[str, int] = {}
    try:
        while True:
            now = wiring.clock()
            fresh = [entry for entry in search(since, now + OVERLAP) if entry.id not in seen]
            for entry in reversed(fresh):
                tell(entry)
            since = max(since, now - OVERLAP)
            seen = {name: at for name, at in seen.items() if at >= since} | {each.id: each.at for each in fresh}
            time.sleep(POLL)
    except KeyboardInterrupt:
        return


def _tell_line(entry: Entry) -> None:
    console.print(line_of(entry), markup=False, soft_wrap=True)


def _tell_json(entry: Entry) -> None:
    typer.echo(json.dumps(document(entry), ensure_ascii=False))
