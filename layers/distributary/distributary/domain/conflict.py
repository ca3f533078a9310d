"""How two states of one row become one: which wins, and whether they were written without sight of each other.

A conflict is two versions of which neither is in the other's context. Each is written into the conflict journal by
every replica that resolves it, before the row is, under a name that a repetition draws again: once, whatever crashes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from distributary.domain.image import Image, fingerprint
from distributary.domain.place import Place
from distributary.domain.policies import Policy
from distributary.domain.version import Context, Version


class Verdict(Enum):
    """What becomes of an arriving state, compared with the one that is there."""

    NEWER = "newer"
    SAME = "same"
    OLDER = "older"


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict, and whether neither writer had seen the other's state (a conflict)."""

    verdict: Verdict
    conflict: bool


def judge(version: Version, context: Context, present: Version | None, present_context: Context) -> Judgement:
    """Last writer wins by version; a conflict is two versions of which neither is in the other's context.

    A write made on top of another has the higher version (see `version.mint`), so causality always wins. None for
    `present`: a state without a version, older than every other.
    """
    if present is None:
        return Judgement(Verdict.NEWER, conflict=False)
    if version == present:
        return Judgement(Verdict.SAME, conflict=False)
    conflict = not context.covers(present) and not present_context.covers(version)
    return Judgement(Verdict.NEWER if version > present else Verdict.OLDER, conflict)


def unaware(version: Version, context: Context, present_context: Context) -> bool:
    """Whether a version and what is there know nothing of each other, where a row may show several writes at once."""
    return not present_context.covers(version) and lost(context, present_context)


def lost(deleting: Context, present_context: Context) -> bool:
    """Whether a deletion takes with it what it has not seen.

    Of a row that was not made on top of the deletion: what its context says does not count then, since an update of a
    row that is marked, or that came back over a deletion of its region, has that in its context too.
    """
    there = (Version(*instant, region) for region, instant in present_context.entries.items())
    return any(not deleting.covers(each) for each in there)


def concurrent(one: Context, other: Context) -> bool:
    """Whether each of two states shows what the other has not seen. Their contexts name all that they show."""
    return lost(one, other) and lost(other, one)


class Resolution(Enum):
    """What a replica has made of two states that know nothing of each other."""

    ARRIVED = "arrived"  # the arriving state has replaced the present one
    KEPT = "kept"  # the present state stays
    MERGED = "merged"  # the row shows both
    PARTLY = "partly"  # the row shows both but for some attributes, of which it shows one


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two states. image: the application's attributes, none for a deletion.

    lost: where the row shows both, the attributes of this one that it does not.
    """

    version: Version
    context: Context
    image: Image | None
    lost: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two states of which neither writer had seen the other's, and what became of them in one replica.

    policy: the row's, as in replication.toml. region: the replica that resolved it. at: microseconds. late: one of the
    two is a deletion, and the arriving one may have met something else before. state: the context of the row among the
    two that may show several writes, of which its version names only the last.
    """

    dataset: str
    table: str
    key: Image
    arriving: Side
    present: Side
    policy: str
    resolution: Resolution
    region: str
    at: int
    late: bool = False
    state: Context | None = None

    @property
    def id(self) -> str:
        """Its name in the journal: of a row, an arriving version and a replica, so that a repetition writes it anew.

        Where the arriving version may have met another state before, the conflict is named by both.
        """
        parts = (self.dataset, self.table, sorted(map(str, self.key.items())), self.arriving.version, self.region)
        more: tuple[object, ...] = (self.present.version,) if self.late else ()
        if self.state is not None:
            more = (*more, sorted(self.state.entries.items()))
        return fingerprint(repr((*parts, *more)), size=15)

    @property
    def losing(self) -> Side | None:
        """The state that is nowhere to be seen any more; none where the row shows both."""
        match self.resolution:
            case Resolution.ARRIVED:
                return self.present
            case Resolution.KEPT:
                return self.arriving
        return None


def conflict_by_version(arriving: Side, present: Side, key: Image, place: Place, *, late: bool = False) -> Conflict:
    """The conflict of two states of which the newer wins."""
    resolution = Resolution.ARRIVED if arriving.version > present.version else Resolution.KEPT
    policy = Policy.LAST_WRITER_WINS.value
    return Conflict(
        place.dataset, place.table, key, arriving, present, policy, resolution, place.region, place.now, late
    )
