"""The twin of a stamping table means what PostgreSQL does: who waits for whom, what is seen, and what the log tells."""

from __future__ import annotations

import pytest

from distributary.adapters.memory.log import Committed, MemoryLog
from distributary.adapters.memory.stamped_table import Aborted, StampedTable, Transaction
from distributary.domain.image import content_of, key_text
from distributary.domain.stamp import stamp_of
from tests.unit.sites import HOME, NOW, SECOND
from tests.unit.stamped_sites import StampedSite, deletion_of, key, row


@pytest.fixture
def table() -> StampedTable:
    return StampedTable(HOME, lambda: NOW, large=frozenset({"big"}))


def content(table: StampedTable, name: str = "a") -> object:
    image = table.get(key(name))
    return content_of(image) if image is not None else None


# --- transactions


def test_nobody_else_sees_a_write_before_its_commit(table: StampedTable) -> None:
    transaction = table.begin()
    transaction.put(key(), row(n=1))
    assert content(table) is None
    assert transaction.get(key()) is not None
    transaction.commit()
    assert content(table) == row(n=1)


def test_what_is_taken_back_was_never_there(table: StampedTable) -> None:
    table.put(key(), row(n=1))
    transaction = table.begin()
    transaction.delete(key())
    transaction.rollback()
    transaction.commit()
    assert content(table) == row(n=1)
    assert (table.tombstones, len(table.log), table.open) == ({}, 1, {})


def test_an_update_is_made_on_top_of_what_it_has_waited_for(table: StampedTable) -> None:
    table.put(key(), row(n=1, m=1))
    first, second = table.begin(), table.begin()
    first.update(key(), {"n": {"S": "2"}})
    second.update(key(), {"m": {"S": "2"}})  # waiting makes the first commit
    second.commit()
    assert content(table) == row(n=2, m=2)
    versions = [each.stamp.version.timestamp for each in table.log]
    assert versions == [NOW, NOW + 1, NOW + 2]


def test_an_update_or_deletion_of_a_row_that_is_not_there_does_nothing(table: StampedTable) -> None:
    transaction = table.begin()
    transaction.update(key(), {"n": {"S": "1"}})
    transaction.delete(key())
    transaction.move(key(), key("b"))
    transaction.commit()
    assert (table.rows, table.log) == ({}, [])


def test_an_insert_looks_for_a_tombstone_before_it_waits_for_its_key(table: StampedTable) -> None:
    """The trigger fires before the index is looked at, so the deletion that is waited for is not beneath the insert."""
    table.put(key(), row(n=1))
    deletion, insert = table.begin(), table.begin()
    deletion.delete(key())
    insert.put(key(), row(n=2))
    insert.commit()
    stamp, tombstone = stamp_of(table.rows[key_text(key())]), table.tombstones[key_text(key())]
    assert stamp is not None
    assert tombstone.deletion is not None
    assert not stamp.context.covers(tombstone.deletion)


def test_an_insert_of_a_key_that_is_there_is_taken_back(table: StampedTable) -> None:
    table.put(key(), row(n=1))
    with pytest.raises(Aborted):
        table.begin().put(key(), row(n=2), only_new=True)


def test_two_that_wait_for_each_other_do_not_wait_for_ever(table: StampedTable) -> None:
    table.put(key("a"), row("a"))
    table.put(key("b"), row("b"))
    first, second = table.begin(), table.begin()
    first.update(key("a"), {})
    second.update(key("b"), {})
    refused: list[Transaction] = []

    def meanwhile(holder: Transaction) -> None:
        with pytest.raises(Aborted):
            holder.update(key("a"), {})
        refused.append(holder)
        holder.rollback()

    table.waiting = meanwhile
    first.update(key("b"), {})
    first.commit()
    assert refused == [second]


def test_a_changed_key_is_a_deletion_and_an_insert_on_top_of_it(table: StampedTable) -> None:
    table.put(key("a"), row("a", n=1, big="B"))
    transaction = table.begin()
    transaction.move(key("a"), key("b"))
    transaction.commit()
    deletion, insert = table.log[1:]
    assert (content(table, "a"), content(table, "b")) == (None, row("b", n=1, big="B"))
    assert (deletion.image, insert.inserted, insert.missing) == (None, True, ("big",))
    assert table.tombstones[key_text(key("a"))].deletion == deletion.stamp.version


# --- the log


def test_the_log_tells_each_write_of_a_transaction_and_leaves_out_large_values_that_stay(table: StampedTable) -> None:
    transaction = table.begin()
    transaction.put(key(), row(n=1, big="B"))
    transaction.update(key(), {"n": {"S": "2"}})
    transaction.delete(key())
    transaction.put(key(), row(n=3, big="B"))
    transaction.commit()
    told = [(each.image is not None, each.inserted, each.missing) for each in table.log]
    assert told == [(True, True, ()), (True, False, ("big",)), (False, False, ()), (True, True, ())]
    versions = [each.stamp.version for each in table.log]
    assert versions == sorted(set(versions))


def test_replication_waits_to_note_a_deletion_where_an_application_is_about_to_note_one() -> None:
    site = StampedSite(HOME)
    site.put(n=1)
    mine = site.deleting()
    site.merge(deletion_of(at=NOW + 30 * SECOND))
    assert mine.over
    tombstone = site.tombstone()
    assert tombstone is not None
    assert len(tombstone.context.entries) == 2


def test_an_idle_log_is_let_go_up_to_where_a_reading_told_nothing() -> None:
    log = MemoryLog()
    log.hold()
    assert list(log.read(10)) == []
    log.slot.committed.append(Committed(echoes=1))
    log.advance(None)
    assert log.slot.position == 0
