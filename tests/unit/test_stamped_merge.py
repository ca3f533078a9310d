"""A change is merged into a replica whose database stamps every write: the newer state stays, whatever the order."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributary.domain.change import Change
from distributary.domain.errors import NotSettled
from distributary.domain.image import STAMP_ATTRIBUTE
from distributary.domain.merge import Effect, Merged
from distributary.domain.row import Tombstone
from distributary.domain.stamp import Writer
from distributary.domain.version import Version
from tests.unit.sites import FAR, HOME, NOW, PEER, SECOND
from tests.unit.stamped_sites import StampedSite, deletion_of, key, knowing, put_of, row


@pytest.fixture
def site() -> StampedSite:
    return StampedSite(HOME)


def test_a_row_that_is_absent_is_inserted_with_a_stamp_of_ours(site: StampedSite) -> None:
    change = put_of(n=1)
    assert site.merge(change) == Merged(Effect.INSERTED)
    assert site.state() == (change.image, change.version)
    stamp = site.present().stamp
    assert stamp is not None
    assert stamp.writer is Writer.REPLICATION


def test_an_update_of_a_row_that_never_came_inserts_it(site: StampedSite) -> None:
    change = knowing(put_of(n=2, at=NOW + 1), put_of(n=1).version)
    assert site.merge(change) == Merged(Effect.INSERTED)
    assert site.content() == row(n=2)


def test_an_older_row_is_replaced(site: StampedSite) -> None:
    older = put_of(n=1)
    site.merge(older)
    assert site.merge(knowing(put_of(n=2, at=NOW + 1), older.version)) == Merged(Effect.REPLACED)
    assert site.content() == row(n=2)


def test_a_row_from_before_replication_is_older_than_every_change(site: StampedSite) -> None:
    site.table.rows[put_of().row] = row(n=1)
    assert site.merge(put_of(n=2, at=1)) == Merged(Effect.REPLACED)
    assert site.content() == row(n=2)


def test_a_row_from_before_replication_is_older_than_every_deletion(site: StampedSite) -> None:
    site.table.rows[put_of().row] = row(n=1)
    assert site.merge(deletion_of(at=1)) == Merged(Effect.DELETED)
    assert site.content() is None


def test_a_newer_row_is_kept(site: StampedSite) -> None:
    newer = put_of(n=2, at=NOW + 1)
    site.merge(newer)
    assert site.merge(put_of(n=1)).effect is Effect.KEPT
    assert site.state() == (newer.image, newer.version)


def test_a_change_that_comes_again_changes_nothing(site: StampedSite) -> None:
    site.merge(put_of(n=1))
    before = dict(site.table.rows)
    assert site.merge(put_of(n=1)) == Merged(Effect.DUPLICATE)
    assert site.table.rows == before


@pytest.mark.parametrize("at", [NOW - 1, NOW + 1])
def test_a_state_that_its_writer_had_not_seen_is_a_conflict(site: StampedSite, at: int) -> None:
    site.merge(put_of(n=1, home=PEER))
    assert site.merge(put_of(n=2, at=at, home=FAR)).conflict


def test_a_state_that_its_writer_had_seen_is_no_conflict(site: StampedSite) -> None:
    seen = put_of(n=1, home=PEER)
    site.merge(seen)
    assert not site.merge(knowing(put_of(n=2, at=NOW + 1, home=FAR), seen.version)).conflict


def test_a_row_remembers_what_its_writer_and_the_replaced_row_had_seen(site: StampedSite) -> None:
    one, other = put_of(n=1, home=PEER), put_of(n=2, at=NOW + 1, home=FAR)
    site.merge(one)
    site.merge(other)
    assert all(site.present().context.covers(change.version) for change in (one, other))


def test_a_local_write_on_top_of_a_change_is_newer_however_late_the_clock_is(site: StampedSite) -> None:
    ahead = put_of(n=1, at=NOW + 30 * SECOND)
    site.merge(ahead)
    site.put(n=2)
    assert site.present().version == Version(ahead.version.timestamp + 1, 1, HOME)
    assert site.present().context.covers(ahead.version)


def test_an_insert_on_top_of_a_deletion_is_newer_however_late_the_clock_is(site: StampedSite) -> None:
    deletion = deletion_of(at=NOW + 30 * SECOND)
    site.merge(deletion)
    site.put(n=2)
    assert site.present().version == Version(deletion.version.timestamp + 1, 1, HOME)


def test_a_deletion_removes_the_row_and_stays_in_mind(site: StampedSite) -> None:
    site.merge(put_of(n=1))
    deletion = knowing(deletion_of(at=NOW + 1), put_of().version)
    assert site.merge(deletion) == Merged(Effect.DELETED)
    assert (site.content(), site.tombstone()) == (None, Tombstone(deletion.version, deletion.context))


def test_a_deleted_row_does_not_come_back(site: StampedSite) -> None:
    site.merge(deletion_of(at=NOW + 1, home=FAR))
    assert site.merge(put_of(n=1)) == Merged(Effect.KEPT, conflict=True)
    assert site.content() is None


def test_what_the_deletion_had_seen_is_no_conflict_with_it(site: StampedSite) -> None:
    put = put_of(n=1)
    site.merge(knowing(deletion_of(at=NOW + 1, home=FAR), put.version))
    assert site.merge(put) == Merged(Effect.KEPT)


def test_a_newer_insert_stands_over_the_deletion_and_remembers_what_that_had_seen(site: StampedSite) -> None:
    deletion = deletion_of(at=NOW, home=FAR)
    site.merge(deletion)
    assert site.merge(put_of(n=1, at=NOW + 1)) == Merged(Effect.INSERTED, conflict=True)
    assert site.present().context.covers(deletion.version)


def test_an_older_deletion_leaves_the_row(site: StampedSite) -> None:
    site.merge(put_of(n=1, at=NOW + 1))
    assert site.merge(deletion_of(home=FAR)) == Merged(Effect.KEPT, conflict=True)
    assert site.content() == row(n=1)


def test_of_two_deletions_the_newer_is_remembered_with_what_both_had_seen(site: StampedSite) -> None:
    newer, older = deletion_of(at=NOW + 1), deletion_of(home=FAR)
    site.merge(newer)
    assert site.merge(older) == Merged(Effect.KEPT)
    assert site.tombstone() == Tombstone(newer.version, newer.context.merge(older.context))


def test_a_deletion_that_comes_again_is_noted_once(site: StampedSite) -> None:
    site.merge(deletion_of())
    assert site.merge(deletion_of()) == Merged(Effect.DELETED)
    assert site.accesses.count("remember") == 1


@pytest.mark.parametrize("value", ["nonsense", ""])
def test_a_row_with_an_unreadable_stamp_counts_as_one_without(site: StampedSite, value: str) -> None:
    site.table.rows[put_of().row] = {**row(n=1), STAMP_ATTRIBUTE: {"S": value}}
    assert site.merge(put_of(n=2)) == Merged(Effect.REPLACED)


def test_a_stamp_from_the_future_is_not_believed(site: StampedSite) -> None:
    far = StampedSite(PEER, now=NOW + 3600 * SECOND)
    far.put(n=1)
    site.table.rows[put_of().row] = dict(far.present().image)
    assert site.merge(put_of(n=2)) == Merged(Effect.REPLACED)


def test_a_deletion_from_the_future_is_not_believed(site: StampedSite) -> None:
    deletion = deletion_of(at=NOW + 3600 * SECOND)
    site.table.tombstones[deletion.row] = Tombstone(deletion.version, deletion.context)
    assert site.merge(put_of(n=2)) == Merged(Effect.INSERTED)
    assert site.merge(deletion_of(at=NOW + 1)) == Merged(Effect.DELETED)
    tombstone = site.tombstone()
    assert tombstone is not None
    assert tombstone.deletion == deletion_of(at=NOW + 1).version


@pytest.mark.parametrize(
    "change", [put_of(n=1, at=NOW + SECOND), deletion_of(at=NOW + SECOND)], ids=["put", "deletion"]
)
def test_a_row_that_never_holds_still_is_left_to_a_later_delivery(site: StampedSite, change: Change) -> None:
    site.merge(put_of(n=0))
    site.interrupt("write", *[lambda: site.table.put(key(), row(n=9))] * 50)
    with pytest.raises(NotSettled, match="again and again"):
        site.merge(change)


def test_no_order_of_deliveries_matters() -> None:
    first = put_of(n=1, at=NOW)
    deletion = knowing(deletion_of(at=NOW + 1, home=FAR), first.version)
    again = knowing(put_of(n=2, at=NOW + 2), deletion.version)
    blind = put_of(n=3, at=NOW + 2, home=FAR)
    states = set()
    for order in permutations([first, deletion, again, blind]):
        site = StampedSite(HOME)
        for change in order:
            site.merge(change)
        states.add(str(site.state()))
    assert len(states) == 1


def build(spec: tuple[int, str, int]) -> Change:
    at, home, n = spec
    return deletion_of(at=NOW + at, home=home) if n == 0 else put_of(n=n, at=NOW + at, home=home)


specs = st.tuples(st.integers(0, 5), st.sampled_from([PEER, FAR]), st.integers(0, 3))


@given(
    st.lists(specs, min_size=1, max_size=5, unique_by=lambda spec: spec[:2]).flatmap(
        lambda them: st.tuples(st.just(them), st.permutations(them * 2))
    )
)
def test_replicas_that_received_the_same_changes_hold_the_same(
    sequences: tuple[list[tuple[int, str, int]], list[tuple[int, str, int]]],
) -> None:
    once, mixed = StampedSite(HOME), StampedSite(HOME)
    for site, specs_in_order in zip((once, mixed), sequences, strict=True):
        for spec in specs_in_order:
            site.merge(build(spec))
    newest = max(map(build, sequences[0]), key=lambda change: change.version)
    assert once.content() == mixed.content() == newest.image
    assert once.tombstone() == mixed.tombstone()


ACTIONS = st.lists(
    st.tuples(st.sampled_from([HOME, PEER, FAR]), st.sampled_from(["put", "delete", "receive"]), st.integers(0, 30)),
    max_size=12,
)


@given(ACTIONS, st.integers(0, 5))
def test_sites_that_write_and_exchange_in_any_order_end_equal(actions: list[tuple[str, str, int]], skew: int) -> None:
    sites = {region: StampedSite(region, NOW + at * skew * SECOND) for at, region in enumerate((HOME, PEER, FAR))}
    for number, (region, action, pick) in enumerate(actions):
        site = sites[region]
        waiting = [change for other in sites.values() if other is not site for change in other.changes()]
        if action == "put":
            site.put(n=number)
        elif action == "delete":
            site.delete()
        elif waiting:
            site.merge(waiting[pick % len(waiting)])
    every = [change for site in sites.values() for change in site.changes()]
    for site in sites.values():
        for change in every:
            if change.home != site.region:
                site.merge(change)
    states = [site.state() for site in sites.values()]
    newest = max(every, key=lambda change: change.version, default=None)
    assert all(
        state == ((newest.image, newest.version) if newest and newest.image else (None, None)) for state in states
    )


def test_a_key_is_named_by_its_text() -> None:
    assert put_of("x").key == key("x")
