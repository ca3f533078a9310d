"""Functions and transactions that race for one row: of two, one always sees the other, and no order leaves a trace."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from distributary.adapters.memory.stamped_table import Transaction
from distributary.domain.change import Change
from distributary.domain.merge import Effect
from tests.unit.interleavings import Actor, Capture, applying, every_order, play, writing
from tests.unit.sites import FAR, HOME, NOW, SECOND
from tests.unit.stamped_sites import StampedSite, deletion_of, key, put_of, row

AHEAD = NOW + 30 * SECOND
"""What peers write whose clocks are ahead of this region's, as far as is borne."""

BASE = put_of(n=0, at=NOW - 60 * SECOND)
PUT, PUT_LATER = put_of(n=1, at=AHEAD), put_of(n=2, at=AHEAD + 20)
DELETION = deletion_of(at=AHEAD + 10, home=FAR)


@pytest.fixture
def site() -> StampedSite:
    return StampedSite(HOME)


def puts(transaction: Transaction) -> None:
    transaction.put(key(), row(n=9))


def deletes(transaction: Transaction) -> None:
    transaction.delete(key())


# --- the smallest histories


def test_an_insert_and_a_newer_deletion_that_race_leave_no_row(site: StampedSite) -> None:
    site.interrupt("write", lambda: StampedSite.merge(twin(site), DELETION))
    assert site.merge(PUT).effect is Effect.KEPT
    assert site.content() is None


def test_an_insert_that_ended_before_it_looked_back_is_removed_by_the_delivery_that_follows(site: StampedSite) -> None:
    leave_behind(site)
    assert site.merge(PUT).effect is Effect.KEPT
    assert site.content() is None


def test_the_delivery_that_follows_removes_what_an_application_has_made_of_the_row(site: StampedSite) -> None:
    """With the rule "remove the row if it still has the change's version" the application's update stayed for ever."""
    leave_behind(site)
    site.put(n=5)
    site.merge(PUT)
    assert site.content() is None


def test_an_application_insert_that_was_not_committed_when_the_deletion_came_is_removed_by_capture(
    site: StampedSite,
) -> None:
    insert = site.putting(n=1)
    site.merge(DELETION)
    insert.commit()
    assert site.content() == row(n=1)
    assert site.settle_inserted()
    assert site.content() is None


def test_an_application_insert_that_saw_the_deletion_stays(site: StampedSite) -> None:
    site.merge(DELETION)
    site.put(n=1)
    assert not site.settle_inserted()
    assert site.content() == row(n=1)


def test_an_update_that_is_not_committed_when_a_deletion_comes_is_waited_for(site: StampedSite) -> None:
    site.merge(BASE)
    update = site.putting(n=5)
    site.merge(deletion_of(at=NOW - SECOND, home=FAR))
    assert (site.content(), update.log) == (row(n=5), [])


def test_a_put_waits_for_the_application_that_deletes_the_row_and_sees_its_tombstone(site: StampedSite) -> None:
    site.merge(BASE)
    site.deleting()
    assert site.merge(put_of(n=1, at=NOW - SECOND)).effect is Effect.KEPT
    assert site.content() is None


def test_two_deletions_that_race_are_both_remembered(site: StampedSite) -> None:
    older = deletion_of(at=AHEAD, home="eu-west-1")
    site.interrupt("remember", lambda: StampedSite.merge(twin(site), older))
    site.merge(DELETION)
    tombstone = site.tombstone()
    assert tombstone is not None
    assert tombstone.deletion == DELETION.version
    assert tombstone.context.covers(older.version)


def twin(site: StampedSite) -> StampedSite:
    """Another function of the same site, which nothing interrupts."""
    other = StampedSite(HOME, site.now)
    other.table = other.replica.table = site.table
    return other


def leave_behind(site: StampedSite) -> None:
    """A delivery inserts a row and ends; a newer deletion has come after it had looked."""
    delivery = applying(site, PUT)
    next(delivery)  # has asked to look
    next(delivery)  # has looked, and asks to insert
    tombstones = twin(StampedSite(HOME, site.now))
    tombstones.merge(DELETION)
    site.table.tombstones.update(tombstones.table.tombstones)
    next(delivery)
    assert site.content() == PUT.image


# --- all of them


def stage(
    setup: list[Change], changes: list[Change], *transactions: list[Callable[[Any], None]], looks: int = 2
) -> tuple[StampedSite, Capture, list[Actor]]:
    site = StampedSite(HOME)
    for change in setup:
        site.merge(change)
    capture = Capture(site)
    actors = [applying(site, change) for change in changes]
    actors += [writing(site, *actions) for actions in transactions]
    return site, capture, [*actors, capture.follow(looks)]


def assert_the_newest_stands(site: StampedSite, changes: list[Change]) -> None:
    newest = max([*changes, *site.changes()], key=lambda change: change.version)
    assert site.content() == newest.image


@pytest.mark.parametrize("setup", [[], [BASE]], ids=["absent", "present"])
@pytest.mark.parametrize(
    ("changes", "transactions"),
    [
        pytest.param([PUT, DELETION], [], id="put and deletion"),
        pytest.param([DELETION, PUT_LATER], [], id="deletion and newer put"),
        pytest.param([PUT, PUT_LATER], [], id="two puts"),
        pytest.param([DELETION], [[puts]], id="deletion and a put here"),
        pytest.param([PUT], [[puts]], id="put and a put here"),
        pytest.param([PUT], [[deletes]], id="put and a deletion here"),
        pytest.param([DELETION], [[deletes, puts]], id="deletion, and deleted and put back here"),
    ],
)
def test_no_order_of_the_steps_of_two_matters(
    setup: list[Change], changes: list[Change], transactions: list[list[Callable[[Any], None]]]
) -> None:
    here: list[tuple[StampedSite, Capture]] = []

    def staged() -> list[Actor]:
        site, capture, actors = stage(setup, changes, *transactions, looks=1)
        here.append((site, capture))
        return actors

    for _ in every_order(staged):
        site, capture = here.pop()
        play([capture.follow()], lambda _: 0)
        assert_the_newest_stands(site, setup + changes)


CHANGES = [
    [PUT, DELETION],
    [DELETION, PUT_LATER],
    [PUT, DELETION, PUT_LATER],
    [deletion_of(at=NOW - SECOND, home=FAR), PUT, DELETION],
    [put_of(n=5, at=NOW - SECOND), DELETION, PUT_LATER],
    [DELETION, DELETION],
]
TRANSACTIONS: list[list[list[Callable[[Any], None]]]] = [
    [],
    [[puts]],
    [[deletes]],
    [[deletes, puts]],
    [[puts, deletes]],
    [[puts], [puts]],
    [[deletes], [puts]],
]


@pytest.mark.parametrize("seed", range(40))
def test_no_order_of_many_and_no_crash_leaves_a_trace(seed: int) -> None:
    random = Random(seed)
    for _ in range(100):
        setup, changes = random.choice([[], [BASE]]), random.choice(CHANGES)
        site, capture, actors = stage(setup, [], *random.choice(TRANSACTIONS), looks=4)
        site.now += random.choice([0, 0, 31 * SECOND])
        for change in changes * random.choice([1, 1, 2]):
            actors.append(applying(site, change, crashes_after=random.choice([None, 1, 2, 3, 4, 5])))
        play(actors, random.randrange)
        play([capture.follow()], lambda _: 0)
        assert_the_newest_stands(site, setup + changes)
