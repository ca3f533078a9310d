"""Which row stays of those that cannot all be there since a column beside the key is unique: the newest.

Every region that meets them compares the same versions, so all decide alike. What loses is deleted as an application of
this region would delete it, and goes on record before that. A value that has only moved from one row to another is no
clash: a newer state of one of the two is under way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from distributary.domain.change import Change
from distributary.domain.conflict import Conflict, Side, conflict_by_version
from distributary.domain.image import Image, key_text
from distributary.domain.place import Place
from distributary.domain.row import Row

Rival = tuple[Image, Row]
"""The key of a row in a change's way, and the row, whole."""


def moving(rivals: Sequence[Rival], coming: Mapping[str, Change]) -> list[Rival]:
    """The rivals of which a newer state is at hand. coming: by the text of their keys, the newest changes of rows."""
    return [
        (key, row)
        for key, row in rivals
        if (newer := coming.get(key_text(key))) is not None and (row.version is None or row.version < newer.version)
    ]


def may_step_aside(rivals: Sequence[Rival], coming: Mapping[str, Change]) -> list[Rival]:
    """Those of them whose newer state was made on top of what is there, so that nothing is lost with the row."""
    return [
        (key, row)
        for key, row in moving(rivals, coming)
        if row.version is not None and coming[key_text(key)].context.covers(row.version)
    ]


def of_one_region(change: Change, rivals: Sequence[Rival]) -> bool:
    """Whether a rival was written in the change's own region, where the two were never there at once.

    One had let the value go before the other took it, by a write of that region or by one that was merged there, so a
    newer state of one of the two is under way.
    """
    return any(row.version is not None and row.version.region == change.version.region for _, row in rivals)


def wins(change: Change, rivals: Sequence[Rival]) -> bool:
    """Whether the change is newer than every row in its way; one without a version is older than all."""
    return not _newer(change, rivals)


def losses(change: Change, rivals: Sequence[Rival], place: Place) -> list[Conflict]:
    """What goes on record: each row that gives way to the change or, where the change loses, the change."""
    arriving = Side(change.version, change.context, change.image)
    newer = _newer(change, rivals)
    if newer:
        _, strongest = max(newer, key=lambda rival: rival[1].version or change.version)
        return [conflict_by_version(arriving, side, change.key, place) for side in _sides(strongest)]
    return [conflict_by_version(arriving, side, key, place) for key, row in rivals for side in _sides(row)]


def _newer(change: Change, rivals: Sequence[Rival]) -> list[Rival]:
    return [(key, row) for key, row in rivals if row.version is not None and row.version > change.version]


def _sides(row: Row) -> list[Side]:
    return [Side(row.version, row.context, row.content)] if row.version is not None else []
