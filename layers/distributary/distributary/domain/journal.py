"""What the journal keeps of a conflict: both states, with the values that nobody may read there as keyed hashes."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256

from distributary.domain.conflict import Conflict, Resolution, Side
from distributary.domain.errors import InvalidSettings
from distributary.domain.image import AttributeValue, Image, fingerprint, key_text
from distributary.domain.version import MICROSECONDS, Context, Version

DAY = 24 * 3600 * MICROSECONDS

HASHED = "hmac-sha256:"
"""How the text begins that stands in the place of a value."""


@dataclass(frozen=True, slots=True)
class Redaction:
    """Which attributes are kept as hashes only. secret: the key of the hashes, empty where there is none.

    Equal values have equal hashes under one secret, so that people can compare what they may not read.
    """

    attributes: frozenset[str] = frozenset()
    secret: bytes = field(default=b"", repr=False)

    def names_in(self, *images: Image | None) -> frozenset[str]:
        """Which of the attributes images have."""
        return frozenset(name for image in images for name in image or () if name in self.attributes)

    def of(self, image: Image) -> Image:
        """The image with hashes; raises InvalidSettings where it takes a secret and there is none."""
        names = self.names_in(image)
        return {name: self._hashed(value) if name in names else value for name, value in image.items()}

    def keyed(self, text: str, size: int) -> str:
        """A short name for a text that cannot be told from it without the secret: `size` bytes, a multiple of 3."""
        if not self.secret:
            raise InvalidSettings("the dataset redacts attributes, and there is no secret; deploy with Redact=true")
        return urlsafe_b64encode(hmac.new(self.secret, text.encode(), sha256).digest()[:size]).decode()

    def _hashed(self, value: AttributeValue) -> AttributeValue:
        return {"S": HASHED + self.keyed(key_text({"": value}), 18)}


REDACTS_NOTHING = Redaction()


@dataclass(frozen=True, slots=True)
class Trace:
    """One of the two states, as it is kept.

    image: none for a deletion, where a list leaves it out, and where it is too large. digest: of one too large. lost:
    where the row shows both states, the attributes of this one that it does not; none in a list.
    """

    version: Version
    context: Context
    deleted: bool
    image: Image | None = None
    digest: str = ""
    lost: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Entry:
    """A conflict as it is kept. at, expires: microseconds.

    id: the day (UTC) of the arriving version and a hash; the same for a repetition. row: the same for all conflicts of
    one row. redacted: the attributes of which hashes are kept. note: what the entry lacks, and why.
    """

    id: str
    row: str
    dataset: str
    table: str
    key: Image
    arriving: Trace
    present: Trace
    policy: str
    resolution: Resolution
    region: str
    at: int
    expires: int
    redacted: frozenset[str] = frozenset()
    note: str = ""

    @property
    def losing(self) -> Trace | None:
        """The state that is nowhere to be seen any more; none where the row shows both."""
        sides: Mapping[Resolution, Trace] = {Resolution.ARRIVED: self.present, Resolution.KEPT: self.arriving}
        return sides.get(self.resolution)

    @property
    def loses(self) -> bool:
        """Whether one of the two states, or a part of it, is nowhere to be seen any more."""
        return self.losing is not None or self.resolution is Resolution.PARTLY


def entry_of(conflict: Conflict, redaction: Redaction, days: int) -> Entry:
    """What is kept of a conflict, for so many days; raises as `Redaction.of` does."""
    key = redaction.of(conflict.key)
    # The name is a hash of the key among other things: whoever knows those could try out keys.
    hidden = redaction.names_in(conflict.key)
    day = datetime.fromtimestamp(conflict.arriving.version.timestamp // MICROSECONDS, UTC)
    return Entry(
        id=f"{day:%Y%m%d}-{redaction.keyed(conflict.id, 15) if hidden else conflict.id}",
        row=row_of(conflict.dataset, conflict.table, key),
        dataset=conflict.dataset,
        table=conflict.table,
        key=key,
        arriving=_trace(conflict.arriving, redaction),
        present=_trace(conflict.present, redaction),
        policy=conflict.policy,
        resolution=conflict.resolution,
        region=conflict.region,
        at=conflict.at,
        expires=conflict.at + days * DAY,
        redacted=redaction.names_in(conflict.key, conflict.arriving.image, conflict.present.image),
    )


def row_of(dataset: str, table: str, key: Image) -> str:
    """The name of a row. key: with hashes where it has any."""
    return fingerprint(repr((dataset, table, key_text(key))), size=15)


def _trace(side: Side, redaction: Redaction) -> Trace:
    image = None if side.image is None else redaction.of(side.image)
    return Trace(side.version, side.context, side.image is None, image, lost=side.lost)
