"""How two states of one row become one: which wins, and whether they were written without sight of each other."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

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
