"""Writes the losing state of a conflict back, as a new and ordinary write of an application."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from cli.databases import targets
from distributary import wiring_journal
from distributary.adapters.aurora import ordinary_writes
from distributary.adapters.aurora.catalog import KnownTables
from distributary.adapters.aurora.names import table_name
from distributary.domain.dataset import Database, Dataset
from distributary.domain.errors import InvalidSettings
from distributary.domain.journal import Entry, Trace

Write: TypeAlias = Callable[[Entry, Trace], None]
"""Writes the losing state of a conflict."""


def refusal(entry: Entry) -> str | None:
    """Why the losing state of a conflict cannot be written back; none if it can."""
    losing = entry.losing
    if losing is None:
        return "nothing was lost: the row shows both states"
    lacking = sorted(entry.redacted & (entry.key.keys() | (losing.image or {}).keys()))
    if lacking:
        return f"of {', '.join(lacking)} only hashes are kept; write the row by hand, with its real values"
    if losing.image is None and not losing.deleted:
        return f"{entry.note}; write the row by hand"
    if losing.image is not None and not entry.key.keys() <= losing.image.keys():
        return "the image does not hold the whole row; write it by hand"
    return None


def into_dynamodb(region: str, table: str) -> Write:
    """What puts a losing row into a table of the region, or deletes it there."""
    rows = wiring_journal.ordinary_table(region, table)

    def write(entry: Entry, losing: Trace) -> None:
        if losing.image is None:
            rows.delete(entry.key)
        else:
            rows.put(losing.image)

    return write


def into_aurora(replication: Path, dataset: Dataset, region: str, wanted: Database) -> Write:
    """The same in a database of the region, which is found now; raises InvalidSettings where that fails."""
    found = targets(replication, dataset.name, region, wanted)
    if len(found) != 1:
        raise InvalidSettings(f"--region: the local world has no database of {dataset.name} in {region!r}")
    session = found[0].session

    def write(entry: Entry, losing: Trace) -> None:
        try:
            table = KnownTables(session, dataset.tables)(table_name(entry.table), False)
            if losing.image is None:
                ordinary_writes.delete(session, table, entry.key)
            else:
                ordinary_writes.put(session, table, losing.image)
        finally:
            session.close()

    return write
