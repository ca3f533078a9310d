"""The replica over a DynamoDB table, with its tombstones in a second table."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from distributary.adapters.dynamodb import batches
from distributary.adapters.dynamodb.expressions import Request, request_of
from distributary.adapters.dynamodb.reads import KEYS, RefusedKeyError, read_items
from distributary.adapters.dynamodb.statements import Statement, statement_of
from distributary.adapters.dynamodb.tombstones import TombstoneTable, tombstone_in
from distributary.adapters.dynamodb.values import image_from_sdk, item_for_sdk
from distributary.domain.errors import RejectedByDatabase
from distributary.domain.image import Image, key_text
from distributary.domain.row import Row, State, Tombstone
from distributary.domain.steps import Remember, Write
from distributary.ports import Outcome

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class DynamoReplica:
    """`ports.Replica` over a table and a tombstones table of one region.

    client: the SDK's, of that region; it retries what is worth retrying at once. A retry after a lost answer finds its
    condition broken by the first try: the outcome is False, and the decision looks again. now: the time in
    microseconds. pause: waits so many seconds before keys are asked for again that DynamoDB left unread. batched: False
    writes rows one a request, for an emulator whose change stream does not show what PartiQL writes.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        *,
        table: str,
        tombstones: str,
        now: Callable[[], int],
        pause: Callable[[float], None] = time.sleep,
        batched: bool = True,
    ) -> None:
        self._client = client
        self._table = table
        self._tombstones = TombstoneTable(tombstones, now)
        self._pause = pause
        self._batched = batched

    def look(self, keys: Sequence[Image], *, whole: bool = False) -> Mapping[str, State]:
        """See `ports.Replica`. Row and tombstone are read in one request, without order between them."""
        del whole  # always
        by_row = {key_text(key): key for key in keys}
        found: dict[str, State] = {}
        for some in _portions(list(by_row), KEYS // 2):
            found |= self._look({row: by_row[row] for row in some})
        return found

    def look_back(self, keys: Sequence[Image]) -> Mapping[str, Tombstone | None]:
        """See `ports.Replica`."""
        rows = list(dict.fromkeys(map(key_text, keys)))
        found: dict[str, Tombstone | None] = {}
        for some in _portions(rows, KEYS):
            tombstones = self._read({self._tombstones.name: [self._tombstones.key(row) for row in some]})
            known = dict(map(tombstone_in, tombstones[self._tombstones.name]))
            found |= {row: known.get(row) for row in some}
        return found

    def write(self, writes: Sequence[tuple[Image, Write]]) -> Sequence[Outcome]:
        """See `ports.Replica`. What PartiQL cannot say is written one item a request, after all others."""
        outcomes: dict[int, Outcome] = {}
        batched: dict[int, Statement] = {}
        single: dict[int, Request] = {}
        for index, (key, write) in enumerate(writes):
            try:
                statement = statement_of(self._table, key, write) if self._batched else None
                if statement is None:
                    single[index] = request_of(self._table, key, write)
                else:
                    batched[index] = statement
            except (ValueError, TypeError, AttributeError) as error:
                outcomes[index] = RejectedByDatabase(f"no values of DynamoDB: {error}")
        outcomes |= zip(batched, batches.run(self._client, list(batched.values())), strict=True)
        outcomes |= {index: batches.run_one(self._client, request) for index, request in single.items()}
        return [outcomes[index] for index in range(len(writes))]

    def remember(self, notes: Sequence[tuple[Image, Remember]]) -> Sequence[Outcome]:
        """See `ports.Replica`."""
        return batches.run(self._client, [self._tombstones.statement(key_text(key), note) for key, note in notes])

    def _look(self, by_row: Mapping[str, Image]) -> dict[str, State]:
        entries = [self._tombstones.key(row) for row in by_row]
        try:
            keys = [_key_for_sdk(key) for key in by_row.values()]
            items = self._read({self._table: keys, self._tombstones.name: entries})
        except RefusedKeyError:
            return self._look_around_refused(by_row)
        names = next(iter(by_row.values())).keys()
        images = map(image_from_sdk, items[self._table])
        rows = {key_text({name: image[name] for name in names}): Row(image) for image in images}
        known = dict(map(tombstone_in, items[self._tombstones.name]))
        return {row: State(rows.get(row), known.get(row)) for row in by_row}

    def _look_around_refused(self, by_row: Mapping[str, Image]) -> dict[str, State]:
        """Halve until a key that DynamoDB refuses is alone: no row can have it, and a write of it will say why."""
        if len(by_row) == 1:
            back = self.look_back(list(by_row.values()))
            return {row: State(None, back[row]) for row in by_row}
        found: dict[str, State] = {}
        for some in _portions(list(by_row), (len(by_row) + 1) // 2):
            found |= self._look({row: by_row[row] for row in some})
        return found

    def _read(self, keys: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, list[Mapping[str, Any]]]:
        return read_items(self._client, keys, self._pause)


def _key_for_sdk(key: Image) -> Mapping[str, Any]:
    try:
        return item_for_sdk(key)
    except ValueError as error:
        raise RefusedKeyError(str(error)) from error


def _portions(rows: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
