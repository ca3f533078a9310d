"""Deliberate mistakes, made in the production code one at a time, each of which the simulator has to notice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from distributary.adapters.memory.replica import MemoryTable
from distributary.domain import memory, merge, origin, settlement
from distributary.domain.change import Change, StreamRecord
from distributary.domain.conflict import Judgement, Verdict
from distributary.domain.delivery import Failure
from distributary.domain.errors import DistributaryError
from distributary.domain.facts import ApplyReport, CaptureReport
from distributary.domain.image import STAMP_ATTRIBUTE, Image
from distributary.domain.place import Place
from distributary.domain.row import Row, State, Tombstone
from distributary.domain.steps import Decision, Write
from distributary.domain.version import NOTHING_SEEN, Context, Version
from distributary.services.apply import Apply
from distributary.services.capture import Capture
from distributary.services.handover import HandOver
from tests.simulation.histories import Kind
from tests.simulation.setting import Writing

SMALL = Kind(Writing.UNMODIFIED, 8)
STAMPS = Kind(Writing.STAMPING, 8)
MIXED = Kind(Writing.MIXED, 10)
LONG = Kind(Writing.MIXED, 25)
YEAR_AHEAD = Kind(Writing.MIXED, 8, year_ahead=True)


@dataclass(frozen=True)
class Mistake:
    """What is done wrong, in which histories it shows, and within how many seeds it has to.

    beside: what else is done wrong, where either of the two makes up for the other.
    """

    name: str
    places: Any
    attribute: str
    instead: Any
    kind: Kind = SMALL
    seeds: int = 1500
    beside: Mistake | None = None

    @contextmanager
    def made(self) -> Iterator[None]:
        """The production code with the mistake in it."""
        with ExitStack() as patches:
            for place in self.places if isinstance(self.places, tuple) else (self.places,):
                patches.enter_context(patch.object(place, self.attribute, self.instead))
            if self.beside is not None:
                patches.enter_context(self.beside.made())
            yield


def _nothing(*_: Any, **__: Any) -> Decision[None]:
    yield from ()


def _without_tie_break(version: Version, _c: Context, present: Version | None, _p: Context) -> Judgement:
    newer = present is None or version.timestamp > present.timestamp
    return Judgement(Verdict.NEWER if newer else Verdict.OLDER, conflict=False)


def _at_most(version: Version, context: Context, present: Version | None, _p: Context) -> Judgement:
    del context
    newer = present is None or present.timestamp <= version.timestamp
    return Judgement(Verdict.NEWER if newer and version != present else Verdict.OLDER, conflict=False)


def _last_delivered_wins(*_: Any) -> Judgement:
    return Judgement(Verdict.NEWER, conflict=False)


def _from_processing_time(original: Callable[..., Any]) -> Callable[..., Any]:
    def local(record: StreamRecord, kind: Any, state: Any, place: Place) -> Any:
        return original(replace(record, created_at=place.now), kind, state, place)

    return local


def _one_too_far(original: Callable[..., CaptureReport]) -> Callable[..., CaptureReport]:
    def run(self: Capture, arrivals: Sequence[Any], remaining: Any) -> CaptureReport:
        report = original(self, arrivals, remaining)
        if report.failure is not None:
            positions = [arrival.position for arrival in arrivals]
            behind = positions[positions.index(report.failure.position) + 1 :]
            report.failure = Failure(behind[0], report.failure.error) if behind else None
        return report

    return run


def _all_done(original: Callable[..., ApplyReport]) -> Callable[..., ApplyReport]:
    def run(self: Apply, *arguments: Any) -> ApplyReport:
        report = original(self, *arguments)
        report.failed.clear()
        return report

    return run


def _without_outbox(self: HandOver, peer: str, messages: Sequence[str]) -> DistributaryError | None:
    try:
        self.inboxes.send(peer, messages)
    except DistributaryError as error:
        return error
    return None


def _echo_by_stamp(old: Row, new: Row, *_: Any) -> bool:
    newer = old.version is None or (new.version is not None and new.version > old.version)
    return new.settled and newer


def _echo_if_it_was_settled(old: Row, new: Row, *_: Any) -> bool:
    return (old.settled or old.marked) and _echo_by_stamp(old, new)


def _without_mark(row: Row, deletion: Version, context: Context, place: Place) -> Decision[bool]:
    del deletion, context, place
    yield Write(row, None)
    return True


def _never_put_back(original: Callable[..., Decision[bool]]) -> Callable[..., Decision[bool]]:
    def show(local: Any, state: State) -> Decision[bool]:
        forgetful = replace(state.tombstone, removing=None) if state.tombstone else None
        return (yield from original(local, replace(state, tombstone=forgetful)))

    return show


def _without_context(original: Callable[..., Any]) -> Callable[..., Any]:
    def taken(change: Any, image: Any, seen: Context, link: str) -> Any:
        del seen
        return original(change, image, NOTHING_SEEN, link)

    return taken


def _without_tombstone(tombstone: Tombstone | None, *_: Any) -> Tombstone:
    return tombstone or Tombstone()


def _unconditionally(self: MemoryTable, key: Any, write: Write) -> bool:
    self.write(key, write.image)
    return True


def _on_the_stamp_alone(current: Image, expected: Image, *, wide: bool) -> bool:
    del wide
    return current.get(STAMP_ATTRIBUTE) == expected.get(STAMP_ATTRIBUTE)


def _clamped(original: Callable[..., Any]) -> Callable[..., Any]:
    def unpacking(self: Apply, *arguments: Any) -> Any:
        latest = self.clock() + self.dataset.max_clock_drift

        def within(change: Change) -> Change:
            version = change.version._replace(timestamp=min(change.version.timestamp, latest))
            return replace(change, version=version, context=change.context.including(version))

        return [replace(task, change=within(task.change)) for task in original(self, *arguments)]

    return unpacking


def _believing(self: Any, _latest: int) -> Any:
    return self


def _mint_from_the_clock(created_at: int, sequence: int, region: str, *, above: Any) -> Version:
    del above
    return Version(created_at, sequence, region)


MISTAKES = (
    Mistake("versions compared without the tie-break", merge, "judge", _without_tie_break),
    Mistake("versions compared by at most the same time", merge, "judge", _at_most),
    Mistake("the last delivery wins", merge, "judge", _last_delivered_wins),
    Mistake("no look at the tombstone after an insert", (merge, settlement), "look_again", _nothing, seeds=6000),
    Mistake("writes without condition", MemoryTable, "write_if", _unconditionally),
    Mistake(
        "deletions on condition of the stamp alone",
        MemoryTable,
        "_holds",
        staticmethod(_on_the_stamp_alone),
        MIXED,
        6000,
    ),
    Mistake("version from the processing time", settlement, "_local", _from_processing_time(settlement._local)),
    Mistake("the checkpoint one too far", Capture, "run", _one_too_far(Capture.run)),
    Mistake("unfinished messages deleted", Apply, "run", _all_done(Apply.run)),
    Mistake("nothing kept for an unreachable peer", HandOver, "_deliver", _without_outbox),
    Mistake("an echo told by its stamp alone", origin, "_echo", _echo_by_stamp),
    Mistake("an echo told by the old row being settled", origin, "_echo", _echo_if_it_was_settled, MIXED, 3000),
    Mistake("deletion without a mark", settlement, "remove", _without_mark, MIXED),
    Mistake("remote deletion without a mark", merge, "remove", _without_mark),
    Mistake("no tombstone for remote deletions", merge, "buried", _without_tombstone),
    Mistake("no tombstone for local deletions", settlement, "buried", _without_tombstone),
    Mistake(
        "a row that we removed is not put back",
        settlement,
        "_show_absent",
        _never_put_back(settlement._show_absent),
        MIXED,
        3000,
    ),
    Mistake("no memory of minted versions", memory, "_entries", lambda *_: [], MIXED, 4000),
    Mistake("versions not above what they replace", memory, "mint", _mint_from_the_clock),
    Mistake("an insert is not on top of the tombstone", memory, "deleted_before", lambda *_: None, LONG),
    Mistake("remote changes overwrite rows that are not settled", merge, "_require_settled", lambda *_: None, STAMPS),
    Mistake("an applied row forgets what it had seen", merge, "_taken", _without_context(merge._taken), LONG),
    Mistake("versions from the future clamped instead of parked", Apply, "_open", _clamped(Apply._open), YEAR_AHEAD),
    Mistake("stamps from the future believed", Row, "trusting", _believing, YEAR_AHEAD),
    Mistake("tombstones from the future believed", Tombstone, "trusting", _believing, YEAR_AHEAD),
)
