"""Settles a clash over a unique column: reads the rows in a change's way, keeps the newest, and records what loses.

Where the value may only have moved from one row to another, it waits for the newer state of either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from distributary.domain.change import Change
from distributary.domain.clash import Rival, losses, may_step_aside, moving, of_one_region, wins
from distributary.domain.conflict import Conflict
from distributary.domain.dataset import Dataset
from distributary.domain.errors import DistributaryError, NotSettled, UniqueClash
from distributary.domain.image import STAMP_ATTRIBUTE, key_text
from distributary.domain.merge import Effect, Merged
from distributary.domain.patience import LONGEST_MOVE
from distributary.domain.place import Place
from distributary.ports import Clashes, Replica
from distributary.services.deciding import settling_inserted
from distributary.services.rounds import run


@dataclass(frozen=True)
class Clashing:
    """Settles the clashes of one change. record: keeps conflicts in the journal; does not fail.

    coming: of changes that are tried beside this one, by key, the newest.
    """

    dataset: Dataset
    clashes: Clashes
    replica: Replica
    record: Callable[[Sequence[Conflict]], None]
    coming: Mapping[str, Change] = field(default_factory=dict)

    def settle(
        self, change: Change, clash: UniqueClash, place: Place, waited: int, *, expecting: bool, again: bool
    ) -> Merged:
        """What becomes of the change if it loses; NotSettled: its way is free now, or may be so in a moment.

        waited: for how long it has been tried, in microseconds. expecting: changes made before it may still come.
        again: a moment of waiting has not helped.
        Raises the clash where the rows in the way cannot be told or do not move on, RetryLater or Misconfigured.
        """
        rivals = self._rivals(change, clash, place, expecting=expecting)
        self._await(change, clash, rivals, waited, expecting=expecting, again=again)
        self.record(losses(change, rivals, place))
        if wins(change, rivals):
            self.clashes.remove(change.table, rivals)
            raise NotSettled("the rows in its way are gone now")
        self.clashes.renounce(change)
        # An older state of its row may be there still.
        settle = settling_inserted(self.dataset, change.table)
        (removed,) = run(self.replica, [(change.key, settle(change.key, place))], self.record)
        if isinstance(removed, DistributaryError):
            raise removed
        return Merged(Effect.KEPT, conflict=True)

    def _await(
        self, change: Change, clash: UniqueClash, rivals: Sequence[Rival], waited: int, *, expecting: bool, again: bool
    ) -> None:
        """Raises NotSettled while the rows may be about to get out of each other's way by themselves."""
        at_hand, aside = moving(rivals, self.coming), may_step_aside(rivals, self.coming)
        if aside and again:  # they have exchanged their values, so each stands in the other's way
            self.clashes.make_way(change, clash, aside)
            raise NotSettled("the rows in its way have made room for a moment")
        plain = self.dataset.policies_of(change.table).plain  # else a row may show what others have written
        if at_hand or (plain and of_one_region(change, rivals)):
            if waited > LONGEST_MOVE:
                raise clash
            raise NotSettled("the value has moved from one row to another, of which a newer state is under way")
        if rivals and expecting:
            raise NotSettled("a newer state of a row in its way may be about to come")

    def _rivals(self, change: Change, clash: UniqueClash, place: Place, *, expecting: bool) -> list[Rival]:
        """The rows in the way, whole, each as it was when it was found there."""
        try:
            found = self.clashes.rivals(change, clash)
        except UniqueClash as untold:
            if not expecting:
                raise
            raise NotSettled("a row in its way, which cannot be told, may be about to move") from untold
        if not found:
            return []
        rows = self.replica.look([key for key, _ in found], whole=True)
        rivals = []
        for key, stamp in found:
            row = rows[key_text(key)].row
            if row is None or row.image.get(STAMP_ATTRIBUTE, {}).get("S") != stamp:
                raise NotSettled("a row in its way was written meanwhile")
            rivals.append((key, row.trusting(place.latest)))
        return rivals
