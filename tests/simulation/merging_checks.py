"""What must hold at the end of a history whose policies merge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import product

from distributary.domain.change import Change, StreamRecord
from distributary.domain.image import Image, digest_of, key_text
from distributary.domain.notation import Notation
from distributary.domain.policies import AttributePolicy
from distributary.domain.row import Row
from distributary.domain.row_state import BEGUN, StateLattice
from distributary.domain.settled_rows import state_of
from distributary.domain.version import NOTHING_SEEN, Version
from tests.simulation.checks import believed, left_behind, misread
from tests.simulation.merging import BEST, LEAST, NUMBER, TAGS, MergingWorld
from tests.simulation.setting import Writing
from tests.simulation.streams import StreamRegion
from tests.simulation.witness import Fault, Witness


class MergingWitness(Witness):
    """Sees every message of such a history."""

    world: MergingWorld

    def note(self, change: Change) -> None:
        """A version stands for one content."""
        digest = digest_of(change.image) if change.image is not None else None
        known = self.minted.setdefault(change.row, {})
        if known.setdefault(change.version, digest) != digest:
            self.faults.append(("minted twice", change.row, change.version))
        self.shipped.setdefault((change.home, change.row), {})[int(change.source)] = change.version


def verdict(witness: MergingWitness) -> Fault | None:
    """The first promise that was broken, or none."""
    return next(_broken(witness), None)


def _broken(witness: MergingWitness) -> Iterator[Fault]:
    yield from witness.faults
    world = witness.world
    yield from left_behind(witness)
    for key in world.writers.keys:
        yield from _disagreements(witness, key)
        yield from _untold(witness, key)
        yield from _deleted_in_spite(witness, key)
    if world.setting.ahead is None:  # otherwise what was written again is all that counts
        yield from _counted(witness, world.regions)
    yield from misread(witness)


def counted_elsewhere(witness: MergingWitness) -> Fault | None:
    """The first promise that was broken in the regions whose clocks were right, before anything is written again."""
    world = witness.world
    return next(_counted(witness, [region for region in world.regions if region is not world.ahead]), None)


def _counted(witness: MergingWitness, regions: Sequence[StreamRegion]) -> Iterator[Fault]:
    """What a table in which nothing is deleted has to come to."""
    if witness.world.counting and not any(misread(witness)):
        for region, key in product(regions, witness.world.writers.keys):
            yield from _miscounted(witness, region, key)


def _disagreements(witness: MergingWitness, key: Image) -> Iterator[Fault]:
    dataset = witness.world.dataset
    lattice = StateLattice(dataset.policies_of(), Notation.DYNAMODB)
    # Without policies who keeps a row does not note what it was kept from, and contexts stay as they are.
    contexts = witness.world.setting.writing is not Writing.DEPLOYING
    views = [_view(region.table.get(key), lattice, contexts=contexts) for region in witness.world.regions]
    if any(view != views[0] for view in views):
        yield ("diverged", key, views)
    if views[0] is not None and not views[0][-1]:
        yield ("not settled", key, views)
    deletions = [_deletion(region.replica.tombstones.get(key_text(key))) for region in witness.world.regions]
    if any(each != deletions[0] for each in deletions) and views[0] is None:
        yield ("tombstones differ", key, deletions)


def _deletion(tombstone: object) -> object:
    return getattr(tombstone, "deletion", None)


def _view(image: Image | None, lattice: StateLattice, *, contexts: bool) -> tuple[object, ...] | None:
    if image is None:
        return None
    row = Row(image)
    state = state_of(row, lattice)
    if state is None and row.version is not None:  # a stamping writer's, from before the policies
        state = lattice.began(row.content, row.version, row.context)
    if state is not None:
        state = replace(state, disputes=0)  # each region's own
    if state is None or contexts:
        return row.digest, row.version, state, row.settled
    # Of a row from before, but from a clock that was ahead of the beginning, the version tells what it has replaced.
    version = state.incarnation if state.from_plain and state.incarnation.region != BEGUN else state.version
    return row.digest, replace(state, version=version, context=NOTHING_SEEN), row.settled


def _untold(witness: MergingWitness, key: Image) -> Iterator[Fault]:
    """Every acknowledged write was taken in at home, or shipped before there was a ledger."""
    world, row = witness.world, key_text(key)
    for region in world.regions:
        told = [s for (name, s) in world.writers.log if name == region.name and _record(witness, name, s).row == row]
        tombstone = region.replica.tombstones.get(row)
        taken = tombstone.ledger.sequence if tombstone is not None and tombstone.ledger is not None else 0
        taken = max(taken, *witness.shipped.get((region.name, row), {}), 0)
        if taken < max((s for s in told if not _echo(witness, region.name, s)), default=0):
            yield ("not taken in", region.name, row, max(told), taken)


def _deleted_in_spite(witness: MergingWitness, key: Image) -> Iterator[Fault]:
    """A row that was inserted on top of the newest deletion is there."""
    world, row = witness.world, key_text(key)
    deletions = [_deletion(region.replica.tombstones.get(row)) for region in world.regions]
    if world.regions[0].table.get(key) is not None or not isinstance(deletions[0], Version):
        return
    for (region, sequence), written in world.writers.log.items():
        record = _record(witness, region, sequence)
        inserted = record.row == row and record.old is None and not _echo(witness, region, sequence)
        beneath = written.beneath if written.beneath is not None and believed(witness, written.beneath) else None
        if inserted and beneath is not None and beneath >= deletions[0]:
            yield ("deleted although inserted on top of the deletion", region, sequence, written)


def _echo(witness: MergingWitness, region: str, sequence: int) -> bool:
    told = witness.origins.get((region, sequence))
    return told is not None and not told.local


def _record(witness: MergingWitness, region: str, sequence: int) -> StreamRecord:
    return witness.world.by_name[region].table.stream[sequence - 1]


def _miscounted(witness: MergingWitness, region: StreamRegion, key: Image) -> Iterator[Fault]:
    """A counter is what all applications have added, wherever they did; nobody's element is lost, none is invented."""
    world, row = witness.world, key_text(key)
    told = (record for name, s in world.writers.log if (record := _record(witness, name, s)).row == row)
    records = [record for record in told if believed(witness, Version(record.created_at, 0, ""))]
    image = region.table.get(key)
    if image is None:
        return
    # An attribute that is removed, if only by an old copy, begins anew: what was before does not count.
    gone = {name for r in records if r.old and r.new for name in r.old.content.keys() - r.new.content.keys()}
    rules = {name: rule.policy for name, rule in world.own.items() if name == TAGS or name not in gone}
    if rules.get(NUMBER) is AttributePolicy.COUNTER:
        expected = sum((_number(r.new) - _number(r.old) for r in records), Decimal(0))
        if _number(Row(image)) != expected:
            yield ("miscounted", key, image.get(NUMBER), expected)
    if TAGS in rules:
        put = {tag for r in records for tag in _tags(r.new) - _tags(r.old)}
        taken = {tag for r in records for tag in _tags(r.old) - _tags(r.new)}
        there = _tags(Row(image))
        if not put - taken <= there <= put:
            yield ("elements lost or invented", key, there, put, taken)
    for name, choose in ((BEST, max), (LEAST, min)):
        written = [Decimal(r.new.content[name]["N"]) for r in records if r.new is not None and name in r.new.content]
        if name in rules and written and Decimal(image.get(name, {"N": "-1"})["N"]) != choose(written):
            yield ("not the outermost", key, name, image.get(name), written)


def _number(row: Row | None) -> Decimal:
    return Decimal(row.content.get(NUMBER, {"N": "0"})["N"]) if row is not None else Decimal(0)


def _tags(row: Row | None) -> set[str]:
    return set(row.content.get(TAGS, {"SS": []})["SS"]) if row is not None else set()
