"""Tells whether a stream record is the echo of our own write or an application's, and which kind.

An application knows nothing of stamps: an update keeps the old one, a put drops it, a put of a row that was read
earlier brings back a stale one. So a stamp alone proves nothing. What proves a write of ours is its link: it names the
stamp that the write replaced, which is in the record's old image. An insert replaces nothing: its link is made for
this region, and it is an echo unless a row with the very same stamp was deleted here before, as when an application
puts back what it has deleted.
"""

from __future__ import annotations

from enum import Enum

from distributary.domain.change import StreamRecord
from distributary.domain.image import STAMP_ATTRIBUTE, digest_of, same_content
from distributary.domain.row import Row, Tombstone
from distributary.domain.stamp import Writer, is_link_made_in, link_of_mark, link_to
from distributary.domain.version import MICROSECONDS

LONGEST_CALL = 120 * MICROSECONDS
"""How long a call of a function can be under way, in microseconds: twice the timeout in template.yaml."""


class Origin(Enum):
    """Whose write a stream record shows."""

    ECHO = "echo"
    STAMPED = "stamped"
    UNSTAMPED = "unstamped"
    DELETED = "deleted"
    EXPIRED = "expired"
    REWRITTEN = "rewritten"

    @property
    def local(self) -> bool:
        """Whether it counts as a write of this region: an application's, the time to live's, or a decision of ours."""
        return self is not Origin.ECHO


def overwritten(record: StreamRecord, following: StreamRecord) -> bool:
    """Whether the row's following local update is enough to be settled for both.

    It was made on top of the first, and both have left the stamp as they found it. A put drops the stamp, and with it
    what it was made on top of, so it is settled by itself.
    """
    old, new, after = record.old, record.new, following.new
    if old is None or new is None or after is None or following.old is None:
        return False
    stamps = {row.image.get(STAMP_ATTRIBUTE, {}).get("S") for row in (old, new, after)}
    return len(stamps) == 1 and not new.marked and new.image == following.old.image


def needs_tombstone(record: StreamRecord, region: str) -> bool:
    """Whether `origin_of` has to know the tombstone to tell an echo from a local write."""
    if record.new is None:
        return record.old is not None and record.old.marked_in(region) and not record.old.as_stamped
    return record.old is None and _may_be_our_insert(record.new, region)


def origin_of(record: StreamRecord, region: str, tombstone: Tombstone | None) -> Origin:
    """Classify a record of this region; its rows must be `trusting` already."""
    old, new = record.old, record.new
    if new is None:
        if old is not None and old.marked_in(region) and (old.as_stamped or _removed_by_us(old, tombstone)):
            return Origin.ECHO
        return Origin.EXPIRED if record.expired else Origin.DELETED
    echo = _echo_of_insert(record, new, region, tombstone) if old is None else _echo(old, new, region)
    if echo:
        return Origin.ECHO
    return Origin.STAMPED if _stamped_here(old, new, region) else Origin.UNSTAMPED


def _removed_by_us(old: Row, tombstone: Tombstone | None) -> bool:
    """Whether our deletion took a row that an application had added an attribute to, unseen by our condition."""
    if tombstone is None or tombstone.removing is None or tombstone.removing != old.version or old.stamp is None:
        return False
    as_we_saw_it = {name: value for name, value in old.content.items() if name in tombstone.removing_names}
    return digest_of(as_we_saw_it) == old.stamp.digest


def _echo_of_insert(record: StreamRecord, new: Row, region: str, tombstone: Tombstone | None) -> bool:
    """An insert of ours, and not a copy of one that an application puts back after the row was deleted.

    It is a copy if the last local deletion removed just this stamp, or if a newer deletion has been here for longer
    than a call of ours can have been under way, since no call inserts what it sees to be deleted.
    """
    if not _may_be_our_insert(new, region) or new.version is None:
        return False
    if tombstone is None:
        return True
    long_deleted = tombstone.covers(new.version) and tombstone.arrived_at + LONGEST_CALL < record.created_at
    return tombstone.removed != link_to(new.image, region) and not long_deleted


def _echo(old: Row, new: Row, region: str) -> bool:
    """A replacement of ours. We change no content of a row without a stamp: it is given the lowest stamp before."""
    stamp, changed = new.stamp, not same_content(old.content, new.content)
    if stamp is None or stamp.writer is Writer.APPLICATION:
        return False
    if stamp.link != (link_of_mark if stamp.deletion_mark else link_to)(old.image, region):
        return False
    if changed and STAMP_ATTRIBUTE not in old.image:
        return False
    if old.version is not None and stamp.version < old.version:
        return False
    return new.as_stamped or not changed


def _may_be_our_insert(new: Row, region: str) -> bool:
    stamp = new.stamp
    ours = stamp is not None and stamp.writer is Writer.REPLICATION and is_link_made_in(stamp.link, region)
    return ours and new.as_stamped


def _stamped_here(old: Row | None, new: Row, region: str) -> bool:
    """Whether a stamping writer of this region drew the version for just this content.

    One that could not know the content leaves the digest open; its write is minted above its stamp like any other's.
    """
    stamp = new.stamp
    if stamp is None or stamp.writer is not Writer.APPLICATION or stamp.version.region != region:
        return False
    newer = old is None or old.version is None or stamp.version > old.version
    return newer and new.as_stamped
