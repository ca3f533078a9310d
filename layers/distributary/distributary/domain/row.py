"""A replica's view of one key: the row with its stamp, and the tombstone that outlives it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from distributary.domain.errors import MalformedStamp
from distributary.domain.image import Image, content_of, digest_of
from distributary.domain.stamp import (
    UNKNOWN,
    Stamp,
    is_link_made_in,
    parse_entry,
    parse_version,
    stamp_of,
    version_text,
)
from distributary.domain.version import NOTHING_SEEN, Context, Version


@dataclass(frozen=True)
class Row:
    """A row as it was read. Its image may carry a stamp, a stale one, or none.

    latest: the newest timestamp that is believed, in microseconds, none for all. A row whose stamp lies beyond counts
    as unstamped, and what a stamp's context names beyond was never seen.
    """

    image: Image
    latest: int | None = None

    @cached_property
    def stamp(self) -> Stamp | None:
        """The stamp, as far as it is believed; none where missing, unreadable or from the future."""
        stamp = stamp_of(self.image)
        if stamp is None or self.latest is None:
            return stamp
        if stamp.version.timestamp > self.latest:
            return None
        context = stamp.context.until(self.latest)
        return stamp if context is stamp.context else replace(stamp, context=context)

    @cached_property
    def content(self) -> Image:
        """The application's attributes."""
        return content_of(self.image)

    @cached_property
    def digest(self) -> str:
        """The digest of the content as it is now."""
        return digest_of(self.content)

    @cached_property
    def as_stamped(self) -> bool:
        """Whether the content is what the stamp says."""
        return self.stamp is not None and self.stamp.digest == self.digest

    def trusting(self, latest: int) -> Row:
        """This row, without trust in what its stamp says of times after `latest` (microseconds)."""
        believed = Row(self.image, latest)
        return self if believed.stamp == self.stamp else believed

    @property
    def from_the_future(self) -> bool:
        """Whether its stamp is one that is not believed, since it lies beyond `latest`."""
        return self.stamp is None and stamp_of(self.image) is not None

    @property
    def marked(self) -> bool:
        """Whether replication has announced the row's deletion in it."""
        return self.stamp is not None and self.stamp.deletion_mark

    def marked_in(self, region: str) -> bool:
        """Whether the mark was made in that region, and is no copy that an application has put there."""
        return self.stamp is not None and self.marked and is_link_made_in(self.stamp.link, region)

    @property
    def settled(self) -> bool:
        """Whether no local write of the row waits in the change stream, as far as the row can tell."""
        return self.as_stamped and not self.marked

    @property
    def version(self) -> Version | None:
        """The version in the stamp; none for the lowest stamp, which says that there is none."""
        return self.stamp.version if self.stamp and self.stamp.version.timestamp else None

    @property
    def context(self) -> Context:
        """The context in the stamp."""
        return self.stamp.context if self.stamp else NOTHING_SEEN


@dataclass(frozen=True, slots=True)
class Ledger:
    """What this region has made of its own writes of a row so far, kept where no application can lose it.

    Only where a policy needs memory. sequence: of the last record taken in. version: what that was given. image: the
    whole row as it is then to be, stamp and state included; none for a deletion. context: what that had seen.
    """

    sequence: int
    version: Version
    image: Image | None
    context: Context = NOTHING_SEEN


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What is remembered of a key apart from its row: its deletion, and versions that the row no longer shows.

    deletion: the newest deletion, none where only versions are remembered. arrived_at: local time in microseconds
    at which that deletion was noted. removing: the mark under which replication removes the row; removing_names: the
    attributes that the row had then. removed: link of the stamp that the row carried when its last local deletion was
    captured. ledger: see there.
    """

    deletion: Version | None = None
    context: Context = NOTHING_SEEN
    arrived_at: int = 0
    removing: Version | None = None
    removing_names: tuple[str, ...] = ()
    removed: str = UNKNOWN
    ledger: Ledger | None = None

    def covers(self, version: Version) -> bool:
        """Whether a state of that version stays deleted."""
        return self.deletion is not None and self.deletion >= version

    def trusting(self, latest: int) -> Tombstone:
        """This tombstone without what a clock from the future left in it, beyond `latest` (microseconds).

        A ledger goes as a whole: all that it holds was made on top of one another, and its last version was shipped to
        nobody who believed it.
        """
        return replace(
            self,
            deletion=_until(self.deletion, latest),
            context=self.context.until(latest),
            removing=_until(self.removing, latest),
            ledger=self.ledger if self.ledger is not None and _until(self.ledger.version, latest) else None,
        )

    def document(self) -> dict[str, Any]:
        """The tombstone as JSON values; `tombstone_from` reads them."""
        ledger = self.ledger
        told = {
            "deletion": version_text(self.deletion) if self.deletion else None,
            "context": _context(self.context),
            "arrived_at": self.arrived_at,
            "removing": version_text(self.removing) if self.removing else None,
            "removing_names": list(self.removing_names),
            "removed": self.removed,
        }
        if ledger is None:
            return told
        return {**told, "ledger": {
            "sequence": f"{ledger.sequence:x}", "version": version_text(ledger.version), "image": ledger.image,
            "context": _context(ledger.context),
        }}  # fmt: skip


def tombstone_from(document: Mapping[str, Any]) -> Tombstone:
    """Read what `Tombstone.document` wrote; raises MalformedStamp for anything else."""
    try:
        deletion, removing = document["deletion"], document["removing"]
        return Tombstone(
            parse_version(deletion) if deletion else None,
            _context_from(document["context"]),
            int(document["arrived_at"]),
            parse_version(removing) if removing else None,
            tuple(map(str, document["removing_names"])),
            str(document["removed"]),
            _ledger_from(document["ledger"]) if "ledger" in document else None,
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise MalformedStamp(str(document)[:80]) from error


def _ledger_from(document: Mapping[str, Any]) -> Ledger:
    context = _context_from(document["context"])
    return Ledger(int(document["sequence"], 16), parse_version(document["version"]), document["image"], context)


def _context(context: Context) -> dict[str, str]:
    return {region: f"{at.timestamp:x}.{at.sequence:x}" for region, at in sorted(context.entries.items())}


def _context_from(document: Mapping[str, str]) -> Context:
    return Context(dict(parse_entry(f"{region}={instant}") for region, instant in document.items()))


@dataclass(frozen=True)
class State:
    """What a replica holds under one key.

    stored: the tombstone as the database has it, beside the one that is believed.
    """

    row: Row | None = None
    tombstone: Tombstone | None = None
    stored: Tombstone | None = None

    def trusting(self, latest: int) -> State:
        """This state, without trust in what it says of times after `latest` (microseconds)."""
        row = self.row.trusting(latest) if self.row else None
        return State(row, self.tombstone.trusting(latest) if self.tombstone else None, self.tombstone)


def _until(version: Version | None, latest: int) -> Version | None:
    return version if version is not None and version.timestamp <= latest else None
