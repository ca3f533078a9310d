"""Hands changes over to every peer: into its inbox or, where that fails, into the outbox for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from distributary.domain.block import Block, blocks_of
from distributary.domain.change import Change
from distributary.domain.dataset import Dataset
from distributary.domain.errors import DistributaryError, ItemTooLarge, Misconfigured, RetryLater
from distributary.domain.message import pack, pack_blocks
from distributary.ports import Inboxes, Outbox

T = TypeVar("T")


@dataclass
class Shipped:
    """What became of changes: for each peer, how many were shipped, and the error where they are held in the outbox.

    too_large: changes of which no message can be made.
    """

    shipped: Counter[str] = field(default_factory=Counter)
    held: dict[str, DistributaryError] = field(default_factory=dict)
    too_large: list[tuple[Change, ItemTooLarge]] = field(default_factory=list)


@dataclass(frozen=True)
class HandOver:
    """spread: maps a function over the peers, in parallel where the platform has threads."""

    dataset: Dataset
    region: str
    inboxes: Inboxes
    outbox: Outbox
    spread: Callable[[Callable[[str], T], Sequence[str]], Iterable[T]] = map

    def ship(self, changes: Sequence[Change], blocks: Sequence[Block] = ()) -> Shipped:
        """Durable for every peer on return, but for changes that are too large.

        Raises RetryLater or Misconfigured if for one peer even the outbox fails; ItemTooLarge, with nothing sent, if a
        row of a block fits no message.
        """
        told = Shipped()
        if blocks:
            messages = list(pack_blocks(self.dataset, self.region, [*blocks, *blocks_of(changes)]))
        else:
            messages = self._packed(changes, told)
        if not messages:
            return told
        peers = self.dataset.peers(self.region)
        troubles: Iterable[DistributaryError | None] = self.spread(lambda each: self._deliver(each, messages), peers)
        for peer, trouble in zip(peers, troubles, strict=True):
            told.shipped[peer] += len(changes) + sum(map(len, blocks)) - len(told.too_large)
            if trouble is not None:
                told.held[peer] = trouble
        return told

    def _packed(self, changes: Sequence[Change], told: Shipped) -> list[str]:
        try:
            return list(pack(self.dataset, self.region, changes))
        except ItemTooLarge as error:
            if len(changes) == 1:
                told.too_large.append((changes[0], error))
                return []
            middle = len(changes) // 2
            return [*self._packed(changes[:middle], told), *self._packed(changes[middle:], told)]

    def _deliver(self, peer: str, messages: Sequence[str]) -> DistributaryError | None:
        try:
            self.inboxes.send(peer, messages)
        except (RetryLater, Misconfigured) as error:
            self.outbox.hold(peer, messages)
            return error
        return None
