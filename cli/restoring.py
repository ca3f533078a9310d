"""Writes what a conflict has lost back, as a new and ordinary write of an application: a whole state, or attributes."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

from cli.databases import targets
from distributary import wiring_journal
from distributary.adapters.aurora import ordinary_writes
from distributary.adapters.aurora.known_tables import KnownTables
from distributary.adapters.aurora.names import table_name
from distributary.domain.dataset import Database, Dataset
from distributary.domain.errors import InvalidSettings
from distributary.domain.image import AttributeValue
from distributary.domain.journal import Entry

Write: TypeAlias = Callable[[Entry], None]
"""Writes what a conflict has lost."""


def refusal(entry: Entry) -> str | None:
    """Why what a conflict has lost cannot be written back; none if it can."""
    if not entry.loses:
        return "nothing was lost: the row shows both states"
    losing = entry.losing
    sides = [side for side in (entry.arriving, entry.present) if side is losing or side.lost]
    names = {name for side in sides for name in (side.lost or (side.image or {}).keys())}
    lacking = sorted(entry.redacted & (entry.key.keys() | names))
    if lacking:
        return f"of {', '.join(lacking)} only hashes are kept; write the row by hand, with its real values"
    if any(side.image is None and not side.deleted for side in sides):
        return f"{entry.note}; write the row by hand"
    if losing is not None and losing.image is not None and not entry.key.keys() <= losing.image.keys():
        return "the image does not hold the whole row; write it by hand"
    return None


def what_is_written(entry: Entry) -> str:
    """What becomes of the row if that is written, for the question before it."""
    if entry.losing is None:
        return f"Write {', '.join(sorted(lost_attributes(entry)))} as lost into"
    return "Delete" if entry.losing.deleted else "Write the lost state of"


def lost_attributes(entry: Entry) -> Mapping[str, AttributeValue | None]:
    """The values that the row does not show, by name, where it shows the rest of both states; none of one removed."""
    return {name: (side.image or {}).get(name) for side in (entry.arriving, entry.present) for name in side.lost}


def into_dynamodb(region: str, table: str) -> Write:
    """What puts a losing row into a table of the region, deletes it there, or gives it the attributes that it lost."""
    rows = wiring_journal.ordinary_table(region, table)

    def write(entry: Entry) -> None:
        if entry.losing is None:
            rows.update(entry.key, lost_attributes(entry))
        elif entry.losing.image is None:
            rows.delete(entry.key)
        else:
            rows.put(entry.losing.image)

    return write


def into_aurora(replication: Path, dataset: Dataset, region: str, wanted: Database) -> Write:
    """The same in a database of the region, which is found now; raises InvalidSettings where that fails."""
    found = targets(replication, dataset.name, region, wanted)
    if len(found) != 1:
        raise InvalidSettings(f"--region: the local world has no database of {dataset.name} in {region!r}")
    session = found[0].session

    def write(entry: Entry) -> None:
        try:
            table = KnownTables(session, dataset, region)(table_name(entry.table), False)
            if entry.losing is None:
                values = {name: value for name, value in lost_attributes(entry).items() if value is not None}
                ordinary_writes.update(session, table, entry.key, values)
            elif entry.losing.image is None:
                ordinary_writes.delete(session, table, entry.key)
            else:
                ordinary_writes.put(session, table, entry.losing.image)
        finally:
            session.close()

    return write
