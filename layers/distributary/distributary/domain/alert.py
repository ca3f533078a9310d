"""Alerts: what replication has seen and will not guess at, for a person or an automation to act on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class AlertKind(Enum):
    """What was seen."""

    TRUNCATED = "truncated"
    """A table was truncated: nothing tells which rows, or which versions, so the other regions keep theirs."""
    SCHEMA_CHANGED = "schema_changed"
    """A table has other columns than when it was taken in: DDL is not replicated."""
    UNSTAMPED = "unstamped"
    """A row was written while its table's triggers were off; it is parked and in no other region."""
    UNKNOWN_KEY = "unknown_key"
    """A row was written whose table is gone since, or has another key now; it is parked and in no other region."""
    NOT_SHIPPED = "not_shipped"
    """A row is larger than a message, or cannot be read whole; it is parked and in no other region."""
    TRIGGERS_OFF = "triggers_off"
    """A table's stamping triggers are missing or switched off: what is written to it now is not replicated."""
    SLOT_LOST = "slot_lost"
    """Changes are missing: the replication slot is gone, invalid, or was consumed by somebody else."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing seen. subject: the table or slot, never a key or value of a row."""

    kind: AlertKind
    subject: str
    detail: str
