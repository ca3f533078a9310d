"""What is merged by statements for many rows ends as if each change had taken a decision."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pytest

from distributary.domain.block import blocks_of
from distributary.domain.change import Change
from distributary.domain.delivery import Received
from distributary.domain.errors import InvalidSettings
from distributary.domain.merge import Effect
from distributary.domain.message import pack
from distributary.domain.stamp import Stamp, Writer
from distributary.domain.version import Context, Version
from tests.contract.aurora_sites import PLENTY, REGIONS, Site, now, site

TABLE = '"public"."t"'
HERE = REGIONS[0]
KEYS = 400
STATES = (
    "SELECT id, v, split_part(replication_stamp, ' ', 1) FROM t ORDER BY 1",
    "SELECT key, split_part(stamp, ' ', 1) FROM distributary.tombstones ORDER BY 1",
)
"""Without what else was seen, which depends on the order in which changes of several regions are merged."""


@dataclass(frozen=True)
class Write:
    """One write of a row by a region, with all that it had seen."""

    version: Version
    context: Context
    deletes: bool

    def stamp(self) -> str:
        return Stamp(self.version, self.context, Writer.REPLICATION).text()


def history(chance: random.Random, began: int, regions: Sequence[str] = REGIONS) -> list[Write]:
    """Writes of one row, each on top of some of those before, and of all of its own region."""
    writes: list[Write] = []
    for turn in range(chance.randint(2, 6)):
        region = chance.choice(regions)
        seen = [each for each in writes if each.version.region == region or chance.random() < 0.5]
        context = Context()
        for each in seen:
            context = context.merge(each.context)
        latest = max([each.version.timestamp for each in seen], default=0)
        version = Version(max(latest + 1, began + turn * chance.randint(0, 1)), 0, region)
        writes.append(Write(version, context.including(version), chance.random() < 0.3))
    return writes


@pytest.fixture
def pair(aurora: Site, postgresql_address: str) -> Iterator[tuple[Site, Site]]:
    """Two databases of one region, prepared alike."""
    with site(postgresql_address) as other:
        other.dataset = aurora.dataset
        for each in (aurora, other):
            each.write("CREATE TABLE t (id int PRIMARY KEY, v text)")
            each.install()
        yield aurora, other


def known_to(place: Site, key: int, row: Write | None, tombstone: Write | None) -> None:
    with place.application.transaction():
        place.write("SELECT set_config('distributary.applying', 'on', true)")
        if row is not None:
            place.write(f"INSERT INTO t VALUES ({key}, '{row.version.timestamp}', '{row.stamp()}')")
        if tombstone is not None:
            place.write(
                f"INSERT INTO distributary.tombstones (relation, key, stamp) "
                f"VALUES ('{TABLE}', '[\"{key}\"]', '{tombstone.stamp()}')"
            )


def change_of(dataset: str, key: int, write: Write) -> Change:
    text = {"S": str(key)}
    image = None if write.deletes else {"id": text, "v": {"S": str(write.version.timestamp)}}
    return Change(
        dataset, TABLE, {"id": text}, image, write.version, write.context, write.version.region, f"0/{key} 1", now()
    )


@pytest.mark.parametrize("seed", range(3))
def test_many_at_once_end_as_one_by_one(pair: tuple[Site, Site], seed: int) -> None:
    # given: rows and tombstones that some of the changes had seen, and others had not
    chance, changes = random.Random(seed), dict[str, list[Change]]()
    dataset = pair[0].dataset
    for key in range(KEYS):
        writes = history(chance, now() - 1_000_000)
        row = chance.choice([None, *(each for each in writes if not each.deletes)])
        tombstone = chance.choice([None, *(each for each in writes if each.deletes)])
        for each in pair:
            known_to(each, key, row, tombstone)
        for write in chance.sample(writes, chance.randint(1, min(3, len(writes)))):
            changes.setdefault(write.version.region, []).append(change_of(dataset.name, key, write))
    bodies = [body for home, some in changes.items() for body in pack(dataset, home, some)]
    messages = [Received(str(at), "", body, 1, now()) for at, body in enumerate(bodies)]
    # when
    bulk, single = pair[0].applying(), replace(pair[1].applying(), bulk=None)
    reports = [service.run(messages, lambda: PLENTY) for service in (bulk, single)]
    # then
    for question in STATES:
        assert pair[0].ask(question) == pair[1].ask(question)
    assert [report.failed for report in reports] == [{}, {}]
    assert reports[0].homes == reports[1].homes


@pytest.mark.parametrize("seed", range(3))
def test_a_change_is_plain_where_its_writer_had_seen_what_the_row_tells_of_to_the_letter(
    aurora: Site, seed: int
) -> None:
    # given: a row and a write of each history, in regions of which one's name begins like another's
    chance, began = random.Random(seed), now() - 1_000_000
    aurora.write("CREATE TABLE t (id int PRIMARY KEY, v text)")
    aurora.install()
    changes, seen = list[Change](), set[int]()
    for key in range(KEYS):
        row, write = chance.sample(history(chance, began, ("us-east-1", "us-east-11", "us-east-12")), 2)
        known_to(aurora, key, row, None)
        changes.append(change_of(aurora.dataset.name, key, replace(write, deletes=False)))
        of_others = {each for each in row.context.entries.items() if each[0] != write.version.region}
        if row.version < write.version and of_others <= set(write.context.entries.items()):
            seen.add(key)
    # when
    service = aurora.applying().bulk
    assert service is not None
    bulk = service.bulk_of(TABLE)
    left = {block.columns["id"][at] for block in blocks_of(changes) for at in bulk.take(block).left}
    # then
    assert left == {str(key) for key in range(KEYS) if key not in seen}


def test_what_was_seen_takes_no_decision(aurora: Site) -> None:
    # given: rows that one region inserts, updates, deletes and inserts again
    aurora.write("CREATE TABLE t (id int PRIMARY KEY, v text)")
    aurora.install()
    first = [Write(Version(now() - 5_000, 0, REGIONS[1]), Context(), deletes=False)] * KEYS
    first = [replace(each, context=Context().including(each.version)) for each in first]
    steps = [first]
    for deletes in (False, True, False):
        before = steps[-1][0]
        version = replace_timestamp(before.version, before.version.timestamp + 1)
        steps.append([Write(version, before.context.including(version), deletes)] * KEYS)
    service = aurora.applying()
    undecided = replace(service, decide=None)  # type: ignore[arg-type]
    effects: Counter[Effect] = Counter()
    # when: each comes after the one before it
    for step in steps:
        changes = [change_of(aurora.dataset.name, key, write) for key, write in enumerate(step)]
        bodies = list(pack(aurora.dataset, REGIONS[1], changes))
        report = undecided.run([Received("1", "", body, 1, now()) for body in bodies], lambda: PLENTY)
        effects.update(report.effects)
    # then
    assert effects == {Effect.INSERTED: 2 * KEYS, Effect.REPLACED: KEYS, Effect.DELETED: KEYS}
    assert aurora.ask("SELECT count(*) FROM t") == [(KEYS,)]


def test_one_row_at_fault_costs_no_other(aurora: Site) -> None:
    # given: a column that refuses one value of many
    aurora.write("CREATE TABLE t (id int PRIMARY KEY, v text CHECK (v <> 'bad'))")
    aurora.install()
    version = Version(now() - 5_000, 0, REGIONS[1])
    write = Write(version, Context().including(version), deletes=False)
    changes = [change_of(aurora.dataset.name, key, write) for key in range(KEYS)]
    changes[77] = replace(changes[77], image={"id": {"S": "77"}, "v": {"S": "bad"}})
    # when
    (body,) = pack(aurora.dataset, REGIONS[1], changes)
    report = aurora.applying().run([Received("1", "", body, 1, now())], lambda: PLENTY)
    # then
    assert [type(each).__name__ for each in aurora.parking.parcels] == ["Parcel"]
    assert report.effects == {Effect.INSERTED: KEYS - 1}


def test_nothing_is_merged_into_the_database_of_another_region(aurora: Site) -> None:
    # given: a function of a region that connects to another one's database
    aurora.write("CREATE TABLE t (id int PRIMARY KEY, v text)")
    aurora.install()
    version = Version(now() - 5_000, 0, REGIONS[2])
    change = change_of(aurora.dataset.name, 1, Write(version, Context().including(version), deletes=False))
    aurora.region = REGIONS[1]
    # when
    (body,) = pack(aurora.dataset, REGIONS[2], [change])
    report = aurora.applying().run([Received("1", "", body, 1, now())], lambda: PLENTY)
    # then: the message comes again
    assert [type(error) for error in report.failed.values()] == [InvalidSettings]
    assert (aurora.ask("SELECT * FROM t"), aurora.parking.parcels) == ([], [])


def replace_timestamp(version: Version, timestamp: int) -> Version:
    return Version(timestamp, version.sequence, version.region)
