"""Two rows that cannot both be there: the newer stays, the other is deleted in this region's name, and is on record."""

from __future__ import annotations

from dataclasses import replace

import pytest

from distributary.adapters.memory.clashes import MemoryClashes
from distributary.adapters.memory.journal import MemoryJournal
from distributary.adapters.memory.queues import MemoryParking, MemoryQueue
from distributary.domain.change import Change
from distributary.domain.clash import losses, moving
from distributary.domain.conflict import Resolution
from distributary.domain.errors import DistributaryError, NotSettled, UniqueClash
from distributary.domain.image import Image, key_text
from distributary.domain.merge import Merged
from distributary.domain.message import pack
from distributary.domain.patience import CONCURRENT_AFTER
from distributary.domain.policies import Policy
from distributary.domain.row import Row
from distributary.domain.version import Version
from distributary.services.apply import Apply
from distributary.services.clashing import Clashing
from distributary.services.deciding import merging_stamped
from tests.unit.sites import FAR, HOME, NOW, PEER, SECOND, stamp_image
from tests.unit.stamped_sites import SHOP, TABLE, StampedSite, key, knowing, put_of, row


@pytest.fixture(params=[SHOP, replace(SHOP, conflict=Policy.ATTRIBUTE_MERGE)], ids=["plain", "states"])
def site(request: pytest.FixtureRequest) -> StampedSite:
    site = StampedSite(HOME, dataset=request.param)
    site.table.unique = "mail"
    return site


LATER = CONCURRENT_AFTER + 1
"""For how long a change was tried, if that is long enough to take it for one that clashes."""


def merged(site: StampedSite, change: Change) -> Merged | DistributaryError:
    """The change once it was merged, as often as apply tries that in a call."""
    result: Merged | DistributaryError = NotSettled("not tried")
    for _ in range(4):
        try:
            return site.merge(change)
        except UniqueClash as clash:
            try:
                return settled(site, change, clash)
            except NotSettled as error:
                result = error
    return result


def settled(site: StampedSite, change: Change, clash: UniqueClash) -> Merged:
    clashing = Clashing(site.dataset, MemoryClashes(site.table), site.replica, site.recorded.extend)
    return clashing.settle(change, clash, site.place(), 0, expecting=False, again=False)


def test_the_older_row_gives_way_and_its_deletion_travels(site: StampedSite) -> None:
    site.put("a", mail="x")
    newer = put_of("b", mail="x", at=site.now + SECOND)
    assert isinstance(merged(site, newer), Merged)
    assert (site.content("a"), site.content("b")) == (None, row("b", mail="x"))
    assert site.changes()[-1].image is None
    (conflict,) = site.recorded
    assert (conflict.key, conflict.resolution) == (key("a"), Resolution.ARRIVED)
    assert conflict.losing is not None
    assert conflict.losing.image == row("a", mail="x")


def test_a_change_that_is_older_is_deleted_here_and_everywhere(site: StampedSite) -> None:
    site.put("a", mail="x")
    older = put_of("b", mail="x")
    result = merged(site, older)
    assert isinstance(result, Merged)
    assert result.conflict
    assert (site.content("a"), site.content("b")) == (row("a", mail="x"), None)
    assert (site.changes()[-1].key, site.changes()[-1].image) == (key("b"), None)
    assert site.changes()[-1].version > older.version
    (conflict,) = site.recorded
    assert (conflict.key, conflict.resolution) == (key("b"), Resolution.KEPT)
    assert conflict.losing is not None
    assert conflict.losing.image == row("b", mail="x")


def test_what_is_on_record_tells_what_each_of_the_two_had_seen(site: StampedSite) -> None:
    seen = Version(NOW - SECOND, 0, FAR)
    site.merge(knowing(put_of("a", mail="x"), seen))
    newer = knowing(put_of("b", mail="x", at=NOW + SECOND, home=HOME), Version(NOW - SECOND, 0, PEER))
    there = site.present("a").context
    merged(site, newer)
    (conflict,) = site.recorded
    assert (conflict.arriving.context, conflict.present.context) == (newer.context, there)
    assert there.covers(seen)


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_a_change_that_loses_to_several_rows_is_on_record_as_having_lost_to_the_newest(order: tuple[int, ...]) -> None:
    change = put_of("b", mail="x", phone="1")
    rivals = [(key(str(n)), rival(row(str(n)), Version(NOW + n * SECOND, 0, FAR))) for n in order]
    (conflict,) = losses(change, rivals, StampedSite(HOME).place())
    assert (conflict.resolution, conflict.present.version.timestamp) == (Resolution.KEPT, NOW + 2 * SECOND)


def rival(content: Image, version: Version) -> Row:
    """A row in a change's way."""
    return Row(stamp_image(content, version))


@pytest.mark.parametrize(("version", "moves"), [(-1, False), (0, False), (1, True)])
def test_a_row_in_the_way_moves_if_a_newer_state_of_it_is_at_hand(version: int, *, moves: bool) -> None:
    there = rival(row("b"), Version(NOW, 0, FAR))
    at_hand = replace(put_of("b"), version=Version(NOW + version, 0, FAR))
    assert bool(moving([(key("b"), there)], {key_text(key("b")): at_hand})) == moves


def test_a_row_in_the_way_that_nobody_has_given_a_version_moves_with_any_state_that_is_at_hand() -> None:
    assert moving([(key("b"), Row(row("b")))], {key_text(key("b")): put_of("b")})


def test_an_older_state_of_the_row_that_loses_goes_with_it(site: StampedSite) -> None:
    """The tombstone alone would take the row away from all regions but this one."""
    first = put_of("b", mail="y")
    site.merge(first)
    site.put("a", mail="x")
    second = put_of("b", mail="x", at=NOW + SECOND // 2)
    merged(site, replace(second, context=second.context.merge(first.context)))
    assert site.content("b") is None


def test_a_row_that_nobody_has_given_a_version_gives_way(site: StampedSite) -> None:
    site.table.rows['{"id":{"S":"a"}}'] = row("a", mail="x")
    merged(site, put_of("b", mail="x"))
    assert (site.content("a"), site.content("b")) == (None, row("b", mail="x"))


def test_a_row_that_is_written_meanwhile_is_compared_anew(site: StampedSite) -> None:
    site.put("a", mail="x")
    newer = put_of("b", mail="x", at=site.now + SECOND // 2)
    site.interrupt("look", lambda: None, lambda: site.update("a", mail="z"))
    merged(site, newer)
    assert (site.content("a"), site.content("b")) == (row("a", mail="z"), row("b", mail="x"))
    assert site.recorded == []


def test_regions_that_meet_the_two_in_any_order_keep_the_same(site: StampedSite) -> None:
    one, other = put_of("a", mail="x", home=PEER), put_of("b", mail="x", home=FAR, at=NOW + SECOND)
    second = StampedSite(PEER, dataset=site.dataset)
    second.table.unique = "mail"
    for each, order in ((site, (one, other)), (second, (other, one))):
        for change in order:
            merged(each, change)
    assert site.content("a") is second.content("a") is None
    assert site.content("b") == second.content("b") == row("b", mail="x")


def test_apply_settles_a_clash_and_its_journal_names_the_table(site: StampedSite) -> None:
    # given: a message whose change clashes with a newer row
    site.put("a", mail="x")
    older = put_of("b", mail="x")
    inbox, journal = MemoryQueue(site.clock), MemoryJournal(SHOP.name)
    for text in pack(site.dataset, PEER, [older]):
        inbox.send(text)
    messages = [inbox.receive(name) for name in inbox.visible()]
    site.now += LATER

    # when
    apply = Apply(
        site.dataset, "", HOME, lambda _: site.replica, MemoryParking(), inbox, site.clock, lambda: "", lambda _: None,
        merging_stamped(site.dataset), MemoryClashes(site.table), journal=journal,
    )  # fmt: skip
    report = apply.run(messages, lambda: 60_000)

    # then
    assert (report.failed, report.parked, report.conflicts) == ({}, [], {PEER: 1})
    (entry,) = journal.entries.values()
    assert (entry.table, entry.losing) == (TABLE, entry.arriving)
