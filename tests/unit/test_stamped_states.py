"""How a change is merged under policies with memory where the database stamps every write itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations

import pytest

from distributary.domain.change import Change
from distributary.domain.conflict import Resolution
from distributary.domain.image import STATE_ATTRIBUTE
from distributary.domain.merge import Effect
from distributary.domain.policies import AttributePolicy, AttributeRule, Policy
from distributary.domain.row import Tombstone
from distributary.domain.state_texts import document_in
from tests.unit.sites import FAR, HOME, NOW, PEER, SECOND
from tests.unit.stamped_sites import SHOP, StampedSite, deletion_of, put_of, row

COUNTED = replace(
    SHOP,
    attributes={
        "public.orders.n": AttributeRule(AttributePolicy.COUNTER),
        "public.orders.tags": AttributeRule(AttributePolicy.ADD_WINS_SET),
        "public.orders.best": AttributeRule(AttributePolicy.MAX),
    },
)
BY_ATTRIBUTE = replace(SHOP, conflict=Policy.ATTRIBUTE_MERGE)


def site(region: str = HOME) -> StampedSite:
    return StampedSite(region, dataset=COUNTED)


def exchange(*sites: StampedSite) -> None:
    """Everybody gets what everybody has committed."""
    for one in sites:
        for other in sites:
            for change in one.changes() if one is not other else ():
                other.merge(change)


def last(of: StampedSite) -> Change:
    return of.changes()[-1]


def alike(*sites: StampedSite) -> bool:
    """Whether all hold the same row and the same state of it."""
    rows = [each.table.get({"id": {"S": "a"}}) for each in sites]
    states = [document_in((image or {}).get(STATE_ATTRIBUTE, {}).get("S")) for image in rows]
    return all(each.state() == sites[0].state() for each in sites) and all(state == states[0] for state in states)


# --- two states become one


def test_of_columns_without_a_policy_what_two_writes_lose_is_on_record() -> None:
    # given: a row that two regions put without sight of each other, the one here later
    peer, home = site(PEER), site()
    peer.put(n=1, v="there", same="x")
    home.now += SECOND
    home.put(n=2, v="here", same="x")
    # when
    home.merge(last(peer))
    # then: of the numbers the sum, of the others the later one
    assert home.content() == row(n=3, v="here", same="x")
    (conflict,) = home.recorded
    assert (sorted(conflict.arriving.lost), sorted(conflict.present.lost)) == (["v"], [])
    assert (conflict.late, conflict.state) == (False, conflict.arriving.context)


def test_so_it_is_where_the_row_that_is_there_is_the_older_one() -> None:
    home, peer = site(), site(PEER)
    home.put(n=2, v="here")
    peer.now += SECOND
    peer.put(n=1, v="there")
    home.merge(last(peer))
    (conflict,) = home.recorded
    assert (sorted(conflict.arriving.lost), sorted(conflict.present.lost)) == ([], ["v"])


def test_what_two_regions_have_added_adds_up() -> None:
    # given: a row that both have
    home, peer = site(), site(PEER)
    home.put(n=10, a="x")
    exchange(home, peer)

    # when: each adds to it without sight of the other
    home.update(n=11)
    peer.update(n=15, a="y")
    exchange(home, peer)

    # then: both show the sum, and of what has no policy of its own the later
    assert home.content() == row(n=16, a="y")
    assert alike(home, peer)


def test_a_state_that_had_seen_the_row_replaces_it_as_it_is() -> None:
    home, peer = site(), site(PEER)
    home.put(n=1)
    peer.merge(last(home))
    home.update(n=5)
    assert peer.merge(last(home)).effect is Effect.REPLACED
    assert peer.present().stamp is not None
    assert peer.present().context == home.present().context
    assert alike(home, peer)


def test_a_state_that_the_row_has_in_it_writes_nothing() -> None:
    home, peer = site(), site(PEER)
    home.put(n=1)
    first = last(home)
    peer.merge(first)
    assert peer.merge(first).effect is Effect.DUPLICATE
    peer.update(n=2)
    before = peer.present().image
    assert peer.merge(first).effect is Effect.KEPT
    assert peer.present().image == before


def test_only_a_conflict_reads_the_row_whole() -> None:
    home, peer = site(), site(PEER)
    home.put(n=1)
    peer.merge(last(home))
    peer.accesses.clear()
    home.update(n=2)
    peer.merge(last(home))
    assert peer.accesses.count("look") == 1
    home.update(n=3)
    peer.update(n=9)
    peer.accesses.clear()
    peer.merge(last(home))
    assert peer.accesses.count("look") == 2


def test_a_row_written_while_it_is_joined_is_joined_anew() -> None:
    home, peer = site(), site(PEER)
    home.put(n=1)
    peer.merge(last(home))
    home.update(n=3)
    peer.update(n=11)
    peer.interrupt("write", lambda: peer.update(n=111))
    peer.merge(last(home))
    assert peer.content() == row(n=113)


def test_states_arrive_in_any_order() -> None:
    sites = [site(region) for region in (HOME, PEER, FAR)]
    sites[0].put(n=1, tags="{p}", best=4)
    exchange(*sites)
    for each, n, tags in zip(sites, (10, 20, 30), ("{p}", "{q,p}", "{p,q,r}"), strict=True):
        each.update(n=n, tags=tags, best=n // 10)
    told = []
    for order in permutations([sites[0].changes()[0], *map(last, sites)]):
        other = site("sa-east-1")
        for change in order:
            other.merge(change)
        told.append(other)
    assert alike(*told)
    assert told[0].content() == row(n=1 + 9 + 19 + 29, tags="{p,q,r}", best=4)


def test_a_row_that_nobody_has_given_a_version_gives_way() -> None:
    home, peer = site(), site(PEER)
    peer.table.rows['{"id":{"S":"a"}}'] = row(n=5)
    home.put(n=1)
    assert peer.merge(last(home)).effect is Effect.REPLACED
    assert alike(home, peer)


# --- rows from before the policies


def test_an_update_of_a_row_from_before_its_policies_is_on_top_of_it() -> None:
    home = site()
    home.merge(put_of(n=5))
    home.update(n=7)
    assert home.content() == row(n=7)
    assert home.merge(put_of(n=5)).effect is Effect.KEPT


def test_of_two_rows_from_before_their_policies_the_newer_stays() -> None:
    older, newer = put_of(n=5), put_of(n=9, at=NOW + SECOND, home=FAR)
    home, peer = site(), site(PEER)
    for each, order in ((home, (older, newer)), (peer, (newer, older))):
        for change in order:
            each.merge(change)
    assert home.content() == row(n=9)
    assert alike(home, peer)


def test_an_older_deletion_leaves_a_row_from_before_its_policies() -> None:
    home, peer = site(), site(PEER)
    row_of_old = put_of(n=5, at=NOW + SECOND)
    for each, order in (
        (home, (row_of_old, deletion_of(at=NOW, home=FAR))),
        (peer, (deletion_of(at=NOW, home=FAR), row_of_old)),
    ):
        for change in order:
            each.merge(change)
    home.update(n=6)
    peer.merge(last(home))
    assert home.content() == row(n=6)
    assert alike(home, peer)
    assert home.tombstone() == peer.tombstone()


def test_a_newer_deletion_takes_a_row_from_before_its_policies() -> None:
    home = site()
    home.merge(put_of(n=5))
    home.update(n=6)
    home.merge(deletion_of(at=NOW + SECOND // 2, home=FAR))
    assert home.content() is None


# --- what cannot be


def test_tables_without_policies_compare_versions() -> None:
    home = site()
    other = replace(put_of(n=5), table='"public"."lines"', state={"i": "no version"})
    assert home.merge(other).effect is Effect.INSERTED


def test_a_state_that_cannot_be_is_refused() -> None:
    with pytest.raises(Exception, match="state"):
        site().merge(replace(put_of(n=5), state={"i": "no version"}))


# --- deletions


def test_a_deletion_removes_what_was_not_made_on_top_of_it_whatever_the_versions_say() -> None:
    # given: a row that is updated here, later than a peer that has not seen that deletes it
    home, peer = site(), site(PEER)
    home.put(n=1)
    exchange(home, peer)
    peer.delete()
    home.now += 60 * SECOND
    home.update(n=2)

    # when: each gets the other's
    exchange(home, peer)

    # then: the row is gone in both
    assert home.content() is peer.content() is None


def test_a_row_inserted_on_top_of_a_deletion_stays() -> None:
    home, peer = site(), site(PEER)
    home.put(n=1)
    exchange(home, peer)
    peer.delete()
    peer.put(n=7)
    exchange(home, peer)
    assert home.content() == row(n=7)
    assert alike(home, peer)


def test_an_update_that_overtook_the_deletion_beneath_it_brings_that_along() -> None:
    # given: a peer deletes and inserts again; only the insert arrives, over an update that saw neither
    home, peer, far = site(), site(PEER), site(FAR)
    home.put(n=1)
    exchange(home, peer, far)
    peer.delete()
    peer.put(n=7)
    home.update(n=3)
    home.merge(last(peer))

    # then: it stands alone, and the deletion keeps the older incarnation out
    assert home.content() == row(n=7)
    assert home.tombstone() is not None
    assert home.tombstone().deletion == peer.tombstone().deletion  # type: ignore[union-attr]
    far.merge(last(peer))
    far.merge(home.changes()[-1])
    assert alike(home, far)


def test_a_deletion_that_is_brought_along_claims_nothing_that_was_written_on_top_of_it() -> None:
    # given: a row made on top of a deletion arrives where both are unknown; the function notes the deletion and ends
    home, peer = site(), site(PEER)
    peer.put(n=1)
    peer.delete()
    peer.put(n=7)

    def crash() -> None:
        raise InterruptedError

    home.interrupt("remembered", crash)
    with pytest.raises(InterruptedError):
        home.merge(last(peer))

    # when: an application inserts the row over that tombstone before the change comes again
    home.put(n=2)
    exchange(home, peer)

    # then: nothing that either has added is lost
    assert home.content() == row(n=9)
    assert alike(home, peer)


def test_who_notes_a_deletion_while_a_row_is_inserted_is_seen() -> None:
    home = site()
    arriving = put_of(n=1)
    home.interrupt("look_back", lambda: home.merge(deletion_of(at=NOW + SECOND, home=FAR)))
    home.merge(arriving)
    assert home.content() is None


def test_a_deletion_is_noted_before_the_row_is_looked_at() -> None:
    home = site()
    home.merge(deletion_of(at=NOW, home=FAR))
    assert home.accesses.index("remember") < len(home.accesses) - 1 - home.accesses[::-1].index("look")


def test_an_older_deletion_leaves_what_a_newer_one_is_beneath() -> None:
    home, peer = site(), site(PEER)
    home.put(n=1)
    exchange(home, peer)
    peer.delete()
    peer.put(n=7)
    home.merge(last(peer))
    assert home.merge(deletion_of(at=NOW - SECOND, home=FAR)).effect is Effect.KEPT
    assert home.content() == row(n=7)


def test_an_insert_that_a_deletion_outlived_unseen_is_removed_once_it_is_told() -> None:
    home = site()
    transaction = home.putting(n=1)
    home.merge(deletion_of(at=home.now - SECOND // 2, home=FAR))
    transaction.commit()
    assert home.settle_inserted()
    assert home.content() is None
    assert not home.settle_inserted()


def test_an_insert_on_top_of_the_deletion_is_left() -> None:
    home = site()
    home.merge(deletion_of(at=NOW, home=FAR))
    home.put(n=1)
    assert not home.settle_inserted()
    assert home.content() == row(n=1)


# --- on record


def recorded(of: StampedSite) -> Sequence[tuple[object, object, Resolution]]:
    return [(each.arriving.image, each.present.image, each.resolution) for each in of.recorded]


def test_a_merge_of_two_states_is_on_record_with_both_images() -> None:
    home, peer = site(), site(PEER)
    home.put(n=1, a="x")
    exchange(home, peer)
    home.update(n=2)
    peer.update(n=5)
    home.merge(last(peer))
    home.merge(last(peer))
    assert recorded(home) == [(row(n=5, a="x"), row(n=2, a="x"), Resolution.MERGED)]


def test_what_was_seen_is_not_on_record() -> None:
    home, peer = site(), site(PEER)
    home.put(n=1)
    exchange(home, peer)
    peer.update(n=5)
    exchange(home, peer)
    peer.delete()
    peer.put(n=7)
    exchange(home, peer)
    assert home.recorded == peer.recorded == []


def test_a_row_that_a_deletion_takes_unseen_is_on_record_in_both_regions() -> None:
    home, peer = site(), site(PEER)
    home.put(n=1)
    exchange(home, peer)
    peer.delete()
    home.update(n=2)
    exchange(home, peer)
    assert recorded(home) == [(None, row(n=2), Resolution.ARRIVED)]
    assert recorded(peer) == [(row(n=2), None, Resolution.KEPT)]


def test_whoever_removes_what_a_deletion_was_to_remove_puts_it_on_record() -> None:
    # given: the function that notes the deletion ends before it looks at the row
    home, peer = site(), site(PEER)
    home.put(n=1)
    exchange(home, peer)
    peer.delete()
    home.update(n=2)
    deletion = last(peer)
    seen = Tombstone(deletion.version, deletion.context)
    home.table.tombstones['{"id":{"S":"a"}}'] = seen

    # when: another change finds the row
    peer.put(n=9)
    home.merge(last(peer))

    # then
    assert recorded(home) == [(None, row(n=2), Resolution.ARRIVED)]
    assert home.content() == row(n=9)


def test_attributes_merge_by_themselves() -> None:
    home, peer = StampedSite(HOME, dataset=BY_ATTRIBUTE), StampedSite(PEER, dataset=BY_ATTRIBUTE)
    home.put(a=1, b=1)
    exchange(home, peer)
    home.update(a=2)
    peer.update(b=2)
    exchange(home, peer)
    assert home.content() == row(a=2, b=2)
    assert alike(home, peer)
