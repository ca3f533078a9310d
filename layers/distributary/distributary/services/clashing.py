"""Settles a clash over a unique column: reads the rows in a change's way, keeps the newest, and records what loses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from distributary.domain.change import Change
from distributary.domain.clash import Rival, losses, wins
from distributary.domain.conflict import Conflict
from distributary.domain.dataset import Dataset
from distributary.domain.errors import DistributaryError, NotSettled, UniqueClash
from distributary.domain.image import STAMP_ATTRIBUTE, key_text
from distributary.domain.merge import Effect, Merged
from distributary.domain.place import Place
from distributary.ports import Clashes, Replica
from distributary.services.deciding import settling_inserted
from distributary.services.rounds import run


@dataclass(frozen=True)
class Clashing:
    """Settles the clashes of one change. record: keeps conflicts in the journal; does not fail."""

    dataset: Dataset
    clashes: Clashes
    replica: Replica
    record: Callable[[Sequence[Conflict]], None]

    def settle(self, change: Change, clash: UniqueClash, place: Place) -> Merged:
        """What becomes of the change if it loses; NotSettled: its way is free now, or somebody has written there.

        Raises the clash where the rows in the way cannot be told, RetryLater or Misconfigured.
        """
        rivals = self._rivals(change, clash, place)
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

    def _rivals(self, change: Change, clash: UniqueClash, place: Place) -> list[Rival]:
        """The rows in the way, whole, each as it was when it was found there."""
        found = self.clashes.rivals(change, clash)
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
