"""Applications of every kind: those that know nothing of stamps, those that copy them, and those that stamp."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from distributary.domain.image import STAMP_ATTRIBUTE, Image, content_of, digest_of, key_text
from distributary.domain.row import Row
from distributary.domain.stamp import UNKNOWN, Stamp, Writer, stamp_of, stamped
from distributary.domain.version import NOTHING_SEEN, STAMPING_SEQUENCE, Version

if TYPE_CHECKING:
    from tests.simulation.world import Region

KEYS: tuple[Image, ...] = ({"pk": {"S": "x"}}, {"pk": {"S": "y"}})


class Writers:
    """Draws writes. kinds: "u" for unmodified writers, "s" for stamping ones, "us" for both on one table."""

    def __init__(self, rng: random.Random, kinds: str) -> None:
        self.random, self.kinds = rng, kinds
        self.log: list[tuple[str, str, str, Image | None]] = []
        self.mine: dict[str, set[int]] = {}
        self.beneath: dict[tuple[str, int], Version | None] = {}

    def write(self, region: Region) -> None:
        """Make one write in a region."""
        key = self.random.choice(KEYS)
        stamping = "s" in self.kinds and ("u" not in self.kinds or self.random.random() < 0.4)
        operation = self.random.choice(STAMPING if stamping else UNMODIFIED)
        before = len(region.table.stream)
        beneath = _beneath(region, key)
        getattr(self, f"_{operation}")(region, key)
        if len(region.table.stream) > before:
            self.mine.setdefault(region.name, set()).add(before + 1)
            self.beneath[(region.name, before + 1)] = beneath
            self.log.append((region.name, operation, key["pk"]["S"], region.table.get(key)))

    def _value(self) -> dict[str, str]:
        return {"N": str(self.random.randrange(1000))}

    def _put(self, region: Region, key: Image) -> None:
        region.table.write(key, {**key, "a": self._value()})

    def _update(self, region: Region, key: Image) -> None:
        """SET of one attribute, which may be new; it keeps the stamp."""
        current = region.table.get(key) or key
        region.table.write(key, {**current, self.random.choice("ab"): self._value()})

    def _delete(self, region: Region, key: Image) -> None:
        region.table.write(key, None)

    def _stale_copy(self, region: Region, key: Image) -> None:
        """Read-modify-put of a row as it was some time ago, stamp included; sometimes unmodified."""
        images = [r.new.image for r in region.table.stream if r.key == key and r.new is not None]
        if images:
            image = dict(self.random.choice(images))
            if self.random.random() < 0.8:
                image["a"] = self._value()
            region.table.write(key, image)

    def _foreign_copy(self, region: Region, key: Image) -> None:
        """Put of a row that was read in another region, stamp included."""
        other = self.random.choice(region.world.regions)
        image = other.table.get(key)
        if image is not None:
            region.table.write(key, {**image, "a": self._value()} if self.random.random() < 0.5 else image)

    def _forge(self, region: Region, key: Image) -> None:
        """A stamp that nobody drew: unreadable, or a year ahead."""
        current = region.table.get(key) or {**key, "a": self._value()}
        ahead = Version(region.clock() + 31_536_000_000_000, 1, region.name)
        stamp = Stamp(ahead, NOTHING_SEEN.including(ahead), Writer.REPLICATION, digest_of(content_of(current)))
        text = self.random.choice(("nonsense", stamp.text()))
        region.table.write(key, {**current, STAMP_ATTRIBUTE: {"S": text}})

    def _save(self, region: Region, key: Image) -> None:
        """A stamping writer's put, made with or without having read the row."""
        content: Image = {**key, "a": self._value()}
        self._stamping(region, key, content, digest_of(content), blind=self.random.random() < 0.3)

    def _stamped_update(self, region: Region, key: Image) -> None:
        """A stamping writer's update, which cannot know the whole content."""
        content = {**content_of(region.table.get(key) or key), "b": self._value()}
        self._stamping(region, key, content, UNKNOWN, blind=False)

    def _touch(self, region: Region, key: Image) -> None:
        """What a stamping writer does before it deletes."""
        current = region.table.get(key)
        if current is not None:
            self._stamping(region, key, content_of(current), UNKNOWN, blind=False)

    def _stamping(self, region: Region, key: Image, content: Image, digest: str, *, blind: bool) -> None:
        current = region.table.get(key)
        seen = stamp_of(current) if current is not None and not blind else None
        timestamp = region.clock() + self.random.choice((0, 0, 0, -2_000_000))
        if seen is not None:
            timestamp = max(timestamp, seen.version.timestamp + 1)
        version = Version(timestamp, STAMPING_SEQUENCE + self.random.getrandbits(60), region.name)
        context = (seen.context if seen else NOTHING_SEEN).including(version)
        region.table.write(key, stamped(content, Stamp(version, context, Writer.APPLICATION, digest)))


def _beneath(region: Region, key: Image) -> Version | None:
    """The version that a write is made on top of: the row's, as far as it can be believed, or the deletion's."""
    current = region.table.get(key)
    if current is not None:
        return Row(current).trusting(region.clock()).version
    tombstone = region.replica.tombstones.get(key_text(key))
    return tombstone.deletion if tombstone else None


UNMODIFIED = ("put", "put", "update", "update", "update", "delete", "delete", "stale_copy", "foreign_copy", "forge")
STAMPING = ("save", "save", "stamped_update", "touch", "delete")
