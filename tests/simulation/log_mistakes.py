"""Deliberate mistakes on the way of a database that stamps every write, each of which the simulator has to notice."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import replace
from typing import Any

from distributary.adapters.memory.log import MemoryLog
from distributary.adapters.memory.stamped_table import StampedTable, Transaction
from distributary.domain import stamped_merge
from distributary.domain.change import Change
from distributary.domain.errors import NotSettled
from distributary.domain.image import Image
from distributary.domain.logged import Logged, Portion
from distributary.domain.merge import Effect, Merged
from distributary.domain.place import Place
from distributary.domain.row import Row, State, Tombstone
from distributary.domain.stamp import Stamp, Writer, stamp_of, stamped
from distributary.domain.steps import Decision, Look, Remember, Write
from distributary.domain.version import NOTHING_SEEN, Context, Version
from distributary.services import capture_log
from distributary.services.capture_log import CaptureLog
from tests.simulation.histories import Kind
from tests.simulation.mistakes import Mistake
from tests.simulation.setting import Writing

LOGS = Kind(Writing.TRIGGERS, 10)
LONG = Kind(Writing.TRIGGERS, 25)
YEAR_AHEAD = Kind(Writing.TRIGGERS, 8, year_ahead=True)


def _none(*_: Any) -> None:
    return None


# --- merging


def _whatever_is_there(original: Callable[..., bool]) -> Callable[..., bool]:
    def write_if(self: StampedTable, key: Image, write: Write) -> bool:
        self.wait(key)
        image = self.get(key)
        return original(self, key, replace(write, expected=Row(image) if image is not None else None))

    return write_if


def _without_looking_back(change: Change, image: Image, tombstone: Tombstone | None, place: Place) -> Decision[Any]:
    del place
    seen = tombstone.context if tombstone is not None else NOTHING_SEEN
    inserted: bool = yield Write(None, stamped_merge._taken(change, image, seen))
    return Merged(Effect.INSERTED) if inserted else None


def _without_tombstone(tombstone: Tombstone | None, change: Change) -> Tombstone:
    del change
    return tombstone or Tombstone()


def _row_before_tombstone(change: Change, place: Place) -> Decision[Any]:
    """Look, remove the row, then write the tombstone: an insert in between sees neither."""
    state: State = (yield Look()).trusting(place.latest)
    row, noted = state.row, stamped_merge._buried(state.tombstone, change)
    if row is not None and row.version is not None and noted.covers(row.version) and not (yield Write(row, None)):
        raise NotSettled("again")
    if noted != state.tombstone and not (yield Remember(state.stored, noted)):
        raise NotSettled("again")
    return Merged(Effect.DELETED)


def _forgetful(original: Callable[..., Image]) -> Callable[..., Image]:
    return lambda change, image, _: original(change, image, NOTHING_SEEN)


def _as_local(original: Callable[..., Image]) -> Callable[..., Image]:
    """Stamped as if an application here had written it, so that it is told as a local write: an echo that travels."""

    def taken(change: Change, image: Image, seen: Context) -> Image:
        told = original(change, image, seen)
        stamp = stamp_of(told)
        return stamped(image, replace(stamp, writer=Writer.APPLICATION)) if stamp is not None else told

    return taken


# --- triggers


def _by_the_clock(
    self: StampedTable, clock: int, old: Stamp | None, tombstone: Tombstone | None, number: int = 0
) -> Stamp:
    seen = (old.context if old is not None else NOTHING_SEEN).merge(tombstone.context if tombstone else NOTHING_SEEN)
    version = Version(clock, number, self.region)
    return Stamp(version, seen.including(version), Writer.APPLICATION)


def _without_context(original: Callable[..., Stamp]) -> Callable[..., Stamp]:
    def stamp_over(*arguments: Any) -> Stamp:
        stamp = original(*arguments)
        return replace(stamp, context=NOTHING_SEEN.including(stamp.version))

    return stamp_over


def _believing(original: Callable[..., Stamp]) -> Callable[..., Stamp]:
    def stamp_over(self: StampedTable, clock: int, *arguments: Any) -> Stamp:
        return original(replace(self, max_clock_drift=1 << 60), clock, *arguments)

    return stamp_over


# --- capture


def _told_first(original: Callable[..., Iterable[Portion]]) -> Callable[..., Generator[Portion, None, None]]:
    def portions(self: MemoryLog, limit: int) -> Generator[Portion, None, None]:
        for portion in original(self, limit):
            if portion.end is not None:
                self.slot.note(portion.end, "")
                self.slot.position = max(self.slot.position, portion.end)
            yield portion

    return portions


def _a_place_too_far(original: Callable[..., None]) -> Callable[..., None]:
    def advance(self: MemoryLog, end: int | None, within: str = "") -> None:
        transaction, _, place = within.partition(" ")
        original(self, end, f"{transaction} {int(place) + 1}" if within else "")

    return advance


def _to_the_end(original: Callable[..., None]) -> Callable[..., None]:
    def advance(self: MemoryLog, end: int | None, within: str = "") -> None:
        if end is None and not within:
            self.pause("note")
            end = len(self.slot.committed)
        original(self, end, within)

    return advance


def _of_any_transaction(original: Callable[..., Iterable[Portion]]) -> Callable[..., Generator[Portion, None, None]]:
    def portions(self: MemoryLog, limit: int) -> Generator[Portion, None, None]:
        _, _, place = self._within.partition(" ")
        self._within = f"{self.slot.position} {place}" if place else ""
        yield from original(self, limit)

    return portions


def _as_null(original: Callable[..., None]) -> Callable[..., None]:
    def take(self: CaptureLog, portion: Portion, *arguments: Any) -> None:
        original(self, replace(portion, writes=tuple(map(nulled, portion.writes))), *arguments)

    def nulled(each: Logged) -> Logged:
        image: Any = {**(each.change.image or {}), **{name: {"NULL": True} for name in each.missing}}
        return replace(each, change=replace(each.change, image=image), missing=()) if each.missing else each

    return take


def _without_them(original: Callable[..., None]) -> Callable[..., None]:
    def take(self: CaptureLog, portion: Portion, *arguments: Any) -> None:
        writes = tuple(replace(each, missing=()) for each in portion.writes)
        original(self, replace(portion, writes=writes), *arguments)

    return take


def without_arrivals(original: Callable[..., None]) -> Callable[..., None]:
    return lambda self, portion, *arguments: original(self, replace(portion, arrived=()), *arguments)


def _of_any_state(original: Callable[..., Sequence[Logged]]) -> Callable[..., Sequence[Logged]]:
    def complete(self: MemoryLog, writes: Sequence[Logged]) -> Sequence[Logged]:
        rows = self.slot.rows
        now = [stamp_of(rows[each.change.row]) if each.change.row in rows else None for each in writes]
        return original(
            self, [replace(w, stamp=s.text() if s is not None else "") for w, s in zip(writes, now, strict=True)]
        )

    return complete


def _first_states(writes: Iterable[Logged]) -> list[Logged]:
    return list({(each.change.table, each.change.row): each for each in reversed(list(writes))}.values())


LOG_MISTAKES = (
    Mistake(
        "rows replaced whatever they are by now",
        StampedTable,
        "write_if",
        _whatever_is_there(StampedTable.write_if),
        LOGS,
    ),
    Mistake(
        "no look back after an insert of ours, neither at once nor when the log tells of it",
        stamped_merge,
        "_insert",
        _without_looking_back,
        LOGS,
        beside=Mistake("arrivals passed over", CaptureLog, "_take", without_arrivals(CaptureLog._take)),
    ),
    Mistake("no look at a tombstone after an insert at home", CaptureLog, "_bury", _none, LOGS),
    Mistake("no tombstone for deletions of peers", stamped_merge, "_buried", _without_tombstone, LOGS),
    Mistake("the row removed before its tombstone is written", stamped_merge, "_delete", _row_before_tombstone, LOGS),
    Mistake("a replaced row's context forgotten", stamped_merge, "_taken", _forgetful(stamped_merge._taken), LOGS),
    Mistake("applied writes shipped as local ones", stamped_merge, "_taken", _as_local(stamped_merge._taken), LOGS),
    Mistake("a trigger that does not look at the tombstone", Transaction, "_beneath", _none, LOGS),
    Mistake("a trigger that does not write the tombstone", Transaction, "_bury", _none, LOGS),
    Mistake("a trigger that stamps by the clock alone", StampedTable, "stamp_over", _by_the_clock, LOGS),
    Mistake(
        "a trigger that forgets the context",
        StampedTable,
        "stamp_over",
        _without_context(StampedTable.stamp_over),
        LOGS,
    ),
    Mistake(
        "a trigger that believes any clock", StampedTable, "stamp_over", _believing(StampedTable.stamp_over), YEAR_AHEAD
    ),
    Mistake("a merge that believes any clock", State, "trusting", lambda self, _: self, YEAR_AHEAD),
    Mistake("the log told before the hand-over", MemoryLog, "_portions", _told_first(MemoryLog._portions), LOGS),
    Mistake(
        "the place within a transaction one too far", MemoryLog, "advance", _a_place_too_far(MemoryLog.advance), LOGS
    ),
    Mistake(
        "the place taken for one of any transaction",
        MemoryLog,
        "_portions",
        _of_any_transaction(MemoryLog._portions),
        LONG,
    ),
    Mistake("an idle log let go up to its end", MemoryLog, "advance", _to_the_end(MemoryLog.advance), LOGS),
    Mistake("a large value that is not told taken as NULL", CaptureLog, "_take", _as_null(CaptureLog._take), LOGS),
    Mistake("an update shipped without its large values", CaptureLog, "_take", _without_them(CaptureLog._take), LOGS),
    Mistake(
        "large values taken from any state of the row", MemoryLog, "complete", _of_any_state(MemoryLog.complete), LOGS
    ),
    Mistake("the first state of a reading travels", capture_log, "last_states", _first_states, LOGS),
)
