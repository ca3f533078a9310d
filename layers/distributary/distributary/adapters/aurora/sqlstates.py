"""Maps PostgreSQL's error codes (SQLSTATE) to ours: the one table, by code and by class.

Codes: https://www.postgresql.org/docs/current/errcodes-appendix.html. What is not named is a refusal of what the
statement says if its class is one of data or schema, and is retried otherwise: nothing is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from distributary.domain.errors import (
    AccessDenied,
    Contended,
    DistributaryError,
    InvalidSettings,
    ItemTooLarge,
    MissingResource,
    NotInstalled,
    ParentMissing,
    RejectedByDatabase,
    RetryLater,
    SchemaDiffers,
    Throttled,
    Unavailable,
    UniqueClash,
)

BY_STATE: Mapping[str, type[DistributaryError]] = MappingProxyType(
    {
        # A node that is not the writer (any more), or not ready: after a failover, for a while.
        "25006": Unavailable,
        "55000": Unavailable,
        "57P01": Unavailable, "57P02": Unavailable, "57P03": Unavailable, "57P05": Unavailable,
        "57P04": MissingResource,
        "57014": Throttled,  # a statement over its time
        "55P03": Contended, "40001": Contended, "40P01": Contended,  # a lock that was not to be had in time, a deadlock
        "55006": Unavailable,  # the slot is in the hands of another session
        "53200": Unavailable, "53300": Throttled, "53400": InvalidSettings,
        # What a change says.
        "23503": ParentMissing,
        "23505": UniqueClash, "23P01": UniqueClash,
        "42703": SchemaDiffers, "42P01": SchemaDiffers, "42704": SchemaDiffers, "42883": SchemaDiffers,
        "54000": ItemTooLarge, "54001": ItemTooLarge, "54011": ItemTooLarge,
        "42501": AccessDenied,
        "3F000": NotInstalled,
    }
)  # fmt: skip

BY_CLASS: Mapping[str, type[DistributaryError]] = MappingProxyType(
    {
        "03": RetryLater, "08": Unavailable, "0A": RejectedByDatabase, "0B": Unavailable, "25": RetryLater,
        "26": RetryLater, "34": RetryLater, "3B": RetryLater, "40": RetryLater, "53": Throttled, "55": RetryLater,
        "57": Unavailable, "58": Unavailable, "XX": RetryLater,
        "28": AccessDenied, "0L": AccessDenied, "0P": AccessDenied,
        "3D": MissingResource, "F0": InvalidSettings,
        "54": ItemTooLarge,
        # Data, constraints, and code of the database's own that the row has set off.
        "02": RejectedByDatabase, "09": RejectedByDatabase, "0F": RejectedByDatabase, "0Z": RejectedByDatabase,
        "20": RejectedByDatabase, "21": RejectedByDatabase, "22": RejectedByDatabase, "23": RejectedByDatabase,
        "24": RejectedByDatabase, "27": RejectedByDatabase, "2B": RejectedByDatabase, "2D": RejectedByDatabase,
        "2F": RejectedByDatabase, "38": RejectedByDatabase, "39": RejectedByDatabase, "3F": NotInstalled,
        "42": RejectedByDatabase, "44": RejectedByDatabase, "72": RetryLater, "HV": RejectedByDatabase,
        "P0": RejectedByDatabase, "10": RejectedByDatabase,
    }
)  # fmt: skip


_QUOTED = re.compile('".*"', re.DOTALL)


def error_of(state: str | None, message: str, *, constraint: str = "") -> DistributaryError:
    """Our error for a code; none: the connection broke before the server could say one.

    message: without details. A value of a row that it repeats, as where data do not fit, is left out.
    """
    if state is None:
        return Unavailable(message)
    if state.startswith("22") or state == "42601":  # invalid input syntax for type integer: "…"; of a tsquery 42601
        message = message.partition(': "')[0]
    if state.startswith("22"):  # value "…" is out of range for type integer
        message = _QUOTED.sub('"…"', message)
    text = f"{state}: {message}"
    kind = BY_STATE.get(state) or BY_CLASS.get(state[:2], RetryLater)
    return UniqueClash(text, constraint) if kind is UniqueClash else kind(text)
