"""Deliberate mistakes where stamping databases merge by policies, each of which the simulator has to notice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from distributary.adapters.memory import log, stamped_states
from distributary.adapters.memory.stamped_table import StampedTable
from distributary.domain import crdt, unjoined
from distributary.domain import stamped_states as rules
from distributary.domain.change import Change
from distributary.domain.crdt import Counter, Total
from distributary.domain.image import STATE_ATTRIBUTE, Image
from distributary.domain.logged import Logged
from distributary.domain.place import Place
from distributary.domain.row import Row, Tombstone
from distributary.domain.row_state import RowState, StateLattice
from distributary.domain.stamp import Stamp
from distributary.domain.state_documents import Document
from distributary.domain.steps import Decision, Write
from distributary.domain.version import Context, Version
from distributary.services import deciding, joining
from distributary.services.capture_log import CaptureLog
from tests.simulation import logs
from tests.simulation.histories import Kind
from tests.simulation.log_mistakes import without_arrivals
from tests.simulation.mistakes import Mistake
from tests.simulation.setting import Writing

COUNTING = Kind(Writing.TRIGGERS_COUNTING, 10)
MERGING = Kind(Writing.TRIGGERS_MERGING, 10)
LONG = Kind(Writing.TRIGGERS_MERGING, 25)
CHANGING = Kind(Writing.TRIGGERS_CHANGING, 10)
YEAR_AHEAD = Kind(Writing.TRIGGERS_MERGING, 6, year_ahead=True)


# --- joining


def _added_up(mine: Counter, theirs: Counter) -> Counter:
    """Deltas instead of totals: what arrives twice counts twice."""
    totals = dict(mine.totals)
    for region, total in theirs.totals.items():
        known = totals.get(region, Total(0, Decimal(0)))
        totals[region] = Total(max(known.number, total.number), known.amount + total.amount)
    return Counter(max(mine.base, theirs.base), totals)


def _undisputed(join: Callable[..., RowState]) -> Callable[..., RowState]:
    """What other regions may decide otherwise is left at that."""
    return lambda *arguments: replace(join(*arguments), disputes=0)


def _without_state(image: Callable[..., Image]) -> Callable[..., Image]:
    """A peer's row taken without what is known of it."""

    def taken(*arguments: Any) -> Image:
        told = image(*arguments)
        return {name: value for name, value in told.items() if name != STATE_ATTRIBUTE}

    return taken


def _forgetful(join: Callable[..., RowState]) -> Callable[..., RowState]:
    """The context of the one that was there forgotten."""

    def joined(self: StateLattice, one: RowState, other: RowState) -> RowState:
        state = join(self, one, other)
        return state if state in (one, other) else replace(state, context=other.context.including(state.version))

    return joined


def _the_newer_within(version: Version, context: Context, seen: Context) -> bool:
    """One state taken for the whole of both, since it has seen the other's version."""
    del context
    return seen.covers(version)


# --- deletions


def _by_versions(row: Row, tombstone: Tombstone | None) -> bool:
    deletion = tombstone.deletion if tombstone is not None else None
    return row.version is not None and deletion is not None and row.version <= deletion


def _nothing_beneath(self: Any, tombstone: Tombstone | None) -> Tombstone:
    """The deletion that a row was made on top of is not noted with it."""
    del self
    return tombstone or Tombstone()


def _without_looking_back(here: Any) -> Decision[bool]:
    inserted: bool = yield Write(None, here.image)
    return inserted


def _nowhere_else(*_: Any, **__: Any) -> Decision[bool]:
    yield from ()
    return False


# --- triggers and the log


def _born_anew(before: Row | None, new: Image, stamp: Stamp, beneath: Tombstone | None, lattice: StateLattice) -> Image:
    """A trigger that begins the state anew with every write."""
    del before
    return _WRITTEN(None, new, stamp, beneath, lattice)


def _on_top_of_nothing(
    before: Row | None, new: Image, stamp: Stamp, beneath: Tombstone | None, lattice: StateLattice
) -> Image:
    """A trigger that does not say which deletion an insert was made on top of."""
    del beneath
    return _WRITTEN(before, new, stamp, None, lattice)


def _as_overtaken(write: Logged, row: Row) -> Logged | None:
    """An update whose large value was left out taken for overtaken by what it was joined into."""
    del write, row
    return None


def _keeping_the_state(original: Callable[..., bool]) -> Callable[..., bool]:
    """A write of replication that leaves the state's column as it was."""

    def write_if(self: StampedTable, key: Image, write: Write) -> bool:
        known = (self.get(key) or {}).get(STATE_ATTRIBUTE)
        image = write.image
        if image is not None and known is not None:
            image = {**image, STATE_ATTRIBUTE: known}
        return original(self, key, replace(write, image=image))

    return write_if


# --- what a trigger cannot join


def _nothing_kept(document: dict[str, Any], *_: Any) -> dict[str, Any]:
    """A trigger that forgets what a write of the function's column has replaced."""
    return document


def _the_last_one(change: Change, lattice: StateLattice) -> Change:
    """The last value shipped for all that a write has replaced."""
    return replace(change, state=_JOINED(change, lattice).state)


def _not_shown(shipped: Change, place: Place, lattice: StateLattice) -> Decision[None]:
    """The home row left as its application has written it."""
    del shipped, place, lattice
    yield from ()


def _of_our_policies(document: Document, lattice: StateLattice) -> int:
    """What was written under earlier policies shown at home as the same write, which they may have joined otherwise."""
    del document
    return lattice.policies.generation


def _in_any_case(*_: Any) -> None:
    """No look at whose triggers a table has."""


_WRITTEN = stamped_states.written
_JOINED = unjoined.joined

LOG_POLICY_MISTAKES = (
    Mistake("deltas of a counter instead of totals (SQL)", crdt, "_joined_counter", _added_up, COUNTING),
    Mistake("a peer's row taken without its state", rules, "_image", _without_state(rules._image), COUNTING),
    Mistake("the state left as it was", StampedTable, "write_if", _keeping_the_state(StampedTable.write_if), COUNTING),
    Mistake("a context lost in a join", StateLattice, "join", _forgetful(StateLattice.join), COUNTING),
    Mistake("no deletion noted beneath a row", rules._Put, "beneath", _nothing_beneath, MERGING),
    Mistake("a deletion judged by versions", rules, "_outlived", _by_versions, MERGING),
    Mistake(
        "no look back after an insert, neither at once nor when the log tells of it (states)",
        rules,
        "_insert",
        _without_looking_back,
        MERGING,
        beside=Mistake("arrivals passed over", CaptureLog, "_take", without_arrivals(CaptureLog._take)),
    ),
    Mistake("a trigger that begins the state anew", stamped_states, "written", _born_anew, COUNTING),
    Mistake("a trigger that names no deletion beneath", stamped_states, "written", _on_top_of_nothing, MERGING),
    Mistake("a trigger that believes any row", StampedTable, "believes", lambda *_: True, YEAR_AHEAD),
    Mistake("a state taken whole by its version", rules, "_within", _the_newer_within, COUNTING),
    Mistake("no look at the tombstone of inserts (states)", deciding, "settle_inserted_states", _nowhere_else, MERGING),
    Mistake("a joined update taken for overtaken", log, "_merged", _as_overtaken, COUNTING),
    Mistake(
        "no dispute about what earlier policies left", StateLattice, "join", _undisputed(StateLattice.join), CHANGING
    ),
    Mistake("a trigger that keeps nothing to be joined", stamped_states, "_with_replaced", _nothing_kept, COUNTING, 50),
    Mistake("the last value shipped, nothing joined", joining, "joined", _the_last_one, COUNTING, 50),
    Mistake("what was joined not shown at home", (joining, deciding), "show_joined", _not_shown, COUNTING, 50),
    Mistake("decided before the triggers are of the same policies", logs, "check_triggers", _in_any_case, CHANGING),
    Mistake("joined by later policies and no write of ours", unjoined, "_check_generation", _of_our_policies, CHANGING),
)
