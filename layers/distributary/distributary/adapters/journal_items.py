"""How a conflict stands in the journal's table: the item and its indexes, for who writes it and who reads it.

    id                  the table's key: the conflict's name, so that a repetition replaces what was written
    period, at          index `by_time`: dataset, day of `at` (UTC) and one of PARTS; microseconds
    row, at             index `by_row`: name of the row

The indexes carry all but the images. A day has several parts, since one partition takes 1,000 writes a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zlib import crc32

from distributary.adapters.dynamodb.values import item_for_sdk
from distributary.domain.image import digest_of
from distributary.domain.journal import DAY, Entry, Trace
from distributary.domain.stamp import context_text, version_text
from distributary.domain.version import MICROSECONDS

BY_TIME, BY_ROW = "by_time", "by_row"
PARTS = 4

LISTED = (
    "dataset", "table", "key", "policy", "resolution", "region", "expires", "redacted", "note",
    "arriving_version", "arriving_region", "arriving_context", "arriving_deleted",
    "present_version", "present_region", "present_context", "present_deleted",
)  # fmt: skip
"""What the indexes carry beside keys: all but images and digests."""

ITEM_LIMIT = 400 * 1024 - 2048
"""Bytes of an item, with room for what is reckoned here a little differently than by DynamoDB."""


def item_of(entry: Entry) -> dict[str, Any]:
    """The item, as the SDK takes it; raises ValueError, TypeError or AttributeError for what are no typed values."""
    item: dict[str, Any] = {
        "id": {"S": entry.id},
        "period": {"S": period_of(entry.dataset, entry.at, crc32(entry.id.encode()) % PARTS)},
        "at": {"N": str(entry.at)},
        "row": {"S": entry.row},
        "dataset": {"S": entry.dataset},
        "table": {"S": entry.table},
        "key": {"M": item_for_sdk(entry.key)},
        "policy": {"S": entry.policy},
        "resolution": {"S": entry.resolution.value},
        "region": {"S": entry.region},
        "expires": {"N": str(entry.expires // MICROSECONDS)},
        **_side("arriving", entry.arriving),
        **_side("present", entry.present),
    }
    if entry.redacted:
        item["redacted"] = {"SS": sorted(entry.redacted)}
    if entry.note:
        item["note"] = {"S": entry.note}
    return item


def _side(name: str, trace: Trace) -> dict[str, Any]:
    told: dict[str, Any] = {
        f"{name}_version": {"S": version_text(trace.version)},
        f"{name}_region": {"S": trace.version.region},
        f"{name}_context": {"S": context_text(trace.context)},
        f"{name}_deleted": {"BOOL": trace.deleted},
    }
    if trace.image is not None:
        told[f"{name}_image"] = {"M": item_for_sdk(trace.image)}
    if trace.digest:
        told[f"{name}_digest"] = {"S": trace.digest}
    if trace.lost:
        told[f"{name}_lost"] = {"SS": sorted(trace.lost)}
    return told


def period_of(dataset: str, at: int, part: int) -> str:
    """A partition of `by_time`."""
    return f"{dataset}#{datetime.fromtimestamp(at // MICROSECONDS, UTC):%Y-%m-%d}#{part}"


def periods(dataset: str, since: int, until: int) -> Iterable[list[str]]:
    """The partitions that hold a stretch of time, those of one day together, the newest day first."""
    for day in range((until - 1) // DAY, since // DAY - 1, -1):
        yield [period_of(dataset, day * DAY, part) for part in range(PARTS)]


def fitting_item(entry: Entry) -> dict[str, Any]:
    """The item with as many images as it has room for, the losing one first; raises as `item_of` does."""
    item = item_of(entry)
    if size_of(item) <= ITEM_LIMIT:
        return item
    item = item_of(shortened(entry, keep_losing=True))
    return item if size_of(item) <= ITEM_LIMIT else item_of(shortened(entry))


def shortened(entry: Entry, *, keep_losing: bool = False) -> Entry:
    """The entry with digests in place of its images. keep_losing: but for that of the state that has lost."""
    partly = entry.arriving if entry.arriving.lost else entry.present if entry.present.lost else None
    kept = (entry.losing or partly) if keep_losing else None
    lacks = f"the image of the {'present' if kept is entry.arriving else 'arriving'} state is" if kept else "images are"
    return replace(
        entry,
        arriving=entry.arriving if entry.arriving is kept else _digested(entry.arriving),
        present=entry.present if entry.present is kept else _digested(entry.present),
        note=f"{lacks} too large to be kept: digest only",
    )


def _digested(trace: Trace) -> Trace:
    return trace if trace.image is None else replace(trace, image=None, digest=digest_of(trace.image))


def size_of(item: Mapping[str, Any]) -> int:
    """Bytes of an item (of the SDK), as DynamoDB counts them, or a few more."""
    return sum(len(name.encode()) + _size(value) for name, value in item.items())


def _size(value: Mapping[str, Any]) -> int:
    ((kind, inner),) = value.items()
    match kind:
        case "S":
            return len(inner.encode())
        case "N":
            return len(inner) // 2 + 2
        case "B":
            return len(inner)
        case "M":
            return 3 + len(inner) + size_of(inner)
        case "L":
            return 3 + len(inner) + sum(map(_size, inner))
        case "SS" | "NS" | "BS":
            return 3 + sum(1 + _size({kind[0]: each}) for each in inner)
    return 1
