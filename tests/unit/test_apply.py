"""The apply service merges what the inbox holds; duplicates, order and broken neighbours do not matter."""

from __future__ import annotations

from itertools import permutations

import pytest

from distributary.domain.change import Change
from distributary.domain.delivery import Received
from distributary.domain.facts import ApplyReport
from distributary.domain.merge import Effect
from tests.unit.sites import FAR, HOME, NOW, PEER, SECOND, Site, change_of, deletion_of, item, knowing, message, plenty


@pytest.fixture
def site() -> Site:
    return Site(HOME)


def receive(site: Site, *bodies: str) -> list[Received]:
    """Put messages into the inbox, and receive them with all that still were there."""
    for body in bodies:
        site.inbox.send(body)
    return [site.inbox.receive(name) for name in site.inbox.visible()]


def apply(site: Site, *bodies: str) -> ApplyReport:
    """Work the inbox off as Lambda does: what is not reported as failed is deleted."""
    messages = receive(site, *bodies)
    report = site.apply().run(messages, plenty)
    for done in messages:
        if done.id not in report.failed:
            site.inbox.delete(done.id)
    return report


FIRST = change_of(n=1)
DELETION = knowing(deletion_of(at=NOW + 1, home=FAR), FIRST.version)
AGAIN = knowing(change_of(n=2, at=NOW + 2), DELETION.version)
BLIND = change_of(n=3, at=NOW + 1, home=FAR, sequence=9)


def test_changes_of_a_message_are_merged(site: Site) -> None:
    report = apply(site, message(change_of("a", n=1), change_of("b", n=2)))
    assert (site.content("a"), site.content("b")) == (item("a", n=1), item("b", n=2))
    assert report.effects == {Effect.INSERTED: 2}
    assert report.failed == {}


@pytest.mark.parametrize("order", list(permutations([FIRST, DELETION, AGAIN, BLIND])))
def test_the_order_of_messages_does_not_matter(site: Site, order: tuple[Change, ...]) -> None:
    for change in order:
        apply(site, message(change, home=change.home))
    assert site.state() == (AGAIN.image, AGAIN.version)


@pytest.mark.parametrize("order", list(permutations([FIRST, AGAIN, deletion_of(at=NOW + 1)])))
def test_the_order_within_a_message_does_not_matter(site: Site, order: tuple[Change, ...]) -> None:
    apply(site, message(*order))
    assert site.state() == (AGAIN.image, AGAIN.version)


@pytest.mark.parametrize("order", list(permutations([FIRST, DELETION, AGAIN])))
def test_messages_of_one_batch_may_come_in_any_order(site: Site, order: tuple[Change, ...]) -> None:
    apply(site, *(message(change, home=change.home) for change in order))
    assert site.state() == (AGAIN.image, AGAIN.version)


def test_a_message_that_comes_again_changes_nothing(site: Site) -> None:
    apply(site, message(FIRST, AGAIN))
    before = dict(site.table.rows)
    report = apply(site, message(FIRST, AGAIN))
    assert site.table.rows == before
    assert report.effects == {Effect.DUPLICATE: 1, Effect.KEPT: 1}


def test_the_same_change_twice_in_one_batch_is_written_once(site: Site) -> None:
    report = apply(site, message(FIRST), message(FIRST))
    assert report.effects == {Effect.INSERTED: 1, Effect.DUPLICATE: 1}
    assert len(site.table.stream) == 1


def test_older_states_of_a_row_cost_no_write(site: Site) -> None:
    apply(site, message(*(change_of(n=n, at=NOW + n) for n in range(20))))
    assert len(site.table.stream) == 1


def test_many_rows_are_merged_in_few_calls(site: Site) -> None:
    report = apply(site, message(*(change_of(str(n), n=n) for n in range(1000))))
    assert report.effects == {Effect.INSERTED: 1000}
    assert len(site.table.rows) == 1000


def test_an_empty_batch_is_done(site: Site) -> None:
    assert site.apply().run([], plenty) == ApplyReport()


def test_a_message_without_changes_is_done(site: Site) -> None:
    (body,) = [message(FIRST)]
    start = body.index('"changes"')
    report = apply(site, body[:start] + '"changes": []}')
    assert (report.failed, report.parked) == ({}, [])


def test_the_report_counts_conflicts_and_lags_by_home(site: Site) -> None:
    site.now += 5 * SECOND
    apply(site, message(change_of(n=1, home=PEER)))
    report = apply(site, message(change_of(n=2, at=NOW + 1, home=FAR), home=FAR))
    assert (report.homes, report.conflicts) == ({FAR: 1}, {FAR: 1})
    assert report.lags == [5 * SECOND - 1]


def test_a_lag_is_never_negative(site: Site) -> None:
    assert apply(site, message(change_of(n=1, at=NOW + SECOND))).lags == [0]


# --- rows with a local write that is not captured yet


def test_an_unsettled_row_is_looked_at_again_within_the_call(site: Site) -> None:
    site.put(n=1)
    site.interrupt("sleep", site.settle_all)
    report = apply(site, message(change_of(n=2, at=NOW + 60 * SECOND)))
    assert report.failed == {}
    assert site.content() == item(n=2)
    assert sum(site.pauses) < 1


def test_a_row_that_stays_unsettled_postpones_its_message_shortly(site: Site) -> None:
    site.put(n=1)
    report = apply(site, message(change_of(n=2, at=NOW + 60 * SECOND)))
    ((name, error),) = report.failed.items()
    assert type(error).__name__ == "NotSettled"
    assert site.inbox.messages[name].visible_at - site.now <= 30 * SECOND
    assert site.content() == item(n=1)


def test_an_unsettled_row_does_not_hold_up_its_neighbours(site: Site) -> None:
    site.put("a", n=1)
    report = apply(site, message(change_of("a", n=2), change_of("b", n=2)), message(change_of("c", n=2)))
    assert len(report.failed) == 1
    assert (site.content("b"), site.content("c")) == (item("b", n=2), item("c", n=2))


@pytest.mark.parametrize(("minutes", "waits"), [(14, True), (16, False)])
def test_after_a_quarter_of_an_hour_a_stamp_is_taken_as_it_is(site: Site, minutes: int, waits: bool) -> None:
    site.put(n=1)
    apply(site, message(change_of(n=2, at=NOW + 60 * SECOND)))
    site.now += minutes * 60 * SECOND
    report = apply(site)
    assert bool(report.failed) == waits
    assert site.content() == item(n=1 if waits else 2)
