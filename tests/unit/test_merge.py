"""A change of another region is merged into the row: the newer state stays, whatever the order of arrival."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributary.domain.change import Change
from distributary.domain.errors import NotSettled
from distributary.domain.image import STAMP_ATTRIBUTE
from distributary.domain.merge import Effect, Merged
from distributary.domain.version import Version
from tests.unit.sites import FAR, HOME, NOW, PEER, SECOND, Site, change_of, deletion_of, item, knowing, stamp_image


@pytest.fixture
def site() -> Site:
    return Site(HOME)


def test_a_row_that_is_absent_is_inserted(site: Site) -> None:
    change = change_of(n=1)
    assert site.merge(change) == Merged(Effect.INSERTED)
    assert site.state() == (change.image, change.version)
    assert site.present().settled


def test_an_older_row_is_replaced_as_a_whole(site: Site) -> None:
    older = change_of(n=1, gone=5)
    site.merge(older)
    assert site.merge(knowing(change_of(n=2, at=NOW + 1), older.version)) == Merged(Effect.REPLACED)
    assert site.content() == item(n=2)


def test_a_newer_row_is_kept(site: Site) -> None:
    newer = change_of(n=2, at=NOW + 1)
    site.merge(newer)
    site.merge(change_of(n=1))
    assert site.state() == (newer.image, newer.version)


def test_a_change_that_comes_again_changes_nothing(site: Site) -> None:
    site.merge(change_of(n=1))
    before = dict(site.table.rows)
    assert site.merge(change_of(n=1)) == Merged(Effect.DUPLICATE)
    assert site.table.rows == before


def test_a_duplicate_is_no_conflict(site: Site) -> None:
    site.merge(change_of(n=1))
    assert not site.merge(change_of(n=1)).conflict


@pytest.mark.parametrize("at", [NOW - 1, NOW + 1])
def test_a_state_that_its_writer_had_not_seen_is_a_conflict(site: Site, at: int) -> None:
    site.merge(change_of(n=1, home=PEER))
    assert site.merge(change_of(n=2, at=at, home=FAR)).conflict


def test_a_state_that_its_writer_had_seen_is_no_conflict(site: Site) -> None:
    seen = change_of(n=1, home=PEER)
    site.merge(seen)
    assert not site.merge(knowing(change_of(n=2, at=NOW + 1, home=FAR), seen.version)).conflict


def test_a_row_remembers_what_its_writer_and_the_replaced_row_had_seen(site: Site) -> None:
    one, other = change_of(n=1, home=PEER), change_of(n=2, at=NOW + 1, home=FAR)
    site.merge(one)
    site.merge(other)
    assert all(site.present().context.covers(change.version) for change in (one, other))


def test_a_local_write_that_is_not_captured_yet_is_waited_for(site: Site) -> None:
    site.put(n=1)
    with pytest.raises(NotSettled, match="still in the change stream"):
        site.merge(change_of(n=2, at=NOW + 60 * SECOND))
    assert site.content() == item(n=1)


def test_a_local_write_that_was_waited_for_too_long_is_taken_as_its_stamp_says(site: Site) -> None:
    site.put(n=1)
    assert site.merge(change_of(n=2), take_unsettled=True).effect is Effect.REPLACED
    assert site.content() == item(n=2)


@pytest.mark.parametrize("write", [0, 1])
def test_an_update_unseen_by_the_condition_comes_back_although_its_row_had_no_stamp(site: Site, write: int) -> None:
    # given: a row without a stamp, too wide for one condition, and an older change that waited for too long
    site.table.wide = True
    site.put(n=1)
    older = change_of(n=5, at=site.now - 10 * SECOND)
    # when: the application updates the row just before one of our writes
    site.interrupt("write", *[lambda: None] * write, lambda: site.update(n=2))
    assert site.merge(older, take_unsettled=True).effect is Effect.REPLACED
    # then: the update's own record brings it back, and no write of ours is taken for the application's
    site.settle_all()
    assert site.content() == item(n=2)
    assert site.present().version == Version(site.now, 2 + write, HOME)


def test_a_local_write_in_the_very_moment_is_not_overwritten(site: Site) -> None:
    site.merge(change_of(n=0))
    site.settle_all()
    site.interrupt("write", lambda: site.update(n=1))
    with pytest.raises(NotSettled):
        site.merge(change_of(n=2, at=NOW + 60 * SECOND))
    assert site.content() == item(n=1)


def test_a_row_put_in_the_very_moment_of_an_insert_is_not_overwritten(site: Site) -> None:
    site.interrupt("write", lambda: site.put(n=1))
    with pytest.raises(NotSettled):
        site.merge(change_of(n=2))
    assert site.content() == item(n=1)


def test_a_row_that_never_holds_still_is_left_to_a_later_delivery(site: Site) -> None:
    site.merge(change_of(n=0))
    rivals = [change_of(n=n, at=NOW + n) for n in range(1, 200)]

    def rival() -> None:
        change = rivals.pop(0)
        site.table.write(change.key, stamp_image(change.image or {}, change.version))

    site.interrupt("write", *[rival] * 199)
    with pytest.raises(NotSettled, match="again and again"):
        site.merge(change_of(n=0, at=NOW + SECOND))


@pytest.mark.parametrize("value", [{"S": "nonsense"}, {"N": "5"}])
def test_a_row_with_an_unreadable_stamp_is_waited_for(site: Site, value: dict[str, str]) -> None:
    site.put_image({**item(n=1), STAMP_ATTRIBUTE: value})
    with pytest.raises(NotSettled):
        site.merge(change_of(n=2))


def test_a_row_with_a_forged_stamp_from_the_future_is_waited_for(site: Site) -> None:
    far = Site(PEER)
    far.merge(change_of(n=1, at=NOW + 3600 * SECOND))
    site.put_image(far.present().image)
    with pytest.raises(NotSettled):
        site.merge(change_of(n=2))


def test_no_order_of_deliveries_matters_for_rows_and_deletions() -> None:
    first = change_of(n=1, at=NOW)
    deletion = knowing(deletion_of(at=NOW + 1, home=FAR), first.version)
    again = knowing(change_of(n=2, at=NOW + 2), deletion.version)
    blind = change_of(n=3, at=NOW + 2, home=FAR)
    states = set()
    for order in permutations([first, deletion, again, blind]):
        site = Site(HOME)
        for change in order:
            site.merge(change)
        states.add(str(site.state()))
    assert len(states) == 1


def build(spec: tuple[int, str, int]) -> Change:
    at, home, n = spec
    return deletion_of(at=NOW + at, home=home) if n == 0 else change_of(n=n, at=NOW + at, home=home)


specs = st.tuples(st.integers(0, 5), st.sampled_from([PEER, FAR]), st.integers(0, 3))


@given(
    st.lists(specs, min_size=1, max_size=5, unique_by=lambda spec: spec[:2]).flatmap(
        lambda them: st.tuples(st.just(them), st.permutations(them * 2))
    )
)
def test_replicas_that_received_the_same_changes_hold_the_same_row(
    sequences: tuple[list[tuple[int, str, int]], list[tuple[int, str, int]]],
) -> None:
    once, mixed = Site(HOME), Site(HOME)
    for site, specs_in_order in zip((once, mixed), sequences, strict=True):
        for spec in specs_in_order:
            site.merge(build(spec))
    newest = max(map(build, sequences[0]), key=lambda change: change.version)
    assert once.content() == mixed.content() == newest.image
