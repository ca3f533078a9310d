"""The stamp: version, writer, digest, link and context of a row as one text that a database can compare.

Grammar (ASCII; byte order of stamps is version order, in SQL with COLLATE "C"):

    stamp    = version " " writer " " digest " " link " " context
    version  = timestamp "." sequence "." region        16 decimal digits, 34 hexadecimal digits, a region's name
    writer   = "a" | "r" | "x"                          see Writer
    digest   = fingerprint of the content | "-"         "-": the writer could not know the whole content
    link     = fingerprint of the replaced stamp, or a unique text and its region's check for an insert | "-"
    context  = entry *("," entry)                       sorted by region
    entry    = region "=" timestamp "." sequence        hexadecimal, unpadded

A space is lower than every character of a region's name, so a region that is the beginning of another sorts first.
"""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from distributary.domain.errors import MalformedStamp
from distributary.domain.image import STAMP_ATTRIBUTE, Image, fingerprint
from distributary.domain.version import (
    NOTHING_SEEN,
    SEQUENCE_DIGITS,
    STAMPING_SEQUENCE,
    TIMESTAMP_DIGITS,
    Context,
    Instant,
    Version,
)

UNKNOWN = "-"
_SEQUENCE = slice(TIMESTAMP_DIGITS + 1, TIMESTAMP_DIGITS + 1 + SEQUENCE_DIGITS)
"""Where a version's sequence stands in a stamp."""
_REGION = re.compile(r"[a-z0-9-]{1,64}")
_FINGERPRINT = re.compile(r"[A-Za-z0-9_-]{1,32}")
_LIMIT_SEQUENCE = STAMPING_SEQUENCE << 1
_UNPADDED = r"[1-7][0-9a-f]{33}|[1-9a-f][0-9a-f]{0,32}|0"
_ENTRY = re.compile(rf"({_REGION.pattern})=({_UNPADDED})\.({_UNPADDED})")
_ENTRIES = re.sub(r"\((?!\?)", "(?:", _ENTRY.pattern)
_STAMP = re.compile(
    rf"([0-9]{{{TIMESTAMP_DIGITS}}})\.([0-7][0-9a-f]{{{SEQUENCE_DIGITS - 1}}})\.({_REGION.pattern}) ([arx])"
    rf" ({_FINGERPRINT.pattern}) ({_FINGERPRINT.pattern}) ({_ENTRIES}(?:,{_ENTRIES})*)"
)


class Writer(Enum):
    """Who wrote a stamp, and to what end."""

    APPLICATION = "a"
    REPLICATION = "r"
    REPLICATION_DELETES = "x"


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a row knows of its own state. The context always includes the version itself."""

    version: Version
    context: Context
    writer: Writer
    digest: str = UNKNOWN
    link: str = UNKNOWN

    @property
    def deletion_mark(self) -> bool:
        """Whether replication is about to delete the row at this version."""
        return self.writer is Writer.REPLICATION_DELETES

    def text(self) -> str:
        """The stamp as it stands in the row."""
        entries = context_text(self.context)
        return f"{version_text(self.version)} {self.writer.value} {self.digest} {self.link} {entries}"


_REPLICATION = {Writer.REPLICATION.value, Writer.REPLICATION_DELETES.value}
_BY_APPLICATION = f" {Writer.APPLICATION.value} {UNKNOWN} {UNKNOWN} "
_BY_REPLICATION = f" {Writer.REPLICATION.value} {UNKNOWN} {UNKNOWN} "
_FIRST = "0" * SEQUENCE_DIGITS


def context_text(context: Context) -> str:
    """A context as text; empty where nothing was seen."""
    entries = sorted(context.entries.items())
    return ",".join(f"{region}={instant.timestamp:x}.{instant.sequence:x}" for region, instant in entries)


def parse_context(text: str) -> Context:
    """Read what `context_text` wrote; raises MalformedStamp."""
    return Context(dict(map(parse_entry, text.split(",")))) if text else NOTHING_SEEN


def version_text(version: Version) -> str:
    """A version as fixed-width text whose byte order is the order of versions."""
    timestamp, sequence, region = version
    return f"{timestamp:0{TIMESTAMP_DIGITS}d}.{sequence:0{SEQUENCE_DIGITS}x}.{region}"


def parse_version(text: str) -> Version:
    """Read a version; raises MalformedStamp unless `version_text` could have written it."""
    parts = text.split(".")
    if len(parts) != 3 or len(parts[0]) != TIMESTAMP_DIGITS or len(parts[1]) != SEQUENCE_DIGITS:
        raise MalformedStamp(text[:80])
    version = Version(_number(parts[0], 10), _number(parts[1], 16), _region(parts[2]))
    if version_text(version) != text:
        raise MalformedStamp(text[:80])
    return version


@lru_cache(maxsize=4096)
def parse(text: str) -> Stamp:
    """Read a stamp; raises MalformedStamp unless `Stamp.text` could have written it."""
    match = _STAMP.fullmatch(text)
    if match is None:
        raise MalformedStamp(text[:80])
    timestamp, sequence, region, writer, digest, link, entries = match.groups()
    version = Version(int(timestamp), int(sequence, 16), region)
    seen = [(home, Instant(int(at, 16), int(number, 16))) for home, at, number in _ENTRY.findall(entries)]
    context = Context(dict(seen))
    if [home for home, _ in seen] != sorted(context.entries) or not context.covers(version):
        raise MalformedStamp(text[:80])
    return Stamp(version, context, Writer(writer), digest, link)


def is_stamp(text: str, writer: Writer, regions: Container[str]) -> bool:
    """Whether `parse` reads it as a stamp by that writer, of a version of one of the regions; in a third of the time.

    Its context must have no later version of that region: the newest of a row has none.
    """
    match = _STAMP.fullmatch(text)
    if match is None:
        return False
    timestamp, sequence, region, letter, _, _, context = match.groups()
    entries = context.split(",")
    homes = [entry.partition("=")[0] for entry in entries]
    own = f"{region}={int(timestamp):x}.{int(sequence, 16):x}"
    return letter == writer.value and region in regions and homes == sorted(set(homes)) and own in entries


def is_plain_stamp(text: str, region: str, writer: Writer = Writer.REPLICATION) -> bool:
    """Whether it is a writer's stamp of a row that one region alone has written: most are, and this is fast."""
    moment, number = text[:TIMESTAMP_DIGITS], text[_SEQUENCE]
    if not (moment.isascii() and moment.isdecimal()):
        return False
    sequence = 0
    if number != _FIRST:
        try:
            sequence = int(number, 16)
        except ValueError:
            return False
        if f"{sequence:0{SEQUENCE_DIGITS}x}" != number or sequence >= STAMPING_SEQUENCE:
            return False
    entry = f"{region}={int(moment):x}.{sequence:x}"
    return text == f"{moment}.{number}.{region} {writer.value} {UNKNOWN} {UNKNOWN} {entry}"


@lru_cache(maxsize=64)
def travelling(text: str, region: str) -> str | None:
    """The stamp of an application's write in a region as it travels: by replication, all else the same.

    None where it is another's, says more than a database's trigger does, or cannot be read. The rows that one statement
    has written mostly share a stamp, so each is looked at once.
    """
    if is_plain_stamp(text, region, Writer.APPLICATION):
        return text.replace(_BY_APPLICATION, _BY_REPLICATION, 1)
    start, by_application, context = text.partition(_BY_APPLICATION)
    shipped = start + _BY_REPLICATION + context
    return shipped if by_application and is_stamp(shipped, Writer.REPLICATION, (region,)) else None


def is_by_replication(text: str) -> bool:
    """Whether a stamp names replication as its writer; the rest of it is not looked at."""
    return text.partition(" ")[2].partition(" ")[0] in _REPLICATION


def stamp_of(image: Image) -> Stamp | None:
    """The stamp that an image carries; none where it is missing or unreadable."""
    value = image.get(STAMP_ATTRIBUTE)
    text = value.get("S") if value else None
    if not isinstance(text, str):
        return None
    try:
        return parse(text)
    except MalformedStamp:
        return None


def stamped(content: Image, stamp: Stamp) -> Image:
    """The content with the stamp as its attribute."""
    return {**content, STAMP_ATTRIBUTE: {"S": stamp.text()}}


def with_lowest_stamp(content: Image, region: str) -> Image:
    """A row without a stamp, given one that is below every other and not settled; it says that there is no version."""
    version = Version(0, 0, region)
    link = link_to(content, region)
    return stamped(content, Stamp(version, NOTHING_SEEN.including(version), Writer.REPLICATION, link=link))


def link_to(image: Image, region: str) -> str:
    """The link of a stamp that replaces this image's in a region, readable or not."""
    value = image.get(STAMP_ATTRIBUTE)
    return fingerprint(f"{region} {sorted(value.items()) if value is not None else 'unstamped'}", size=6)


def link_of_insert(region: str, unique: str) -> str:
    """The link of a stamp that replication inserts in a region. It fits no other: copies do not pass there."""
    return unique + fingerprint(f"{region} {unique}", size=3)


def link_of_mark(image: Image, region: str) -> str:
    """The link of a deletion mark, which replaces this image's stamp. It shows the region too, as an insert's does."""
    return link_of_insert(region, link_to(image, region))


def is_link_made_in(link: str, region: str) -> bool:
    """Whether the link was made by `link_of_insert` or `link_of_mark` in that region."""
    return link == link_of_insert(region, link[:-4])


def parse_entry(text: str) -> tuple[str, Instant]:
    """Read one entry of a context; raises MalformedStamp."""
    region, equals, instant = text.partition("=")
    timestamp, point, sequence = instant.partition(".")
    if not (equals and point):
        raise MalformedStamp(text[:80])
    return _region(region), Instant(_number(timestamp, 16), _number(sequence, 16))


def _number(text: str, base: int) -> int:
    try:
        number = int(text, base)
    except ValueError:
        raise MalformedStamp(text[:80]) from None
    if not 0 <= number < _LIMIT_SEQUENCE:
        raise MalformedStamp(text[:80])
    return number


def _region(text: str) -> str:
    if not _REGION.fullmatch(text):
        raise MalformedStamp(text[:80])
    return text
