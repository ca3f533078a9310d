"""How tombstones are kept: one item each in a table of their own, found by a hash of the key's text.

The entry is compared and replaced as one text, so that a conditional write sees every change of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any

from distributary.adapters.dynamodb.statements import Statement
from distributary.domain.change import TOMBSTONE_AGE
from distributary.domain.errors import MalformedStamp, Misconfigured
from distributary.domain.row import Tombstone, tombstone_from
from distributary.domain.steps import Remember
from distributary.domain.version import MICROSECONDS

ROOM = 400 * 1024 - 82
"""Bytes that an item has for its entry and its row's key: an item may have 400 KB, with names and the hash."""


@dataclass(frozen=True)
class TombstoneTable:
    """The table's items and statements.

    now: the time in microseconds; an entry expires TOMBSTONE_AGE after it was written.
    """

    name: str
    now: Callable[[], int]

    def key(self, row: str) -> dict[str, Any]:
        """Where the tombstone of a row (`key_text`) stands. A hash, for keys may be longer than a key may be."""
        return {"row": {"S": _hash(row)}}

    def statement(self, row: str, note: Remember) -> Statement:
        """The conditional write of a tombstone."""
        entry = {"S": _entry(row, note.tombstone)}
        expires = {"N": str((self.now() + TOMBSTONE_AGE) // MICROSECONDS)}
        if note.expected is None:
            return Statement(self._insert, [{"S": _hash(row)}, {"S": row}, entry, expires])
        return Statement(self._update, [entry, expires, {"S": _hash(row)}, {"S": _entry(row, note.expected)}])

    @cached_property
    def _insert(self) -> str:
        return f"INSERT INTO \"{self.name}\" VALUE {{'row': ?, 'key': ?, 'entry': ?, 'expires': ?}}"

    @cached_property
    def _update(self) -> str:
        return f'UPDATE "{self.name}" SET "entry" = ? SET "expires" = ? WHERE "row" = ? AND "entry" = ?'  # noqa: S608 - our own name


def tombstone_in(item: Mapping[str, Any]) -> tuple[str, Tombstone]:
    """The row (`key_text`) and the tombstone of an item; raises Misconfigured for an item that is not ours."""
    try:
        return item["key"]["S"], tombstone_from(json.loads(item["entry"]["S"]))
    except (KeyError, TypeError, ValueError, MalformedStamp) as error:
        # To take it for none would bring the row back to life.
        raise Misconfigured(f"tombstone {item.get('row')} cannot be read: {error}") from error


def _hash(row: str) -> str:
    return blake2b(row.encode(), digest_size=32).hexdigest()


def _entry(row: str, tombstone: Tombstone) -> str:
    """The one text of a tombstone: what was stored is compared with it.

    ASCII takes six bytes for a letter that is two or three as UTF-8. So an entry that would be refused, since its
    ledger has a large row, is UTF-8; all others stay as they have always been written.
    """
    document = tombstone.document()
    text = json.dumps(document, separators=(",", ":"), sort_keys=True)
    if len(row.encode()) + len(text) <= ROOM:
        return text
    return json.dumps(document, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
