"""The facts that services return: what became of one batch. Their callers log, count and print them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from distributary.domain.alert import Alert
from distributary.domain.delivery import Failure
from distributary.domain.errors import DistributaryError
from distributary.domain.merge import Effect
from distributary.domain.origin import Origin
from distributary.domain.parcel import Parcel


@dataclass
class CaptureReport:
    """The facts of one batch. shipped and held: changes for each peer, in its inbox or in the outbox for it.

    unjournaled: conflicts that the journal or the event bus has missed.
    """

    records: int = 0
    origins: Counter[Origin] = field(default_factory=Counter)
    conflicts: int = 0
    shipped: Counter[str] = field(default_factory=Counter)
    held: dict[str, DistributaryError] = field(default_factory=dict)
    parked: list[Parcel] = field(default_factory=list)
    failure: Failure | None = None
    unjournaled: int = 0


@dataclass
class ApplyReport:
    """The facts of one batch.

    failed: the messages that come again, by id, with the reason. lags: microseconds from the version's time, one for
    each change that was written. not_postponed: messages that come again only after the queue's own timeout.
    unjournaled: conflicts that the journal or the event bus has missed. waited: microseconds since the one that has
    been tried for longest of those that come again was tried first.
    """

    messages: int = 0
    effects: Counter[Effect] = field(default_factory=Counter)
    conflicts: Counter[str] = field(default_factory=Counter)
    homes: Counter[str] = field(default_factory=Counter)
    lags: list[int] = field(default_factory=list)
    parked: list[Parcel] = field(default_factory=list)
    failed: dict[str, DistributaryError] = field(default_factory=dict)
    not_postponed: int = 0
    unjournaled: int = 0
    waited: int = 0


@dataclass
class LogReport:
    """The facts of one period of following a log.

    writes: of applications, those overtaken or replaced by a later one in the same portion (`overtaken`) included.
    busy: another call holds the log. retained: bytes of log that the database kept for us. failure: what ended the
    period early. unannounced: alerts that automation was not told of. conflicts: those that were resolved here.
    unjournaled: those that the journal or the event bus has missed.
    """

    writes: int = 0
    echoes: int = 0
    overtaken: int = 0
    shipped: Counter[str] = field(default_factory=Counter)
    held: dict[str, DistributaryError] = field(default_factory=dict)
    parked: list[Parcel] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    unannounced: int = 0
    retained: int = 0
    busy: bool = False
    failure: DistributaryError | None = None
    conflicts: int = 0
    unjournaled: int = 0


@dataclass
class ForwardReport:
    """The facts of one batch. sent: messages for each region. failed, waited: see `ApplyReport`."""

    messages: int = 0
    sent: Counter[str] = field(default_factory=Counter)
    parked: list[Parcel] = field(default_factory=list)
    failed: dict[str, DistributaryError] = field(default_factory=dict)
    not_postponed: int = 0
    waited: int = 0


@dataclass
class RedriveReport:
    """The facts of one redrive: parcels that were sent again and those left, by reason."""

    sent: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
