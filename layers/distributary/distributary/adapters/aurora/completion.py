"""Reads from the rows of a table what the log leaves out of updates, since it was large and did not change."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from distributary.adapters.aurora import statements
from distributary.adapters.aurora.catalog import Table
from distributary.adapters.aurora.fragments import parameters
from distributary.adapters.aurora.session import Session
from distributary.domain.image import STATE_ATTRIBUTE
from distributary.domain.logged import Logged
from distributary.domain.row import Row
from distributary.domain.stamp import Writer
from distributary.domain.state_texts import document_in, document_of_row


def completed(session: Session, table: Table, some: Sequence[Logged]) -> list[Logged]:
    """Writes of one table that lack the same columns, without those overtaken; what was dropped since is left out.

    Where states are joined, what replication has made of a write stands for it.
    """
    missing = tuple(name for name in some[0].missing if _is_there(table, name))
    answers = session.run(statements.complete(table, missing), *_keys(table, some, [each.stamp for each in some]))
    found = {at: _completed(some[at], json.loads(text)) for at, text in answers}
    left = [each for at, each in enumerate(some) if at not in found]
    if not (table.stateful and left):
        return list(found.values())
    looked = session.run(statements.look_whole(table), *_keys(table, left))
    merged = [_merged(left[at], Row(statements.image_of(table, values))) for at, there, _, *values in looked if there]
    return [*found.values(), *(each for each in merged if each is not None)]


def _keys(table: Table, some: Sequence[Logged], *before: Sequence[str | None]) -> tuple[str, ...]:
    return parameters(*before, *([each.change.key[name].get("S") for each in some] for name in table.key))


def _is_there(table: Table, name: str) -> bool:
    return table.column(name) is not None or (name == STATE_ATTRIBUTE and table.stateful)


def _completed(write: Logged, texts: dict[str, str | None]) -> Logged:
    change = write.change
    if STATE_ATTRIBUTE in texts:
        change = replace(change, state=document_in(texts.pop(STATE_ATTRIBUTE)))
    added = {name: {"S": text} if text is not None else {"NULL": True} for name, text in texts.items()}
    return replace(write, change=replace(change, image={**(change.image or {}), **added}), missing=())


def _merged(write: Logged, row: Row) -> Logged | None:
    """What replication has made of the write by joining it with others; none where it is not in there.

    Nobody else tells of it, since capture passes over what replication has written.
    """
    document, stamp = document_of_row(row.image), row.stamp
    if document is None or stamp is None or stamp.writer is not Writer.REPLICATION:
        return None
    if not stamp.context.covers(write.change.version):
        return None
    change = replace(write.change, image=row.content, version=stamp.version, context=stamp.context, state=document)
    return replace(write, change=change, stamp=stamp.text(), missing=())
