"""A file of settings under reading: each value is checked, and a mistake is refused with file, key and remedy."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

from distributary.domain.errors import InvalidSettings

FILE = "replication.toml"
"""The build puts it on the import path, in a layer of its own."""

E = TypeVar("E", bound=Enum)


class SettingsFile:
    """Where a value stands, for error messages that name file, key and remedy."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def refuse(self, key: str, wrong: str, remedy: str) -> InvalidSettings:
        """The error for a key of the file; raise it."""
        return InvalidSettings(f"{self.path}: {key}: {wrong}; {remedy}")

    def table(self, value: Any, key: str, allowed: frozenset[str] | None = None) -> Mapping[str, Any]:
        """A table, of the allowed keys only where they are told; raises InvalidSettings."""
        if not isinstance(value, dict):
            raise self.refuse(key, "is not a table", f"write [{key}] with its keys below")
        unknown = sorted(value.keys() - allowed) if allowed is not None else []
        if allowed is not None and unknown:
            raise self.refuse(f"{key}.{unknown[0]}", "is unknown", f"use one of {', '.join(sorted(allowed))}")
        return value

    def choice(self, kind: type[E], value: Any, key: str) -> E:
        """The member of that value; raises InvalidSettings."""
        names = [str(member.value) for member in kind]
        if value not in names:
            raise self.refuse(key, f"{value!r} is unknown", f"use one of {', '.join(names)}")
        return kind(value)

    def text(self, value: Any, key: str) -> str:
        """A name of 1 to 255 characters; raises InvalidSettings."""
        if not isinstance(value, str) or not 0 < len(value) < 256:
            raise self.refuse(key, f"{value!r} is no name", "write a text of 1 to 255 characters")
        return value

    def whole(self, value: Any, key: str, most: int | None = None) -> int:
        """A whole number from 1 to `most`; raises InvalidSettings."""
        if isinstance(value, bool) or not isinstance(value, int) or value < 1 or (most is not None and value > most):
            bounds = "1 or more" if most is None else f"1 to {most}"
            raise self.refuse(key, f"{value!r} is out of bounds", f"write a whole number, {bounds}")
        return value
