"""What is merged in bulk is what decisions would have made of it, and what is not sure is left to them."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest

from distributary.adapters.memory.stamped_bulk import StampedBulk
from distributary.domain.block import blocks_of
from distributary.domain.change import Change
from distributary.domain.dataset import Dataset
from distributary.domain.image import content_of
from distributary.domain.policies import AttributePolicy, AttributeRule, Policy
from distributary.domain.version import NOTHING_SEEN
from tests.unit.sites import FAR, HOME, PEER
from tests.unit.stamped_sites import SHOP, StampedSite, row

COUNTED = replace(SHOP, attributes={"public.orders.n": AttributeRule(AttributePolicy.COUNTER)})
BY_ATTRIBUTE = replace(SHOP, conflict=Policy.ATTRIBUTE_MERGE)


def delivered(site: StampedSite, changes: list[Change]) -> None:
    """Each by itself: in bulk as far as it goes, and what is left by a decision."""
    for change in changes:
        (block,) = blocks_of([change])
        for at in StampedBulk(site.table).take(block).left:
            site.merge(block.change(at))


@pytest.fixture(params=[COUNTED, BY_ATTRIBUTE], ids=["counted", "by attribute"])
def dataset(request: pytest.FixtureRequest) -> Dataset:
    made: Dataset = request.param
    return made


def test_rows_come_in_bulk_with_their_states_and_in_any_order(dataset: Dataset) -> None:
    # given: a row that is inserted, changed, deleted and inserted again, and changed elsewhere unseen
    home, peer = StampedSite(HOME, dataset=dataset), StampedSite(PEER, dataset=dataset)
    home.put(n=1, a="x")
    delivered(peer, home.changes())
    peer.update(n=11)
    home.update(n=2)
    home.delete()
    home.put(n=5, a="y")

    # when: all of it arrives in every order
    images = []
    for order in permutations([*home.changes(), *peer.changes()]):
        far = StampedSite(FAR, dataset=dataset)
        delivered(far, list(order))
        images.append(far.present().image)

    # then: what was made on top of the deletion stands
    assert all(image == images[0] for image in images)
    assert content_of(images[0]) == row(n=5, a="y")


def test_so_is_one_beneath_the_deletion_that_a_row_is_on_top_of_where_that_deletion_has_not_come() -> None:
    # given: the row at a peer; an insert of the same region that saw no deletion has the higher version
    home, peer = StampedSite(HOME, dataset=COUNTED), StampedSite(PEER, dataset=COUNTED)
    home.put(n=1)
    home.delete()
    home.put(n=2)
    *_, again = home.changes()
    delivered(peer, [again])
    later = again.version._replace(timestamp=again.version.timestamp + 1)
    unseeing = replace(again, version=later, context=NOTHING_SEEN.including(later), state={}, image=row(n=7))
    # when, then
    (block,) = blocks_of([unseeing])
    assert list(StampedBulk(peer.table).take(block).left) == [0]
    assert peer.content() == row(n=2)


def test_an_insert_that_could_not_see_a_deletion_is_left_although_its_context_covers_it(dataset: Dataset) -> None:
    """An insert waits for the deletion of its key to be committed: its version is the higher, of the same region."""
    # given
    home = StampedSite(HOME, dataset=dataset)
    home.put(n=1)
    deletes = home.deleting()
    home.putting(n=5).commit()
    assert deletes.over
    first, deletion, insert = home.changes()
    assert insert.context.covers(deletion.version)

    # when: home looks at the tombstone, and a region gets the two in either order
    home.settle_all()
    regions = [StampedSite(FAR, dataset=dataset) for _ in range(2)]
    delivered(regions[0], [first, deletion, insert])
    delivered(regions[1], [first, insert, deletion])

    # then: nobody keeps it
    assert [each.content() for each in (home, *regions)] == [None, None, None]


def test_capture_asks_after_every_insert_whose_key_has_a_tombstone(dataset: Dataset) -> None:
    home = StampedSite(HOME, dataset=dataset)
    home.put(n=1)
    home.delete()
    home.put(n=2)
    (block,) = blocks_of(home.changes()[-1:])
    assert StampedBulk(home.table).outlived(block) == [0]
    assert not home.settle_inserted()
    assert home.content() == row(n=2)
