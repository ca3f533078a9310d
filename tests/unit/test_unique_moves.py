"""A unique value that moves from one row to another, with sight of each other, costs no row, whatever comes first."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from distributary.adapters.memory.clashes import MemoryClashes
from distributary.adapters.memory.journal import MemoryJournal
from distributary.adapters.memory.queues import MemoryParking, MemoryQueue
from distributary.domain.change import Change
from distributary.domain.errors import NotSettled
from distributary.domain.facts import ApplyReport
from distributary.domain.image import Image
from distributary.domain.message import pack
from distributary.domain.patience import CONCURRENT_AFTER, LONGEST_MOVE
from distributary.domain.policies import Policy
from distributary.domain.version import MICROSECONDS
from distributary.services.apply import Apply
from distributary.services.deciding import merging_stamped
from tests.unit.sites import FAR, HOME, PEER, SECOND
from tests.unit.stamped_sites import SHOP, StampedSite, key, knowing, put_of, row

NAMES, MAILS = ("a", "b", "c", "d"), ("x", "y", "z")
MERGING = replace(SHOP, conflict=Policy.ATTRIBUTE_MERGE)
EVERY_POLICY = pytest.mark.parametrize("dataset", [SHOP, MERGING], ids=["plain", "states"])


@dataclass
class Region(StampedSite):
    """A region with an inbox, in which a mail can be that of one row only. shipped: how many writes were told."""

    shipped: int = 0
    journal: MemoryJournal = field(default_factory=lambda: MemoryJournal(SHOP.name))
    parking: MemoryParking = field(default_factory=lambda: MemoryParking(pause=lambda _: None))

    def __post_init__(self) -> None:
        super().__post_init__()
        self.table.unique = "mail"
        self.inbox = MemoryQueue(self.clock)

    def new_changes(self) -> list[Change]:
        """The last states of rows written here since this was asked, in their order."""
        changes = self.changes()
        last = {change.row: change for change in changes[self.shipped :]}
        self.shipped = len(changes)
        return list(last.values())

    def receive(self, *messages: str) -> ApplyReport:
        """One call of apply, for some of the messages in the inbox."""
        received = [self.inbox.receive(name) for name in messages]
        service = Apply(
            self.dataset, "", self.region, lambda _: self.replica, self.parking, self.inbox, self.clock, lambda: "",
            lambda _: None, merging_stamped(self.dataset), MemoryClashes(self.table), journal=self.journal,
        )  # fmt: skip
        report = service.run(received, lambda: 60_000)
        for message in received:
            if message.id not in report.failed:
                self.inbox.delete(message.id)
        return report

    def receive_all(self) -> ApplyReport:
        """All that is in the inbox, at once."""
        return self.receive(*self.inbox.messages)

    def send(self, *changes: Change) -> None:
        """Put changes into the inbox, each in a message of its own."""
        for change in changes:
            for text in pack(self.dataset, change.home, [change]):
                self.inbox.send(text)

    @property
    def rows(self) -> dict[str, Image | None]:
        """All rows."""
        return {name: self.content(name) for name in NAMES}


# --- what a region does


def write(region: Region, dice: random.Random) -> None:
    """An application gives a row another mail that is free, or none, or deletes it, or exchanges the mails of two."""
    name, other = dice.sample(NAMES, 2)
    mails = {each: (region.content(each) or {}).get("mail", {}).get("S") for each in NAMES}
    free = [mail for mail in MAILS if mail not in mails.values()]
    action = dice.random()
    if action < 0.15 and region.content(name):
        region.delete(name)
    elif action < 0.4 and mails[name] and mails[other]:
        region.put(name, mail=None)
        region.put(other, mail=mails[name])
        region.put(name, mail=mails[other])
    elif action < 0.6 and mails[name]:
        region.put(name, mail=None)
        region.put(other, mail=mails[name])
    else:
        region.put(name, mail=dice.choice([None, *free]))


def caught_up(region: Region, regions: Sequence[Region]) -> None:
    """The region has all that was written, by the clock of the others."""
    region.now = max(each.now for each in regions)
    for _ in range(5):
        if region.receive_all().failed == {}:
            return
    raise AssertionError(f"{region.inbox.messages} do not come to rest in {region.rows}")


@EVERY_POLICY
@pytest.mark.parametrize("seed", range(150))
def test_writes_on_top_of_each_other_end_alike_in_any_order(dataset: object, seed: int) -> None:
    # given
    dice = random.Random(seed)
    regions = [Region(name, dataset=dataset) for name in (HOME, PEER, FAR)]  # type: ignore[arg-type]

    # when: one region after the other writes, each with sight of all; what that is comes to the others in any order
    for _ in range(8):
        writer = dice.choice(regions)
        caught_up(writer, regions)
        for _ in range(dice.randrange(1, 3)):
            write(writer, dice)
        changes = writer.new_changes()
        for each in regions:
            if each is not writer:
                each.send(*changes)
                waiting = list(each.inbox.messages)
                each.receive(*dice.sample(waiting, dice.randrange(len(waiting) + 1)))
    for each in regions:
        caught_up(each, regions)

    # then
    assert regions[0].rows == regions[1].rows == regions[2].rows
    assert [each.journal.entries for each in regions] == [{}, {}, {}]
    assert [each.parking.parcels for each in regions] == [[], [], []]


# --- one change


@pytest.fixture
def region() -> Region:
    """A region with a row of a peer."""
    region = Region(HOME)
    region.merge(put_of("a", mail="x"))
    return region


@pytest.mark.parametrize("at", [-SECOND, SECOND], ids=["older", "newer"])
def test_a_row_of_the_changes_own_region_in_its_way_is_waited_for(region: Region, at: int) -> None:
    region.send(put_of("b", mail="x", at=region.now + at))
    (error,) = region.receive_all().failed.values()
    region.now += CONCURRENT_AFTER + SECOND
    (again,) = region.receive_all().failed.values()
    assert (type(error), type(again)) == (NotSettled, NotSettled)
    assert (region.content("a"), region.content("b")) == (row("a", mail="x"), None)


def test_it_is_parked_if_that_never_moves_on(region: Region) -> None:
    region.send(put_of("b", mail="x", at=region.now + SECOND))
    region.receive_all()
    region.now += LONGEST_MOVE + SECOND
    (parcel,) = region.receive_all().parked
    assert parcel.reason == "UniqueClash"
    assert region.content("a") == row("a", mail="x")


def test_a_row_of_another_region_in_its_way_is_waited_for_a_minute(region: Region) -> None:
    # given
    region.send(put_of("b", home=FAR, mail="x", at=region.now + SECOND))
    region.receive_all()
    region.now += CONCURRENT_AFTER
    # when, then
    assert region.receive_all().failed
    region.now += 1
    assert region.receive_all().failed == {}
    assert (region.content("a"), region.content("b")) == (None, row("b", mail="x"))
    (conflict,) = region.journal.entries.values()
    assert conflict.key == key("a")


def test_under_policies_the_region_that_wrote_a_row_last_says_nothing_of_its_columns() -> None:
    region = Region(HOME, dataset=MERGING)
    region.merge(put_of("a", mail="x"))
    region.send(put_of("b", mail="x", at=region.now + SECOND))
    region.receive_all()
    region.now += CONCURRENT_AFTER + 1
    assert region.receive_all().failed == {}
    assert (region.content("a"), region.content("b")) == (None, row("b", mail="x"))


def test_rows_that_exchange_their_values_are_merged_at_once(region: Region) -> None:
    region.merge(put_of("b", mail="y"))
    later, seen = region.now + SECOND, region.present("b").version
    assert seen is not None
    region.send(*(knowing(each, seen) for each in (put_of("a", mail="y", at=later), put_of("b", mail="x", at=later))))
    assert region.receive_all().failed == {}
    assert (region.content("a"), region.content("b")) == (row("a", mail="y"), row("b", mail="x"))
    assert region.journal.entries == {}


def test_a_row_that_its_newer_state_has_not_seen_does_not_step_aside(region: Region) -> None:
    # given: rows that were written here, and exchanged their values elsewhere, without sight of that
    region.put("a", mail="x")
    region.put("b", mail="y")
    later = region.now + SECOND
    region.send(put_of("a", mail="y", at=later), put_of("b", mail="x", at=later))
    # when
    region.receive_all()
    # then
    assert (region.content("a"), region.content("b")) == (row("a", mail="x"), row("b", mail="y"))


def test_a_row_makes_no_way_for_a_state_that_is_older_than_it(region: Region) -> None:
    region.merge(put_of("a", mail="x", at=region.now + 2 * SECOND, home=FAR))
    region.send(put_of("a", mail="y", at=region.now + SECOND), put_of("b", mail="x", home=PEER))
    assert len(region.receive_all().failed) == 1
    assert region.content("a") == row("a", mail="x")


def test_the_times_are_those_that_operators_are_told() -> None:
    assert (CONCURRENT_AFTER, LONGEST_MOVE) == (60 * MICROSECONDS, 900 * MICROSECONDS)
