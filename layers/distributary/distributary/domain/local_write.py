"""A local write with its version: what is to be shipped of it, and the images that show it in the home row."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from distributary.domain.change import Change, StreamRecord
from distributary.domain.conflict import Side
from distributary.domain.errors import NotSettled
from distributary.domain.image import Image
from distributary.domain.place import Place
from distributary.domain.row import Row, Tombstone
from distributary.domain.stamp import Stamp, Writer, link_of_insert, link_to, stamped
from distributary.domain.version import Context, Version


@dataclass(frozen=True)
class LocalWrite:
    """A local write with its version: what is to be shipped, and the images that show it in the home row."""

    record: StreamRecord
    version: Version
    context: Context
    place: Place

    @cached_property
    def row(self) -> Row:
        """The row as the application wrote it."""
        if self.record.new is None:
            raise NotSettled("a deletion has no row")
        return self.record.new

    @property
    def side(self) -> Side:
        """The write as one of the two states of a conflict."""
        return Side(self.version, self.context, self.record.new.content if self.record.new is not None else None)

    def change(self) -> Change:
        """The change for the peers."""
        place, record = self.place, self.record
        image = record.new.content if record.new is not None else None
        source = str(record.sequence)
        return Change(
            place.dataset, place.table, record.key, image, self.version, self.context, place.region, source, place.now
        )

    def over(self, present: Row) -> Image:
        """The application's content, stamped to replace a row of ours."""
        return self._image(self.row.content, self.row.digest, present, self._link(present))

    def restamping(self, present: Row) -> Image:
        """The present content, which is the application's, with its stamp."""
        return self._image(present.content, self.row.digest, present, self._link(present))

    def put_back(self, tombstone: Tombstone) -> Image:
        """The application's content, after a deletion of ours that is older took the row."""
        context = self.context.merge(tombstone.context)
        link = link_of_insert(self.place.region, self.place.unique)
        stamp = Stamp(self.version, context, Writer.REPLICATION, self.row.digest, link)
        return stamped(self.row.content, stamp)

    def noted_in(self, present: Row) -> Image:
        """The present row, whose stamp stays but for its context, which now covers this write too."""
        version, digest = present.version or self.version, present.digest
        return self._image(present.content, digest, present, self._link(present), version)

    def advancing(self, present: Row) -> Image:
        """The present row, which the application has written again: the stamp moves on, yet does not match."""
        ahead = present.stamp is not None and present.stamp.version > self.version
        version = present.stamp.version if present.stamp is not None and ahead else self.version
        digest = present.stamp.digest if present.stamp is not None and ahead else self.row.digest
        return self._image(present.content, digest, present, self._link(present), version)

    def _link(self, present: Row) -> str:
        return link_to(present.image, self.place.region)

    def _image(self, content: Image, digest: str, present: Row, link: str, version: Version | None = None) -> Image:
        context = present.context.merge(self.context)
        return stamped(content, Stamp(version or self.version, context, Writer.REPLICATION, digest, link))
