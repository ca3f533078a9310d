"""A stream record is told to be our echo or an application's write, whatever stamp the application carries along."""

from __future__ import annotations

import pytest

from distributary.domain.image import STAMP_ATTRIBUTE, Image
from distributary.domain.origin import Origin
from distributary.domain.stamp import UNKNOWN
from distributary.domain.version import Version
from tests.unit.sites import HOME, NOW, PEER, Site, change_of, deletion_of, item, key, knowing


@pytest.fixture
def site() -> Site:
    return Site(HOME)


def origins(site: Site) -> list[Origin]:
    """What the records are that have not been captured yet."""
    return [settled.origin for settled in site.settle_all()]


def settled_row(site: Site, pk: str = "a", **attributes: int) -> Image:
    """A row that capture has settled, as an application reads it."""
    site.put(pk, **attributes or {"n": 1})
    site.settle_all()
    return site.present(pk).image


# --- our own writes


def test_an_insert_of_ours_is_an_echo(site: Site) -> None:
    site.merge(change_of(n=1))
    assert origins(site) == [Origin.ECHO]


def test_a_replacement_of_ours_is_an_echo(site: Site) -> None:
    site.merge(change_of(n=1))
    site.merge(change_of(n=2, at=NOW + 1))
    assert origins(site) == [Origin.ECHO, Origin.ECHO]


def test_a_stamp_that_capture_writes_is_an_echo(site: Site) -> None:
    site.put(n=1)
    assert origins(site) == [Origin.UNSTAMPED, Origin.ECHO]


def test_mark_and_removal_of_ours_are_echoes(site: Site) -> None:
    site.merge(change_of(n=1))
    site.merge(deletion_of(at=NOW + 1))
    assert site.row() is None
    assert origins(site) == [Origin.ECHO] * 3


def test_a_removal_of_ours_is_an_echo_even_if_it_took_an_attribute_that_was_added_unseen(site: Site) -> None:
    site.merge(change_of(n=1))
    site.interrupt("remembered", lambda: None, lambda: site.update(more=2))
    site.merge(deletion_of(at=NOW + 1))
    assert site.row() is None
    assert site.last().old is not None
    assert "more" in (site.last().old or site.present()).content
    assert site.settle(site.last()).origin is Origin.ECHO


def test_a_row_put_back_after_a_removal_of_ours_is_an_echo(site: Site) -> None:
    site.merge(change_of(n=1, at=NOW))
    site.interrupt("remembered", lambda: None, lambda: site.put(n=2))
    site.merge(deletion_of(at=NOW + 1))
    assert all(origin in (Origin.ECHO, Origin.UNSTAMPED) for origin in origins(site))
    assert site.content() == item(n=2)


# --- unmodified applications


@pytest.mark.parametrize("settled", [False, True])
def test_a_put_and_an_update_and_a_deletion_are_local(site: Site, settled: bool) -> None:
    site.put(n=1)
    if settled:
        site.settle_all()
    first = len(site.table.stream)
    site.update(n=2)
    site.put(n=3)
    site.delete()
    kinds = [site.settle(record).origin for record in site.table.stream[first:]]
    assert kinds == [Origin.UNSTAMPED, Origin.UNSTAMPED, Origin.DELETED]


def test_an_update_that_keeps_the_stamp_is_local(site: Site) -> None:
    settled_row(site)
    site.update(n=2)
    assert STAMP_ATTRIBUTE in site.present().image
    assert origins(site)[0] is Origin.UNSTAMPED


def test_a_put_that_only_drops_the_stamp_is_local(site: Site) -> None:
    settled_row(site, n=1)
    site.put(n=1)
    assert origins(site)[0] is Origin.UNSTAMPED


def test_an_insert_with_a_stamp_copied_from_another_row_is_local(site: Site) -> None:
    image = settled_row(site, "b", n=1)
    site.put_image({**image, **key("a")})
    assert origins(site)[0] is Origin.UNSTAMPED


def test_a_stamp_copied_from_another_region_is_local(site: Site) -> None:
    far = Site(PEER)
    site.merge(change_of(n=1, at=NOW - 1))
    site.settle_all()
    far.merge(change_of(n=2))
    site.put_image(far.present().image)
    assert origins(site)[0] is Origin.UNSTAMPED


def test_an_insert_with_a_stamp_of_another_regions_insert_is_local(site: Site) -> None:
    far = Site(PEER)
    far.merge(change_of(n=2, home=HOME))
    site.put_image(far.present().image)
    assert origins(site)[0] is Origin.UNSTAMPED


def test_a_stale_read_that_is_put_is_local(site: Site) -> None:
    stale = settled_row(site, n=1)
    site.merge(knowing(change_of(n=2, at=NOW + 10_000_000), site.present().version or Version(0, 0, HOME)))
    site.settle_all()
    site.put_image({**stale, "n": {"N": "3"}})
    assert origins(site)[0] is Origin.UNSTAMPED


def test_a_stale_read_that_is_put_back_unchanged_is_local(site: Site) -> None:
    stale = settled_row(site, n=1)
    site.update(n=2)
    site.settle_all()
    site.put_image(stale)
    assert site.settle_all()[0].origin is Origin.UNSTAMPED
    assert site.content() == item(n=1)


def test_a_stamp_that_is_moved_back_on_the_same_content_is_local(site: Site) -> None:
    stale = settled_row(site, n=1)
    site.merge(change_of(n=1, at=NOW + 10_000_000))
    site.settle_all()
    site.put_image(stale)
    assert origins(site)[0] is Origin.UNSTAMPED


def test_a_stamp_copied_onto_the_very_row_that_it_had_replaced_is_local(site: Site) -> None:
    site.merge(change_of(n=1))
    first = site.present().image
    site.merge(change_of(n=2, at=NOW + 1))
    second = site.present().image
    site.settle_all()
    site.put_image(first)
    site.put_image({**second, "n": {"N": "3"}})
    assert site.settle(site.last()).origin is Origin.UNSTAMPED


def test_a_stamp_copied_onto_an_unstamped_row_is_local(site: Site) -> None:
    other = settled_row(site, "b", n=2)
    site.put("a", n=1)
    site.put_image({**other, **key("a")})
    kinds = origins(site)
    assert kinds[:2] == [Origin.UNSTAMPED, Origin.UNSTAMPED]
    assert site.content("a") == item("a", n=2)


def test_a_row_that_is_put_back_after_it_was_deleted_is_local(site: Site) -> None:
    site.merge(change_of(n=1))
    site.settle_all()
    image = site.present().image
    site.delete()
    site.settle_all()
    site.put_image(image)
    assert origins(site)[0] is Origin.UNSTAMPED
    assert site.content() == item(n=1)


def test_a_deletion_of_a_row_that_was_written_after_its_mark_is_local(site: Site) -> None:
    site.merge(change_of(n=1))
    site.interrupt("remembered", lambda: None, lambda: site.update(n=2))
    site.merge(deletion_of(at=NOW + 1))
    site.delete()
    assert site.settle(site.last()).origin is Origin.DELETED


def test_a_row_that_was_written_after_its_mark_and_deleted_stays_deleted(site: Site) -> None:
    site.merge(change_of(n=1))
    site.interrupt("remembered", lambda: None, lambda: site.update(n=2))
    site.merge(deletion_of(at=NOW + 1))
    site.delete()
    site.settle_all()
    assert site.row() is None


# --- time to live


def test_a_deletion_by_the_time_to_live_is_told_from_an_applications(site: Site) -> None:
    settled_row(site)
    site.delete(expired=True)
    assert origins(site) == [Origin.EXPIRED]


def test_expiry_of_a_row_that_we_had_marked_is_an_echo(site: Site) -> None:
    site.merge(change_of(n=1))
    site.interrupt("remembered", lambda: None, lambda: site.delete(expired=True))
    site.merge(deletion_of(at=NOW + 1))
    assert site.settle(site.last()).origin is Origin.ECHO


# --- stamping writers


def test_a_stamp_of_a_stamping_writer_of_this_region_stands(site: Site) -> None:
    site.put_stamped(n=1)
    (done,) = site.settle_all()
    assert done.origin is Origin.STAMPED
    assert done.change is not None
    assert done.change.version == site.present().version


def test_a_write_whose_stamp_leaves_the_digest_open_is_minted_just_above_it(site: Site) -> None:
    site.put_stamped(n=1, digest=UNKNOWN)
    drawn = site.present().version
    (change,) = site.changes()
    assert drawn is not None
    assert change.version.timestamp == drawn.timestamp + 1


def test_a_stamp_of_a_stamping_writer_that_does_not_fit_the_content_is_none(site: Site) -> None:
    site.put_stamped(n=1, digest="n0tTheD1gest")
    assert origins(site)[0] is Origin.UNSTAMPED


def test_a_stamp_of_a_stamping_writer_of_another_region_is_none(site: Site) -> None:
    peer = Site(PEER)
    peer.put_stamped(n=1)
    site.put_image(peer.present().image)
    assert origins(site)[0] is Origin.UNSTAMPED


def test_a_stamp_of_a_stamping_writer_that_is_kept_by_an_update_is_none(site: Site) -> None:
    site.put_stamped(n=1)
    site.settle_all()
    site.update(n=2)
    assert origins(site)[0] is Origin.UNSTAMPED


@pytest.mark.parametrize("value", [{"S": "nonsense"}, {"N": "5"}, {"NULL": True}, {"M": {}}])
def test_an_unreadable_stamp_counts_as_none(site: Site, value: Image) -> None:
    site.put_image({**item(n=1), STAMP_ATTRIBUTE: value})
    assert origins(site)[0] is Origin.UNSTAMPED
    assert site.present().settled


@pytest.mark.parametrize("origin", Origin)
def test_all_origins_but_the_echo_are_local(origin: Origin) -> None:
    assert origin.local == (origin is not Origin.ECHO)
