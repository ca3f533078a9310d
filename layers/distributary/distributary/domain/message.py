"""Inbox messages: many changes of one region as text, and back, with everything checked that comes in.

A message is a JSON object {format, dataset, policies, generation, home, changes} or, for an SQL database, {…, home,
blocks}; a generation that is left out is the first. One whose only change is too large as text is deflated (zlib,
base64, after the prefix "deflate:"): typed JSON can be several times the size of the item it shows.
"""

from __future__ import annotations

import json
import re
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from distributary.domain.block import Block, block_from, blocks_of
from distributary.domain.change import Change
from distributary.domain.dataset import Dataset, Engine
from distributary.domain.errors import (
    ItemTooLarge,
    MalformedMessage,
    MalformedStamp,
    PoliciesAhead,
    PoliciesDiffer,
    UnknownDataset,
    UnknownFormat,
)
from distributary.domain.image import OWN_ATTRIBUTES, Image
from distributary.domain.stamp import parse_entry, parse_version, version_text
from distributary.domain.version import Context

FORMAT = 1
LIMIT = 900 * 1024
"""Bytes of one message; the queue takes 1 MiB, and its own attributes count."""

_TAIL = "]}"
_DEFLATED = "deflate:"
_INFLATED_LIMIT = 16 * 1024 * 1024
_SCALARS = {"S": str, "B": str, "BOOL": bool, "NULL": bool}
_text_of = json.JSONEncoder(separators=(",", ":")).encode
_NUMBER = re.compile(r"[+-]?\d{1,128}(\.\d{1,160})?([eE][+-]?\d{1,3})?")


def pack(dataset: Dataset, home: str, changes: Iterable[Change]) -> Iterator[str]:
    """Write changes of one home region as messages, as few as the limit allows; in order, but for blocks."""
    if dataset.engine is Engine.AURORA:
        return pack_blocks(dataset, home, blocks_of(changes))
    return _messages(_head(dataset, home, "changes"), (_text_of(_document(change)) for change in changes))


def pack_blocks(dataset: Dataset, home: str, blocks: Iterable[Block]) -> Iterator[str]:
    """Write blocks of one home region as messages, in parts where they are larger than the limit allows."""
    head = _head(dataset, home, "blocks")
    return _messages(head, (text for block in blocks for text in _parts(block, LIMIT - len(head) - len(_TAIL))))


def _head(dataset: Dataset, home: str, content: str) -> str:
    policies = {"policies": dataset.policies}
    generation = {"generation": dataset.generation} if dataset.generation > 1 else {}
    head = json.dumps({"format": FORMAT, "dataset": dataset.name, **policies, **generation, "home": home})
    return f'{head[:-1]}, "{content}": ['


def _messages(head: str, texts: Iterable[str]) -> Iterator[str]:
    batch: list[str] = []
    size = len(head) + len(_TAIL)
    for text in texts:
        if batch and size + len(text) + 1 > LIMIT:
            yield head + ",".join(batch) + _TAIL
            batch, size = [], len(head) + len(_TAIL)
        batch.append(text)
        size += len(text) + 1
        if size > LIMIT and len(batch) == 1:
            yield _deflate(head + text + _TAIL)
            batch, size = [], len(head) + len(_TAIL)
    if batch:
        yield head + ",".join(batch) + _TAIL


def _parts(block: Block, limit: int) -> Iterator[str]:
    """The block as texts that are under the limit, but for a single change that is not."""
    if not len(block):
        return
    text = _text_of(block.document())
    if len(text) < limit or len(block) == 1:
        yield text
        return
    size = -(-len(block) * limit // (len(text) + limit // 8))  # a little under, rows are not alike
    for start in range(0, len(block), max(1, min(size, len(block) // 2))):
        yield from _parts(block.slice(start, start + max(1, min(size, len(block) // 2))), limit)


def unpack(text: str, dataset: Dataset) -> list[Change]:
    """Read a message, whatever older policies it was made under.

    Raises:
        MalformedMessage, UnknownFormat, UnknownDataset, PoliciesDiffer: park it; each tells what was found.
        PoliciesAhead: this region's policies are older, so the message has to wait.
    """
    if dataset.engine is Engine.AURORA:
        return [change for block in unpack_blocks(text, dataset) for change in block.changes()]
    home, changes = _content(text, dataset, "changes")
    return [_change(each, dataset, home) for each in changes]


def unpack_blocks(text: str, dataset: Dataset) -> list[Block]:
    """Read a message for an SQL database; raises as `unpack` does."""
    home, blocks = _content(text, dataset, "blocks")
    return [block_from(each, dataset.name, home, dataset.regions) for each in blocks]


def _content(text: str, dataset: Dataset, name: str) -> tuple[str, list[Any]]:
    document = _json(_inflate(text) if text.startswith(_DEFLATED) else text)
    if not isinstance(document, dict) or "format" not in document:
        raise MalformedMessage("not an object with a format")
    if document["format"] != FORMAT:
        raise UnknownFormat(f"format {document['format']!r}, this release reads {FORMAT}")
    if document.get("dataset") != dataset.name:
        raise UnknownDataset(f"dataset {document.get('dataset')!r}, this replica holds {dataset.name!r}")
    _check_policies(document.get("policies"), document.get("generation", 1), dataset)
    home, content = document.get("home"), document.get(name)
    if home not in dataset.regions:
        raise MalformedMessage(f"home {home!r} is no replica of the dataset")
    if not isinstance(content, list):
        raise MalformedMessage(f"{name} is not a list")
    return home, content


def _check_policies(policies: Any, generation: Any, dataset: Dataset) -> None:
    if not isinstance(policies, str) or type(generation) is not int or generation < 1:
        raise MalformedMessage(f"made under policies {policies!r} of generation {generation!r}")
    if policies == dataset.policies or generation < dataset.generation:
        return
    found = f"made under policies {policies} of generation {generation}"
    ours = f"this replica has {dataset.policies} of generation {dataset.generation}"
    if generation > dataset.generation:
        raise PoliciesAhead(f"{found}, {ours}")
    raise PoliciesDiffer(f"{found}, {ours}")


def _document(change: Change) -> dict[str, Any]:
    return {
        "table": change.table,
        "key": change.key,
        "image": change.image,
        "version": version_text(change.version),
        "context": {region: f"{at.timestamp:x}.{at.sequence:x}" for region, at in change.context.entries.items()},
        "source": change.source,
        "captured_at": change.captured_at,
        **({"state": change.state} if change.state is not None else {}),
    }


def _change(document: Any, dataset: Dataset, home: str) -> Change:
    try:
        version = parse_version(document["version"])
        context = Context(dict(parse_entry(f"{region}={at}") for region, at in document["context"].items()))
        change = Change(
            dataset=dataset.name,
            table=_text(document["table"]),
            key=_image(document["key"]),
            image=None if document["image"] is None else _image(document["image"]),
            version=version,
            context=context,
            home=home,
            source=_text(document["source"]),
            captured_at=int(document["captured_at"]),
            state=dict(document["state"]) if "state" in document else None,
        )
    except (KeyError, TypeError, AttributeError, ValueError, ArithmeticError, RecursionError) as error:
        raise MalformedMessage(f"a change lacks or garbles {error}") from error
    _check(change, dataset)
    return change


def _check(change: Change, dataset: Dataset) -> None:
    if change.key.keys() != dataset.key.names:
        raise MalformedMessage("the key is not the dataset's")
    if change.image is not None and any(change.image.get(name) != value for name, value in change.key.items()):
        raise MalformedMessage("the image is not the key's")
    if change.image is not None and not OWN_ATTRIBUTES.isdisjoint(change.image):
        raise MalformedMessage("the image carries attributes of replication")
    if change.version.region not in dataset.regions or not change.context.covers(change.version):
        raise MalformedMessage("the version is no replica's, or its context does not cover it")


def _image(document: Any) -> Image:
    for name, value in document.items():
        if not isinstance(name, str) or not _is_value(value):
            raise MalformedStamp("an attribute value")
    checked: Image = document
    return checked


def _is_value(value: Any) -> bool:
    if not isinstance(value, Mapping) or len(value) != 1:
        return False
    ((kind, inner),) = value.items()
    if kind in _SCALARS:
        return isinstance(inner, _SCALARS[kind])
    if kind == "M":
        return isinstance(inner, Mapping) and all(isinstance(n, str) and _is_value(v) for n, v in inner.items())
    if kind == "L":
        return isinstance(inner, list) and all(map(_is_value, inner))
    if kind == "N":
        return _is_number(inner)
    if kind == "NS":
        return isinstance(inner, list) and all(map(_is_number, inner))
    return kind in ("SS", "BS") and isinstance(inner, list) and all(isinstance(each, str) for each in inner)


def _is_number(value: Any) -> bool:
    return isinstance(value, str) and _NUMBER.fullmatch(value) is not None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise MalformedMessage(f"{value!r} is not a text")
    return value


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedMessage("not JSON") from error


def _deflate(text: str) -> str:
    if len(text) > _INFLATED_LIMIT:
        raise ItemTooLarge(f"a change of {len(text)} bytes is more than a reader would inflate")
    deflated = _DEFLATED + b64encode(zlib.compress(text.encode())).decode()
    if len(deflated) > LIMIT:
        raise ItemTooLarge(f"a change of {len(deflated)} bytes fits no message")
    return deflated


def _inflate(text: str) -> str:
    try:
        inflater = zlib.decompressobj()
        inflated = inflater.decompress(b64decode(text[len(_DEFLATED) :], validate=True), _INFLATED_LIMIT)
        if inflater.unconsumed_tail:
            raise MalformedMessage("inflates beyond all bounds")
        return inflated.decode()
    except (ValueError, zlib.error) as error:  # no ASCII, no base64, no UTF-8
        raise MalformedMessage("not deflated as it says") from error
