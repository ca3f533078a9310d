"""Conflicts as people read them, in lists and side by side, and as JSON for programs."""

import json
from collections.abc import Iterable
from typing import Any

from rich.console import Group
from rich.table import Column, Table
from rich.text import Text

from cli.moments import shown, written
from distributary.domain.conflict import Resolution
from distributary.domain.image import AttributeValue, Image
from distributary.domain.journal import Entry, Trace
from distributary.domain.stamp import context_text, version_text

STAYS, LOST, BOTH = "bold green", "red", "yellow"
OUTCOMES = {
    Resolution.ARRIVED: "the arriving one stays",
    Resolution.KEPT: "the present one stays",
    Resolution.MERGED: "the row shows both",
    Resolution.PARTLY: "the row shows both, but for attributes of which one value is lost",
}
LISTED = {Resolution.ARRIVED: "present", Resolution.KEPT: "arriving", Resolution.PARTLY: "partly"}


def table_of(entries: Iterable[Entry]) -> Table:
    """A list, one conflict a line."""
    table = Table("resolved (UTC)", "id", "row", "arriving", "present", "lost", box=None, padding=(0, 2, 0, 0))
    for entry in entries:
        table.add_row(*map(Text, _cells(entry)))
    return table


def line_of(entry: Entry) -> str:
    """One conflict as it comes."""
    return "  ".join(_cells(entry))


def _cells(entry: Entry) -> tuple[str, ...]:
    return (
        shown(entry.at),
        entry.id,
        key_of(entry),
        _short(entry.arriving),
        _short(entry.present),
        LISTED.get(entry.resolution, "none"),
    )


def _short(trace: Trace) -> str:
    return f"{trace.version.region}{' deletion' if trace.deleted else ''}"


def key_of(entry: Entry) -> str:
    """The row: its key and, where it is no other than the dataset's, its table."""
    key = ", ".join(f"{name}={plain(value)}" for name, value in entry.key.items())
    return key if entry.table == entry.dataset else f"{entry.table} {key}"


def difference(entry: Entry) -> Group:
    """What a conflict was about: both states side by side, what differs coloured, and which of them stays."""
    facts = Table.grid(padding=(0, 2))
    for name, value in _facts(entry):
        facts.add_row(name, Text(value))
    return Group(facts, "", _side_by_side(entry))


def _facts(entry: Entry) -> list[tuple[str, str]]:
    told = [
        ("id", entry.id),
        ("row", key_of(entry)),
        ("resolved", f"{shown(entry.at)} UTC in {entry.region}"),
        ("policy", entry.policy),
        ("outcome", OUTCOMES[entry.resolution]),
        ("kept until", f"{shown(entry.expires)} UTC"),
    ]
    lost = sorted(entry.arriving.lost | entry.present.lost)
    if lost:
        told.append(("lost", f"one of the two values of {', '.join(lost)}"))
    if entry.redacted:
        told.append(("redacted", f"{', '.join(sorted(entry.redacted))}: equal hashes stand for equal values"))
    return [*told, ("note", entry.note)] if entry.note else told


def _side_by_side(entry: Entry) -> Table:
    sides = (entry.arriving, entry.present)
    styles = [_style(entry, side) for side in sides]
    titles = (_title("arriving", entry.arriving, styles[0]), _title("present", entry.present, styles[1]))
    # A narrow terminal folds values; what is cut off would look alike on both sides.
    table = Table(*[Column(title, overflow="fold") for title in ("", *titles)])
    left, right = (side.image or {} for side in sides)
    whole = all(side.image is not None for side in sides)
    for name in sorted({*left, *right}):
        # Where one of them has no image there is nothing to compare with.
        differs = whole and left.get(name) != right.get(name)
        cells = [
            Text(
                plain(image[name]) if name in image else "",
                LOST if name in side.lost else style if differs else "dim" if whole else style,
            )
            for image, style, side in zip((left, right), styles, sides, strict=True)
        ]
        table.add_row(Text(name, "bold" if differs else ""), *cells)
    for trace in sides:
        if trace.image is None:
            table.caption = "A deletion has no values." if trace.deleted else "Of an image only its digest is kept."
    return table


def _style(entry: Entry, side: Trace) -> str:
    if entry.losing is None:
        return BOTH
    return LOST if entry.losing is side else STAYS


def _title(name: str, trace: Trace, style: str) -> Text:
    verdict = {STAYS: "✓ stays", LOST: "✗ lost", BOTH: "merged"}[style]
    state = "deletion" if trace.deleted else "write"
    told = f"{name}: {state} in {trace.version.region}\n{shown(trace.version.timestamp)}\n{verdict}"
    return Text(told, style)


def plain(value: AttributeValue) -> str:
    """A typed value as text, without characters that would speak to the terminal."""
    return "".join(each if each.isprintable() or each == "\n" else repr(each)[1:-1] for each in _plain(value))


def _plain(value: AttributeValue) -> str:
    ((kind, inner),) = value.items()
    match kind:
        case "S" | "N":
            return str(inner)
        case "NULL":
            return "null"
        case "BOOL":
            return "true" if inner else "false"
        case "B":
            return f"binary {inner}"
    return json.dumps(inner, ensure_ascii=False)


def document(entry: Entry) -> dict[str, Any]:
    """A conflict as JSON, values in DynamoDB's typed form."""
    return {
        "id": entry.id,
        "row": entry.row,
        "dataset": entry.dataset,
        "table": entry.table,
        "key": entry.key,
        "arriving": _side(entry.arriving),
        "present": _side(entry.present),
        "policy": entry.policy,
        "resolution": entry.resolution.value,
        "lost": entry.loses,
        "region": entry.region,
        "at": written(entry.at),
        "expires": written(entry.expires),
        "redacted": sorted(entry.redacted),
        "note": entry.note,
    }


def _side(trace: Trace) -> dict[str, Any]:
    told: dict[str, Any] = {
        "version": version_text(trace.version),
        "region": trace.version.region,
        "context": context_text(trace.context),
        "deleted": trace.deleted,
    }
    image: dict[str, Image] = {} if trace.image is None else {"image": trace.image}
    if trace.lost:
        told["lost"] = sorted(trace.lost)
    return {**told, **image, **({"digest": trace.digest} if trace.digest else {})}
