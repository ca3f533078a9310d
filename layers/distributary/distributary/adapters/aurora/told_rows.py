"""What a message of the change stream tells of a row: its key, its texts, and whether the key is new."""

from __future__ import annotations

from typing import TypeAlias

from distributary.adapters.aurora.messages import Insert, NoText, Relation, ReplicaIdentity, Update, Value

Texts: TypeAlias = dict[str, Value]


def told_key(relation: Relation) -> tuple[str, ...]:
    """The primary key as it was when the row was written; with another replica identity the stream does not tell."""
    if relation.identity is not ReplicaIdentity.DEFAULT:
        return ()
    return tuple(sorted(column.name for column in relation.columns if column.is_key))


def texts_of(message: Insert | Update) -> tuple[Texts, Texts]:
    """The new row, and the old one as far as it is told. What did not change may stand in the old one alone.

    That is so for every large value with REPLICA IDENTITY FULL, and for a large one in the key.
    """
    names = [column.name for column in message.relation.columns]
    new = dict(zip(names, message.new, strict=True))
    if isinstance(message, Insert) or message.old is None:
        return new, {}
    old = dict(zip(names, message.old.values, strict=True))
    for name, text in new.items():
        if text is NoText.UNCHANGED and isinstance(old[name], str):
            new[name] = old[name]
    return new, old


def key_is_new(message: Insert | Update, key: tuple[str, ...], texts: Texts, old: Texts) -> bool:
    """Whether the row may be the first under its key; where the stream does not tell, it may be."""
    if isinstance(message, Insert):
        return True
    if message.old is None:
        return message.relation.identity not in {ReplicaIdentity.DEFAULT, ReplicaIdentity.FULL}
    return any(old[column] != texts[column] for column in key)
