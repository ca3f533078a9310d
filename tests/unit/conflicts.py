"""Conflicts as replicas resolve them, for tests of what becomes of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from distributary.domain.conflict import Conflict, Resolution, Side
from distributary.domain.dataset import Dataset, Engine, ReplicaSite
from distributary.domain.image import Image
from distributary.domain.journal import REDACTS_NOTHING, Redaction, entry_of
from distributary.domain.version import MICROSECONDS, Context, Instant, Version

HERE, THERE, FAR = "us-east-1", "eu-west-1", "ap-southeast-2"
NOW = 1_795_600_000 * MICROSECONDS
HOUR = 3600 * MICROSECONDS
REDACTING = Redaction(frozenset({"card", "born"}), b"secret")

ARRIVING: Image = {
    "pk": {"S": "order-1"},
    "card": {"S": "4929-1234"},
    "total": {"N": "12.5"},
    "photo": {"B": "AAEC/w=="},
    "tags": {"SS": ["a", "水"]},
    "lines": {"L": [{"M": {"sku": {"S": "x"}, "raw": {"B": "/w=="}}}, {"NULL": True}]},
}
PRESENT: Image = {"pk": {"S": "order-1"}, "card": {"S": "4929-1234"}, "total": {"N": "7"}, "open": {"BOOL": True}}


def dataset(redaction: Redaction = REDACTS_NOTHING) -> Dataset:
    """The dataset of all conflicts here."""
    sites = tuple(map(ReplicaSite, (HERE, THERE, FAR)))
    return Dataset("orders", Engine.DYNAMODB, sites, redact=redaction.attributes, journal_days=30)


def conflict(pk: str = "order-1", sequence: int = 1, *, at: int = NOW, **changes: Any) -> Conflict:
    """Two writes of a row that know nothing of each other. sequence: of the arriving one, so that its id differs."""
    arriving = Version(NOW - HOUR, sequence, THERE)
    present = Version(NOW - 2 * HOUR, 7, HERE)
    made = Conflict(
        dataset="orders",
        table="orders",
        key={"pk": {"S": pk}},
        arriving=Side(arriving, Context({THERE: arriving.instant}), {**ARRIVING, "pk": {"S": pk}}),
        present=Side(present, Context({HERE: present.instant, FAR: Instant(5, 6)}), {**PRESENT, "pk": {"S": pk}}),
        policy="last_writer_wins",
        resolution=Resolution.ARRIVED,
        region=HERE,
        at=at,
    )
    return replace(made, **changes)


def id_of(made: Conflict, redaction: Redaction = REDACTS_NOTHING) -> str:
    """What a conflict is called in the journal."""
    return entry_of(made, redaction, 1).id
