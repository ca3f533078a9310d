"""A deletion waits for the rows that hang on its row to go or to move by themselves, a minute, and no longer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from distributary.adapters.memory.dependents import MemoryDependents
from distributary.adapters.memory.queues import MemoryParking, MemoryQueue
from distributary.domain.change import Change
from distributary.domain.errors import NotSettled, Unavailable
from distributary.domain.facts import ApplyReport
from distributary.domain.message import pack
from distributary.domain.patience import CONCURRENT_AFTER, LONGEST_MOVE
from distributary.services.apply import Apply
from distributary.services.deciding import merging_stamped
from tests.unit.sites import HOME, NOW, PEER, SECOND
from tests.unit.stamped_sites import SHOP, TABLE, StampedSite, deletion_of, put_of, row


class Family(StampedSite):
    """A region with rows "a" and "b", and a table whose row names "a"."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.children = StampedSite(HOME)
        self.inbox, self.parking = MemoryQueue(self.clock), MemoryParking(pause=lambda _: None)
        self.dependents = MemoryDependents(
            {TABLE: self.table}, {TABLE: [(self.children.table, "parent")]}, self._access
        )
        for name in ("a", "b"):
            self.merge(put_of(name))
        self.children.put("child", parent="a")

    def apply(self, *changes: Change) -> ApplyReport:
        """Put changes into the inbox, each in a message, and work off all that is there."""
        for text in (text for change in changes for text in pack(SHOP, PEER, [change])):
            self.inbox.send(text)
        received = [self.inbox.receive(name) for name in self.inbox.messages]
        report = Apply(
            SHOP, "", HOME, lambda _: self.replica, self.parking, self.inbox, self.clock, lambda: "", lambda _: None,
            merging_stamped(SHOP), dependents=self.dependents,
        ).run(received, lambda: 60_000)  # fmt: skip
        for message in received:
            if message.id not in report.failed:
                self.inbox.delete(message.id)
        return report

    def waits(self, time: int) -> bool:
        """Whether what is in the inbox fails for so long, and no longer."""
        self.now += time
        failed = bool(self.apply().failed)
        self.now += 1
        return failed and not self.apply().failed


@pytest.fixture
def family() -> Family:
    return Family(HOME)


DELETION = deletion_of("a", at=NOW + SECOND)


def test_it_waits_while_they_hang_on_it(family: Family) -> None:
    report = family.apply(DELETION)
    assert [type(error) for error in report.failed.values()] == [NotSettled]
    assert (family.content("a"), family.tombstone("a")) == (row("a"), None)


def test_it_is_merged_once_they_have_moved(family: Family) -> None:
    family.apply(DELETION)
    family.children.put("child", parent="b")
    assert family.apply().failed == {}
    assert family.content("a") is None


def test_it_takes_them_along_after_a_minute(family: Family) -> None:
    family.apply(DELETION)
    assert family.waits(CONCURRENT_AFTER)
    assert family.content("a") is None


def test_rows_that_nothing_hangs_on_and_puts_do_not_wait(family: Family) -> None:
    report = family.apply(DELETION, deletion_of("b", at=NOW + SECOND), put_of("c"))
    assert len(report.failed) == 1
    assert (family.content("b"), family.content("c")) == (None, row("c"))


def test_one_that_is_older_than_its_row_takes_nothing_along_and_does_not_wait(family: Family) -> None:
    family.merge(put_of("a", at=NOW + 2 * SECOND))
    assert family.apply(DELETION).failed == {}
    assert family.content("a") == row("a")


def test_what_its_own_region_wrote_is_waited_for_longer(family: Family) -> None:
    # what became of the child there is under way
    family.children.merge(put_of("other", home=PEER, parent="a"))
    family.apply(DELETION)
    assert family.waits(LONGEST_MOVE)
    assert family.content("a") is None


@pytest.mark.parametrize(("late", "longer"), [(CONCURRENT_AFTER, 0), (CONCURRENT_AFTER + SECOND, SECOND)])
def test_one_that_comes_late_waits_for_what_may_be_as_late(family: Family, late: int, longer: int) -> None:
    family.apply(replace(DELETION, captured_at=family.now - late))
    assert family.waits(CONCURRENT_AFTER + longer)


def test_where_it_cannot_be_told_the_deletions_come_again_alone(family: Family) -> None:
    def lost() -> None:
        raise Unavailable("the connection is gone")

    family.interrupt("hanging", lost)
    report = family.apply(DELETION, put_of("c"))
    assert [type(error) for error in report.failed.values()] == [Unavailable]
    assert family.content("c") == row("c")
