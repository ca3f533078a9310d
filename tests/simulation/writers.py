"""Applications of every kind: those that know nothing of stamps, those that copy them, and those that stamp."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from distributary.domain.image import STAMP_ATTRIBUTE, Image, content_of, digest_of, key_text
from distributary.domain.row import Row
from distributary.domain.stamp import UNKNOWN, Stamp, Writer, stamp_of, stamped
from distributary.domain.version import NOTHING_SEEN, STAMPING_SEQUENCE, Version
from tests.simulation.setting import YEAR, Writing

if TYPE_CHECKING:
    from tests.simulation.streams import StreamRegion as Region
    from tests.simulation.streams import StreamWorld as World

KEYS: tuple[Image, ...] = ({"pk": {"S": "x"}}, {"pk": {"S": "y"}})
DRIFT = (0, 0, 0, -2_000_000)
"""Microseconds by which the clock of a stamping writer is off from that of its region."""


@dataclass(frozen=True)
class Written:
    """An acknowledged write. beneath: the version it was made on top of, as far as that can be believed."""

    operation: str
    stamping: bool
    beneath: Version | None


class Writers:
    """Draws writes and makes them. log: those that changed something, by region and sequence number of the record."""

    def __init__(self, world: World) -> None:
        self.world, self.choices = world, world.choices
        self.keys = KEYS[: world.setting.rows]
        self.log: dict[tuple[str, int], Written] = {}

    @staticmethod
    def row_of(key: Image) -> str:
        """The key as canonical text."""
        return key_text(key)

    def write(self, region: Region) -> None:
        """Make one write in a region."""
        writing, key = self.world.setting.writing, self.choices.pick(self.keys)
        stamping = writing is Writing.STAMPING or (writing is Writing.MIXED and self.choices.chance(0.4))
        operation = self.choices.pick(STAMPING if stamping else UNMODIFIED)
        self.perform(operation, region, key, stamping=stamping)

    def perform(self, operation: Operation, region: Region, key: Image, *, stamping: bool = False) -> None:
        """Make a certain write."""
        before, beneath = len(region.table.stream), _beneath(region, key)
        operation(self, region, key)
        name = operation.__name__.strip("_")
        for sequence in range(before + 1, len(region.table.stream) + 1):
            self.log[(region.name, sequence)] = Written(name, stamping, beneath)
        if self.world.tell is not None:
            image = region.table.get(key)
            self.world.tell(f"the application in {region.name}: {name} {key['pk']['S']} -> {image}")

    def restate(self, region: Region) -> None:
        """Write every row again, and delete it again where it was absent."""
        for key in self.keys:
            absent = region.table.get(key) is None
            self.perform(Writers._put, region, key)
            if absent:
                self.perform(Writers._delete, region, key)

    def _refrain(self, region: Region, key: Image) -> None:
        """Nothing is written after all."""

    def _value(self) -> dict[str, str]:
        return {"N": str(len(self.log) + 1)}

    def _put(self, region: Region, key: Image) -> None:
        region.table.write(key, {**key, "a": self._value()})

    def _update(self, region: Region, key: Image) -> None:
        """SET of one attribute, which may be new; it keeps the stamp."""
        current = region.table.get(key) or key
        region.table.write(key, {**current, self.choices.pick("ab"): self._value()})

    def _remove_attribute(self, region: Region, key: Image) -> None:
        """REMOVE of one attribute; it keeps the stamp."""
        current = region.table.get(key)
        if current is not None:
            name = self.choices.pick("ba")
            region.table.write(key, {n: value for n, value in current.items() if n != name})

    def _update_if_there(self, region: Region, key: Image) -> None:
        """A conditional update of what was read."""
        current = region.table.get(key)
        if current is not None and "a" in current:
            region.table.write(key, {**current, "a": self._value(), "b": current["a"]})

    def _insert_if_absent(self, region: Region, key: Image) -> None:
        """A conditional put."""
        if region.table.get(key) is None:
            self._put(region, key)

    def _delete(self, region: Region, key: Image) -> None:
        region.table.write(key, None)

    def _expire(self, region: Region, key: Image) -> None:
        """The time to live is over."""
        region.table.write(key, None, expired=True)

    def _stale_copy(self, region: Region, key: Image) -> None:
        """Read-modify-put of a row as it was some time ago, stamp included; sometimes unmodified."""
        images = [r.new.image for r in region.table.stream if r.key == key and r.new is not None]
        if images:
            image = dict(self.choices.pick(images))
            if not self.choices.chance(0.2):
                image["a"] = self._value()
            region.table.write(key, image)

    def _foreign_copy(self, region: Region, key: Image) -> None:
        """Put of a row that was read in another region, stamp included."""
        image = self.choices.pick(self.world.regions).table.get(key)
        if image is not None:
            region.table.write(key, {**image, "a": self._value()} if self.choices.chance(0.5) else image)

    def _forge(self, region: Region, key: Image) -> None:
        """A stamp that nobody drew: unreadable, or a year ahead."""
        current = region.table.get(key) or {**key, "a": self._value()}
        ahead = Version(region.clock() + YEAR, 1, region.name)
        stamp = Stamp(ahead, NOTHING_SEEN.including(ahead), Writer.REPLICATION, digest_of(content_of(current)))
        text = self.choices.pick(("nonsense", stamp.text()))
        region.table.write(key, {**current, STAMP_ATTRIBUTE: {"S": text}})

    def _save(self, region: Region, key: Image) -> None:
        """A stamping writer's put, made with or without having read the row."""
        content: Image = {**key, "a": self._value()}
        self._stamping(region, key, content, digest_of(content), blind=self.choices.chance(0.3))

    def _stamped_update(self, region: Region, key: Image) -> None:
        """A stamping writer's update, which cannot know the whole content."""
        content = {**content_of(region.table.get(key) or key), "b": self._value()}
        self._stamping(region, key, content, UNKNOWN, blind=False)

    def _touch(self, region: Region, key: Image) -> None:
        """What a stamping writer does before it deletes."""
        current = region.table.get(key)
        if current is not None:
            self._stamping(region, key, content_of(current), UNKNOWN, blind=False)

    def _stamped_delete(self, region: Region, key: Image) -> None:
        """A stamping writer's deletion: both of its requests, with nothing in between."""
        self._touch(region, key)
        region.table.write(key, None)

    def _stamping(self, region: Region, key: Image, content: Image, digest: str, *, blind: bool) -> None:
        current = region.table.get(key)
        seen = stamp_of(current) if current is not None and not blind else None
        timestamp = region.clock() + self.choices.pick(DRIFT)
        if seen is not None:
            timestamp = max(timestamp, seen.version.timestamp + 1)
        # Random in reality, so that no two writes share it; that has to stay so when a history is reduced.
        unlike = (self.choices.below(1 << 20) << 20) + len(self.log)
        version = Version(timestamp, STAMPING_SEQUENCE + 1 + unlike, region.name)
        context = (seen.context if seen else NOTHING_SEEN).including(version)
        region.table.write(key, stamped(content, Stamp(version, context, Writer.APPLICATION, digest)))


Operation = Callable[[Writers, "Region", Image], None]


def _beneath(region: Region, key: Image) -> Version | None:
    """The version that a write is made on top of: the row's, as far as it can be believed, or the deletion's.

    Where the clock has stepped back, a deletion that was there before cannot be told from one that came later.
    """
    latest = region.clock() + region.world.dataset.max_clock_drift
    current = region.table.get(key)
    if current is not None:
        return Row(current, latest).version
    tombstone = region.replica.tombstones.get(key_text(key))
    tick = region.table.granularity
    if tombstone is None or tombstone.arrived_at > region.clock() // tick * tick + tick:
        return None
    return tombstone.trusting(latest).deletion


_W = Writers
UNMODIFIED: tuple[Operation, ...] = (
    _W._refrain, _W._put, _W._put, _W._update, _W._update, _W._update, _W._update_if_there, _W._remove_attribute,
    _W._insert_if_absent, _W._delete, _W._delete, _W._expire, _W._stale_copy, _W._foreign_copy, _W._forge,
)  # fmt: skip
STAMPING: tuple[Operation, ...] = (_W._refrain, _W._save, _W._save, _W._stamped_update, _W._touch, _W._stamped_delete)
