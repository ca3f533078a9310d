"""Reads the parts of one message of a change stream, front to back; what is not there is a MalformedStream."""

from __future__ import annotations

from struct import Struct

from distributary.adapters.aurora.messages import NoText, Value, Values
from distributary.domain.errors import MalformedStream

_UINT16 = Struct(">H")
_INT32 = Struct(">i")
_UINT32 = Struct(">I")
_INT64 = Struct(">q")
_UINT64 = Struct(">Q")

_NULL, _UNCHANGED, _TEXT, _BINARY = b"nutb"
_MICROSECONDS_1970_TO_2000 = 946_684_800_000_000
_CATALOG = "pg_catalog"


class Wire:
    """One message and how far it has been read. Numbers are big-endian; names and values are UTF-8."""

    __slots__ = ("_at", "_data", "kind")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self.kind = "message"
        """How errors call it."""

    def refused(self, reason: str) -> MalformedStream:
        """The error to raise, with the place where the reading stopped."""
        return MalformedStream(f"{self.kind}, byte {self._at} of {len(self._data)}: {reason}")

    def byte(self) -> int:
        """The next byte."""
        at = self._at
        if at == len(self._data):
            raise self.refused("1 byte expected, none left")
        self._at = at + 1
        return self._data[at]

    def flag(self) -> bool:
        """A byte that is 0 or 1."""
        byte = self.byte()
        if byte > 1:
            raise self.refused(f"{byte} where 0 or 1 was expected")
        return byte == 1

    def no_flags(self) -> None:
        """A byte of flags of which none is defined."""
        byte = self.byte()
        if byte:
            raise self.refused(f"unknown flags {byte:#x}")

    def count(self) -> int:
        """A number of columns."""
        return self._number(_UINT16)

    def int32(self) -> int:
        """A number that may be negative."""
        return self._number(_INT32)

    def uint32(self) -> int:
        """An object's or transaction's id."""
        return self._number(_UINT32)

    def lsn(self) -> int:
        """A position in the log."""
        return self._number(_UINT64)

    def time(self) -> int:
        """Microseconds since 1970; the stream counts from 2000."""
        return self._number(_INT64) + _MICROSECONDS_1970_TO_2000

    def content(self) -> bytes:
        """Bytes after their number."""
        length = self._number(_INT32)
        start, end = self._at, self._at + length
        if length < 0 or end > len(self._data):
            raise self.refused(f"{length} bytes expected, {len(self._data) - start} left")
        self._at = end
        return self._data[start:end]

    def name(self) -> str:
        """A text that ends with a zero byte."""
        end = self._data.find(0, self._at)
        if end < 0:
            raise self.refused("a name without its end")
        name = self._decoded(self._data[self._at : end])
        self._at = end + 1
        return name

    def namespace(self) -> str:
        """The name of a schema; an empty one is the catalogue's."""
        return self.name() or _CATALOG

    def values(self, expected: int) -> Values:
        """A row, which has as many columns as its relation."""
        count = self.count()
        if count != expected:
            raise self.refused(f"a row of {count} columns, its relation has {expected}")
        found: list[Value] = []
        data, end, length_at = self._data, len(self._data), _INT32.unpack_from
        for _ in range(count):
            at = self._at
            if at + 5 <= end and data[at] == _TEXT:  # as `_value` would, in a third of its time
                start = at + 5
                stop = start + length_at(data, at + 1)[0]
                if start <= stop <= end:
                    self._at = stop
                    found.append(self._decoded(data[start:stop]))
                    continue
            found.append(self._value())
        return tuple(found)

    def end(self) -> None:
        """Nothing is left."""
        left = len(self._data) - self._at
        if left:
            raise self.refused(f"{left} bytes too many")

    def _value(self) -> Value:
        kind = self.byte()
        if kind == _TEXT:
            return self._decoded(self.content())
        if kind == _NULL:
            return NoText.NULL
        if kind == _UNCHANGED:
            return NoText.UNCHANGED
        if kind == _BINARY:
            raise self.refused("a value in binary form; the option `binary` has to be off")
        raise self.refused(f"unknown kind of value {kind:#x}")

    def _number(self, layout: Struct) -> int:
        end = self._at + layout.size
        if end > len(self._data):
            raise self.refused(f"{layout.size} bytes expected, {len(self._data) - self._at} left")
        number: int = layout.unpack_from(self._data, self._at)[0]
        self._at = end
        return number

    def _decoded(self, raw: bytes) -> str:
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            raise self.refused(f"not UTF-8 ({error.reason}); is client_encoding UTF8?") from error
