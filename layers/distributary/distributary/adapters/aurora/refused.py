"""Rows of the log that cannot be changes, as they are parked and told of."""

from __future__ import annotations

import json
from collections.abc import Mapping

from distributary.adapters.aurora.messages import Value
from distributary.adapters.aurora.names import TableName
from distributary.domain.alert import AlertKind
from distributary.domain.logged import Refused

PAYLOAD_LIMIT = 400_000
"""Characters of a refused row that are parked; of a larger one the beginnings of its columns are."""

CUT = 1_000

SAID = {
    AlertKind.UNSTAMPED: "a row was written with triggers off",
    AlertKind.UNKNOWN_KEY: "a row was written whose table is gone, or whose key is another now",
}


def refused(why: AlertKind, name: TableName, texts: Mapping[str, Value]) -> Refused:
    """A row of a table that is refused. texts: its columns, as the log tells them."""
    row = {column: text if isinstance(text, str) else None for column, text in texts.items()}
    payload = json.dumps({"table": name.text(), "row": row}, ensure_ascii=False)
    if len(payload) > PAYLOAD_LIMIT:
        row = {column: text if text is None else text[:CUT] for column, text in row.items()}
        payload = json.dumps({"table": name.text(), "cut": row}, ensure_ascii=False)[:PAYLOAD_LIMIT]
    return Refused(why, name.text(), payload)
