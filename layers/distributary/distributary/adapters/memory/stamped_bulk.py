"""Merges what is plain into a stamping table in memory, many rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from distributary.adapters.memory.replica import proceed
from distributary.adapters.memory.stamped_table import StampedTable
from distributary.domain.block import Block, Taken
from distributary.domain.change import Change
from distributary.domain.image import Image, key_text
from distributary.domain.incarnations import incarnation_of
from distributary.domain.row import Row, Tombstone
from distributary.domain.stamp import Stamp, Writer, stamped
from distributary.domain.state_documents import incarnation_in
from distributary.domain.state_texts import as_column
from distributary.domain.steps import Remember, Write
from distributary.domain.version import Context, Version


@dataclass
class StampedBulk:
    """`ports.Bulk` over such a table. pause: called before and after each access, it may raise."""

    table: StampedTable
    pause: Callable[[str], None] = proceed

    def take(self, block: Block) -> Taken:
        """See `ports.Bulk`: tombstones are looked at before rows are written, as by a statement's view of them."""
        changes = list(block.changes())
        if block.deletes:
            left = self._delete(changes)
            return Taken(deleted=len(changes) - len(left), left=left)
        left = self._put(changes)
        return Taken(replaced=len(changes) - len(left), left=left)

    def outlived(self, block: Block) -> Sequence[int]:
        """See `ports.Bulk`. Where states are joined, all that have a tombstone, since stamps do not tell enough."""
        self.pause("look_back")
        return [at for at, change in enumerate(block.changes()) if self._outlived(change)]

    def _put(self, changes: Sequence[Change]) -> list[int]:
        self.pause("look")
        plain = [self.made_on_top(change, self._tombstone(change)) for change in changes]
        left = [at for at, fits in enumerate(plain) if not fits]
        inserted = []
        for at, change in enumerate(changes):
            if not plain[at]:
                continue
            self.pause("write")
            self.table.wait(change.key)
            image = self.table.get(change.key)
            known = Row(image) if image is not None else None
            if known is not None and not self._may_replace(change, known):
                left.append(at)
                continue
            if known is None:
                inserted.append(at)
            self.table.write_if(change.key, Write(known, _image(change)))
        self.pause("written")
        if inserted:
            self.pause("look_back")
            left += [at for at in inserted if not self.made_on_top(changes[at], self._tombstone(changes[at]))]
        return sorted(set(left))

    def _delete(self, changes: Sequence[Change]) -> list[int]:
        left = []
        self.pause("remember")
        for at, change in enumerate(changes):
            known = self._tombstone(change)
            noted = Remember(known, Tombstone(change.version, change.context))
            seen = known is None or _had_seen(change, known.deletion, known.context)
            if not seen or not self.table.note(change.key, noted):
                left.append(at)
        self.pause("remembered")
        self.pause("write")
        for at, change in enumerate(changes):
            if at in left:
                continue
            self.table.wait(change.key)
            image = self.table.get(change.key)
            if image is None:
                continue
            row = Row(image)
            if not _had_seen(change, row.version, row.context) or not self.table.write_if(change.key, Write(row, None)):
                left.append(at)
        self.pause("written")
        return sorted(left)

    def made_on_top(self, change: Change, tombstone: Tombstone | None) -> bool:
        """Whether a put was certainly made on top of the deletion.

        Where states are joined its incarnation tells, and its context does not: that of an insert covers a deletion of
        its own region which it could not see, since it was not committed yet.
        """
        if tombstone is None or tombstone.deletion is None:
            return True
        if self.table.lattice is not None:
            return incarnation_in(change.state, change.version)[0] >= tombstone.deletion
        return _had_seen(change, tombstone.deletion, tombstone.context)

    def _may_replace(self, change: Change, known: Row) -> bool:
        """Whether a put has all of a row in it, and is not beneath the deletion that the row was made on top of."""
        if not _had_seen(change, known.version, known.context):
            return False
        return self.table.lattice is None or incarnation_of(known) <= incarnation_in(change.state, change.version)[0]

    def _outlived(self, change: Change) -> bool:
        tombstone = self._tombstone(change)
        if tombstone is None:
            return False
        return self.table.lattice is not None or tombstone.covers(change.version)

    def _tombstone(self, change: Change) -> Tombstone | None:
        return self.table.tombstones.get(key_text(change.key))


def _had_seen(change: Change, version: Version | None, context: Context) -> bool:
    """Whether the writer of a change had seen all that a known version and context tell of."""
    if version is None:
        return False
    home = change.version.region
    entries = change.context.entries
    seen = all(region == home or entries.get(region) == at for region, at in context.entries.items())
    return version < change.version and seen


def _image(change: Change) -> Image:
    stamp = Stamp(change.version, change.context, Writer.REPLICATION)
    return stamped({**(change.image or {}), **as_column(change.state)}, stamp)
