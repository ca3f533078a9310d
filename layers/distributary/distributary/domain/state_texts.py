"""A row's state as an SQL database keeps it and blocks carry it: its document as JSON, none from before policies."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from distributary.domain.errors import MalformedStamp
from distributary.domain.image import STATE_ATTRIBUTE, Image

_text = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode
_GENERATION = re.compile(r'"g": ?"([0-9a-f]+)"')
_ZERO = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def state_text(document: Mapping[str, Any] | None) -> str | None:
    """The text of a document; none for none. `document_in` reads it."""
    return _text(document) if document is not None else None


def document_in(text: str | None) -> dict[str, Any] | None:
    """The document of a text, none for none. Raises MalformedStamp for no object, or no JSON that PostgreSQL takes."""
    if text is None:
        return None
    try:
        document = json.loads(text, parse_constant=_refused)
        if not isinstance(document, dict):
            raise MalformedStamp("a state that is no object")
        if "\\u" in text:
            again = json.dumps(document, ensure_ascii=False)
            again.encode()  # fails for half of a pair of surrogates, which no database takes either
            if _ZERO.search(again):
                raise MalformedStamp("a state with the character zero")
    except (ValueError, RecursionError) as error:
        raise MalformedStamp(f"a state that cannot be read: {text[:80]}") from error
    return document


def told_later(text: str | None, generation: int) -> bool:
    """Whether the text of a document says that it was written under later policies, told without reading the rest.

    Quotes within a value or a name are escaped, so nothing else in a document looks like it.
    """
    found = _GENERATION.search(text) if text is not None else None
    return found is not None and int(found[1], 16) > generation


def as_column(document: Mapping[str, Any] | None) -> Image:
    """The document as the column that keeps it; nothing where there is none, and the column NULL."""
    text = state_text(document)
    return {STATE_ATTRIBUTE: {"S": text}} if text is not None else {}


def document_of_row(image: Image) -> dict[str, Any] | None:
    """The document in a row as it was read; raises MalformedStamp."""
    text = image.get(STATE_ATTRIBUTE, {}).get("S")
    if text is not None and not isinstance(text, str):
        raise MalformedStamp("a state that is no text")
    return document_in(text)


def _refused(constant: str) -> Any:
    raise MalformedStamp(constant)
