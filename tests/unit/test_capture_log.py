"""Following a log: wherever it fails, all that was committed reaches every peer, and nothing is gone past."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributary.adapters.memory.log import Committed
from distributary.adapters.memory.replica import MemoryReplica
from distributary.domain.alert import Alert, AlertKind
from distributary.domain.change import Change
from distributary.domain.errors import (
    DistributaryError,
    MalformedStream,
    NotInstalled,
    ParentMissing,
    SlotLost,
    Unavailable,
)
from distributary.domain.facts import LogReport
from distributary.domain.image import STAMP_ATTRIBUTE
from distributary.domain.logged import Logged, Refused
from distributary.domain.logged import Portion as LogPortion
from distributary.domain.message import LIMIT as MESSAGE
from distributary.domain.message import unpack
from distributary.domain.row import Tombstone
from distributary.domain.stamp import Stamp, Writer, stamped
from distributary.domain.version import MICROSECONDS, NOTHING_SEEN, Version
from distributary.ports import Outcome
from distributary.services import capture_log
from tests.unit.capture_world import FAR, HOME, NOW, PEER, SHOP, TABLE, World


@pytest.fixture(params=[False, True], ids=["writes", "blocks"])
def world(request: pytest.FixtureRequest) -> World:
    return World(in_blocks=request.param)


def images(changes: Sequence[Change]) -> dict[str, str | None]:
    return {each.key["id"]["S"]: each.image["v"]["S"] if each.image else None for each in changes}


# --- what is shipped


def test_what_is_committed_arrives_at_every_peer(world: World) -> None:
    world.commit(world.write(1), world.write(2))
    world.commit(world.write(3, None), echoes=4)
    reports = world.call()
    assert images(world.arrived(PEER)) == images(world.arrived(FAR)) == {"1": "x", "2": "x", "3": None}
    assert sum(report.writes for report in reports) == 3
    assert sum(report.echoes for report in reports) == 4
    assert reports[0].shipped == {PEER: 3, FAR: 3}
    assert (world.log.slot.position, world.log.slot.checkpoint) == (2, 2)


def test_nothing_goes_to_its_own_region(world: World) -> None:
    world.commit(world.write(1))
    world.call()
    assert world.arrived(HOME) == []


def test_of_a_row_the_last_state_of_a_portion_travels(world: World) -> None:
    world.commit(world.write(1, "a"), world.write(1, "b"))
    (report, *_) = world.call()
    assert images(world.arrived()) == {"1": "b"}
    assert (report.writes, report.overtaken) == (2, 1)


def test_a_left_out_column_is_read_from_the_row(world: World) -> None:
    write = world.write(1, missing=("big",))
    assert write.change.image is not None
    world.log.slot.rows = {write.change.row: stamped({**write.change.image, "big": {"S": "B"}}, _stamp(write))}
    world.commit(write)
    world.call()
    (change,) = world.arrived()
    assert change.image == {"id": {"S": "1"}, "v": {"S": "x"}, "big": {"S": "B"}}


def test_a_left_out_column_of_a_row_that_is_newer_by_now_is_overtaken(world: World) -> None:
    write = world.write(1, missing=("big",))
    newer = world.write(1, "y")
    assert newer.change.image is not None
    world.log.slot.rows = {write.change.row: stamped({**newer.change.image, "big": {"S": "B"}}, _stamp(newer))}
    world.commit(write)
    (report, *_) = world.call()
    assert world.arrived() == []
    assert report.overtaken == 1


def test_a_row_that_cannot_be_read_any_more_is_parked_and_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.commit(world.write(1, missing=("big",)), world.write(2))
    monkeypatch.setattr(world.log, "complete", lambda writes: writes)
    (report, *_) = world.call()
    assert images(world.arrived()) == {"2": "x"}
    assert [parcel.reason for parcel in world.parking.parcels] == ["MalformedRecord"]
    assert [alert.kind for alert in report.alerts] == [AlertKind.NOT_SHIPPED]


def test_a_row_larger_than_any_message_is_parked_by_name_and_the_others_travel(world: World) -> None:
    noise = "".join(chr(0x4E00 + n * 7919 % 20_000) for n in range(MESSAGE))
    world.commit(world.write(1), world.write(2, noise), world.write(3))
    reports = world.call()
    assert images(world.arrived()).keys() == {"1", "3"}
    (parcel,) = world.parking.parcels
    assert parcel.reason == "ItemTooLarge"
    assert '"id": {"S": "2"}' in parcel.payload
    assert [alert.kind for alert in reports[0].alerts] == [AlertKind.NOT_SHIPPED]
    assert reports[0].shipped[PEER] == 2


def test_rows_that_cannot_be_changes_are_parked_many_in_a_parcel(world: World) -> None:
    refused = tuple(Refused(AlertKind.UNSTAMPED, TABLE, f'{{"row": "{n:01000d}"}}') for n in range(500))
    service, report = world.service(), LogReport()
    service._take(LogPortion(refused=refused), report, set())
    assert 3 <= len(world.parking.parcels) <= 4
    assert sum(parcel.payload.count('"row"') for parcel in world.parking.parcels) == 500
    assert report.parked == world.parking.parcels


# --- rows inserted under a newer deletion


def _inserted_under_a_newer_deletion(world: World, missing: tuple[str, ...] = ()) -> Logged:
    write = world.write(1, inserted=True, missing=missing)
    assert write.change.image is not None
    world.table.write(write.change.key, stamped(write.change.image, _stamp(write)))
    deletion = Version(NOW + 5 * MICROSECONDS, 0, PEER)
    assert isinstance(world.replica, MemoryReplica)
    world.replica.tombstones[write.change.row] = Tombstone(deletion, NOTHING_SEEN.including(deletion))
    world.commit(write)
    return write


def test_a_row_inserted_under_a_newer_deletion_is_removed_and_travels(world: World) -> None:
    write = _inserted_under_a_newer_deletion(world)
    world.call()
    assert world.table.get(write.change.key) is None
    assert images(world.arrived()) == {"1": "x"}


def test_a_row_that_is_removed_so_is_on_record_and_counted(world: World) -> None:
    write = _inserted_under_a_newer_deletion(world)
    reports = world.call()
    (entry,) = world.journal.entries.values()
    assert (entry.arriving.deleted, entry.present.version) == (True, write.change.version)
    assert (sum(report.conflicts for report in reports), sum(report.unjournaled for report in reports)) == (1, 0)


def test_a_conflict_that_the_journal_misses_is_counted_and_the_row_removed_all_the_same(world: World) -> None:
    write = _inserted_under_a_newer_deletion(world)
    world.failing, world.strikes = (lambda access: access == "record"), deque([Unavailable("no journal")])
    reports = world.call()
    assert (sum(report.conflicts for report in reports), sum(report.unjournaled for report in reports)) == (1, 1)
    assert world.table.get(write.change.key) is None


def test_a_row_that_was_given_its_key_under_a_newer_deletion_is_removed_though_an_update_has_overtaken_it(
    world: World,
) -> None:
    """The update alone does not tell that the key is new; the first write is not shipped, its large value is gone."""
    renamed = _inserted_under_a_newer_deletion(world, missing=("big",))
    updated = world.write(1, "y", missing=("big",))
    assert updated.change.image is not None
    image = stamped({**updated.change.image, "big": {"S": "B"}}, _stamp(updated))
    world.table.write(updated.change.key, image)
    world.log.slot.rows = {updated.change.row: image}
    world.commit(updated)
    world.call()
    assert world.table.get(renamed.change.key) is None
    assert images(world.arrived()) == {"1": "y"}


def test_a_row_that_replication_has_inserted_under_a_newer_deletion_is_removed(world: World) -> None:
    # given: a row of a peer's, inserted here by a function that ended before it looked at the tombstone
    write = _inserted_under_a_newer_deletion(world)
    world.log.slot.committed[:] = [Committed(echoes=1, arrived=[write.change])]
    # when: the log tells of it
    reports = world.call()
    # then: capture removes it, and ships nothing
    assert world.table.get(write.change.key) is None
    assert world.arrived() == []
    assert sum(report.echoes for report in reports) == 1


def test_one_whose_table_is_gone_does_not_stop_the_others(world: World) -> None:
    world.missing_tables.add(TABLE)
    world.commit(world.write(1, inserted=True), world.write(2))
    world.call()
    assert images(world.arrived()) == {"1": "x", "2": "x"}


def test_one_that_the_database_will_not_remove_is_parked_for_another_try(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = _inserted_under_a_newer_deletion(world)

    def keep(writes: Sequence[object]) -> Sequence[Outcome]:
        return [ParentMissing("a child keeps it")] * len(writes)

    monkeypatch.setattr(world.replica, "write", keep)
    world.call()
    (parcel,) = world.parking.parcels
    assert (parcel.reason, parcel.redrivable) == ("ParentMissing", True)
    assert isinstance(world.replica, MemoryReplica)
    (deletion,) = unpack(parcel.payload, SHOP)
    assert (deletion.image, deletion.version) == (None, world.replica.tombstones[write.change.row].deletion)
    assert world.log.slot.position == 1


# --- failures


@pytest.mark.parametrize("at", ["hold", "read", "portion", f"send {PEER}", "note", "advance"])
def test_what_fails_for_a_moment_is_done_in_the_same_call(world: World, at: str) -> None:
    world.commit(world.write(1), world.write(2), world.write(3))
    world.strikes.append(Unavailable(at))
    world.failing = lambda access: access == at
    reports = world.call()
    assert images(world.arrived()) == {"1": "x", "2": "x", "3": "x"}
    assert isinstance(reports[0].failure, Unavailable) or reports[0].held
    assert (world.log.slot.position, world.log.open_readings) == (1, 0)


@pytest.mark.parametrize("error", [SlotLost("gone"), NotInstalled("no"), MalformedStream("cut")])
def test_what_waiting_does_not_mend_ends_the_call_with_its_reason(world: World, error: DistributaryError) -> None:
    world.commit(world.write(1))
    world.strikes.append(error)
    world.failing = lambda access: access == "read"
    (report,) = world.call()
    assert report.failure is error
    assert world.log.slot.position == 0


def test_a_lost_slot_is_told_by_every_call_and_never_gone_past(world: World) -> None:
    world.commit(world.write(1))
    world.log.slot.position = 1
    for _ in range(2):
        (report,) = world.call()
        assert isinstance(report.failure, SlotLost)
        assert [alert.kind for alert in report.alerts] == [AlertKind.SLOT_LOST]
    assert len(world.announced.alerts) == 2


def test_a_log_in_other_hands_is_no_failure(world: World) -> None:
    world.log.slot.holder = object()
    (report,) = world.call()
    assert (report.busy, report.failure) == (True, None)


def test_alerts_that_cannot_be_announced_stop_nothing(world: World) -> None:
    alert = Alert(AlertKind.TRUNCATED, TABLE, "in a transaction")
    world.announced.trouble = Unavailable("no bus")
    world.commit(world.write(1), alerts=(alert,))
    (report, *_) = world.call()
    assert (report.alerts, report.unannounced) == ([alert], 1)
    assert images(world.arrived()) == {"1": "x"}


def test_an_alert_is_announced_once_a_call(world: World) -> None:
    alert = Alert(AlertKind.TRUNCATED, TABLE, "in a transaction")
    for _ in range(3):
        world.commit(alerts=(alert,))
    world.call()
    assert world.announced.alerts == [alert]


def test_an_idle_log_is_looked_at_with_growing_pauses(world: World) -> None:
    world.call(seconds=2)
    assert world.slept[:4] == [0.01, 0.02, 0.04, 0.05]
    assert set(world.slept[3:]) == {capture_log.LONGEST_PAUSE}


def test_a_call_ends_before_its_deadline(world: World) -> None:
    world.call(seconds=25)
    assert 25 * MICROSECONDS <= world.now - NOW < 26 * MICROSECONDS


# --- transactions that take longer than a call


def test_a_transaction_longer_than_a_call_is_gone_on_with_and_ends(world: World) -> None:
    world.commit(world.write(0))
    world.commit(*(world.write(n) for n in range(1, 21)))
    calls = 0
    while world.log.slot.position < 2:
        # when: each call's time is over after two portions
        left = iter([99_999] * 3 + [99_999, 0])
        for _ in world.service().run(lambda times=left: next(times, 0)):  # type: ignore[misc]
            pass
        calls += 1
        assert calls < 20
    # then: nothing was left out, and little sent twice
    assert images(world.arrived()).keys() == {str(n) for n in range(21)}
    assert len(world.arrived()) <= 25


def test_a_failure_within_a_transaction_does_not_begin_it_anew(world: World) -> None:
    world.commit(*(world.write(n) for n in range(10)))
    world.strikes.extend([None, None, None, Unavailable("in the fourth portion")])
    world.failing = lambda access: access == "portion"
    world.call()
    assert [each.key["id"]["S"] for each in world.arrived()] == [str(n) for n in range(10)]


# --- crashes at any step


class _Crash(BaseException):
    """The process ends."""


@given(
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=5),
    strikes=st.lists(st.sampled_from(["", "", "", "down", "crash"]), max_size=60),
    in_blocks=st.booleans(),
)
def test_wherever_it_fails_or_dies_nothing_committed_is_lost(
    sizes: list[int], strikes: list[str], in_blocks: bool
) -> None:
    world = World(in_blocks=in_blocks)
    expected: dict[str, Version] = {}
    for size in sizes:
        writes = [world.write(key) for key in range(size)]
        world.commit(*writes)
        expected |= {each.change.row: each.change.version for each in writes}
    plan = deque(strikes)

    def strike(access: str) -> None:
        kind = plan.popleft() if plan else ""
        if kind == "crash":
            raise _Crash
        if kind == "down":
            raise Unavailable(access)

    world.log.pause = strike
    world.access = strike  # type: ignore[method-assign, assignment]
    for _ in range(len(strikes) + 2):
        try:
            world.call(seconds=5)
        except _Crash:
            continue
    newest = {
        each.row: max(other.version for other in world.arrived() if other.row == each.row) for each in world.arrived()
    }
    assert newest == expected
    assert world.log.slot.position == world.log.slot.checkpoint == len(sizes)


def _stamp(write: Logged) -> Stamp:
    return Stamp(write.change.version, write.change.context, Writer.APPLICATION)


def test_the_stamp_in_a_log_is_the_rows(world: World) -> None:
    write = world.write(1)
    assert stamped({}, _stamp(write))[STAMP_ATTRIBUTE] == {"S": write.stamp}
