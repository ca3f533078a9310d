"""How the replica cuts its work into requests, and what it does when one of them fails."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from mypy_boto3_dynamodb import DynamoDBClient

from distributary.adapters.dynamodb.reads import ATTEMPTS
from distributary.adapters.dynamodb.replica import DynamoReplica
from distributary.adapters.dynamodb.values import for_sdk, from_sdk, image_from_sdk, item_for_sdk
from distributary.domain.errors import AccessDenied, ItemTooLarge, Throttled, Unavailable
from distributary.domain.image import STAMP_ATTRIBUTE, Image, key_text
from distributary.domain.row import Row
from distributary.domain.steps import Write

KEYS: list[Image] = [{"pk": {"S": f"key {number}"}} for number in range(60)]
INSERTS = [(key, Write(None, {**key, "n": {"N": "1"}})) for key in KEYS]


class ScriptedClient:
    """A client that answers batches as told: an error code or None for each; None again when the script is over."""

    def __init__(self, *script: str | None) -> None:
        self._script = list(script)
        self.statements: list[list[dict[str, Any]]] = []

    def batch_execute_statement(self, *, Statements: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        self.statements.append(Statements)
        code = self._script.pop(0) if self._script else None
        if code is not None:
            message = "Item size has exceeded the maximum allowed size" if len(Statements) == 1 else ""
            raise ClientError({"Error": {"Code": code, "Message": message}}, "BatchExecuteStatement")
        return {"Responses": [{} for _ in Statements]}

    @property
    def sizes(self) -> list[int]:
        return [len(each) for each in self.statements]


class PartialClient:
    """A client that reads at most so many items a request, and leaves the rest unread."""

    def __init__(self, *portions: int) -> None:
        self._portions = list(portions)
        self.asked: list[int] = []

    def batch_get_item(self, *, RequestItems: dict[str, Any]) -> dict[str, Any]:  # noqa: N803
        pairs = [(table, key) for table, part in RequestItems.items() for key in part["Keys"]]
        assert all(part["ConsistentRead"] for part in RequestItems.values())
        self.asked.append(len(pairs))
        portion = self._portions.pop(0) if len(self._portions) > 1 else self._portions[0]
        answer: dict[str, Any] = {"Responses": {}, "UnprocessedKeys": {}}
        for table, key in pairs[:portion]:
            if table == "rows":
                answer["Responses"].setdefault(table, []).append(key)
        for table, key in pairs[portion:]:
            answer["UnprocessedKeys"].setdefault(table, {"Keys": [], "ConsistentRead": True})["Keys"].append(key)
        return answer


def replica_over(client: object, pauses: list[float] | None = None) -> DynamoReplica:
    pause = (pauses if pauses is not None else []).append
    return DynamoReplica(cast("DynamoDBClient", client), table="rows", tombstones="stones", now=lambda: 0, pause=pause)


def test_a_request_has_25_statements_at_most() -> None:
    client = ScriptedClient()
    assert replica_over(client).write(INSERTS) == [True] * 60
    assert client.sizes == [25, 25, 10]


def test_a_request_is_far_smaller_than_dynamodb_takes() -> None:
    client = ScriptedClient()
    large = {"S": "x" * 390_000}
    replica_over(client).write([(key, Write(Row({**key, "v": large}), {**key, "w": large})) for key in KEYS[:20]])
    assert client.sizes == [2] * 10


def test_rows_of_one_shape_share_one_statement() -> None:
    client = ScriptedClient()
    replica_over(client).write(INSERTS)
    assert len({statement["Statement"] for request in client.statements for statement in request}) == 1


def test_a_restamp_sets_nothing_but_the_stamp() -> None:
    client = ScriptedClient()
    old: Image = {**KEYS[0], STAMP_ATTRIBUTE: {"S": "old"}, "n": {"N": "1"}}
    replica_over(client).write([(KEYS[0], Write(Row(old), {**old, STAMP_ATTRIBUTE: {"S": "new"}}))])
    ((statement,),) = client.statements
    assert statement["Statement"] == (
        'UPDATE "rows" SET "replication_stamp" = ? WHERE "pk" = ? AND "replication_stamp" = ? AND "n" = ?'
    )
    assert statement["Parameters"] == [{"S": "new"}, {"S": "key 0"}, {"S": "old"}, {"N": "1"}]


def test_when_the_first_request_fails_the_call_fails() -> None:
    with pytest.raises(Unavailable):
        replica_over(ScriptedClient("InternalServerError")).write(INSERTS)
    with pytest.raises(AccessDenied):
        replica_over(ScriptedClient("AccessDeniedException")).write(INSERTS)


def test_when_a_later_request_fails_the_rest_has_its_error_and_is_not_tried() -> None:
    client = ScriptedClient(None, "ThrottlingException")
    outcomes = replica_over(client).write(INSERTS)
    assert outcomes[:25] == [True] * 25
    assert all(isinstance(outcome, Throttled) for outcome in outcomes[25:])
    assert len(outcomes) == 60
    assert client.sizes == [25, 25]


@pytest.mark.parametrize("refusal", ["ValidationException", "SerializationException"])
def test_a_request_that_is_refused_for_one_row_is_taken_apart(refusal: str) -> None:
    client = ScriptedClient(refusal, None, refusal)
    outcomes = replica_over(client).write(INSERTS[:4])
    assert isinstance(outcomes[1], ItemTooLarge)
    assert [*outcomes[:1], *outcomes[2:]] == [True] * 3
    assert client.sizes == [4, 1, 1, 1, 1]


def test_keys_that_were_left_unread_are_asked_for_again() -> None:
    client, pauses = PartialClient(40), list[float]()
    states = replica_over(client, pauses).look(KEYS[:50])
    assert all(states[key_text(key)].row == Row(key) for key in KEYS[:50])
    assert client.asked == [100, 60, 20]
    assert pauses == []


def test_reading_that_gets_nowhere_waits_longer_each_time() -> None:
    client, pauses = PartialClient(0, 0, 0, 100), list[float]()
    replica_over(client, pauses).look(KEYS[:50])
    assert client.asked == [100] * 4
    assert pauses == [0.05, 0.1, 0.2]


def test_reading_that_gets_nowhere_for_long_is_throttled() -> None:
    client, pauses = PartialClient(0), list[float]()
    with pytest.raises(Throttled):
        replica_over(client, pauses).look(KEYS[:50])
    assert len(client.asked) == ATTEMPTS
    assert max(pauses) <= 1.0


def test_rows_and_tombstones_are_read_50_at_a_time_and_tombstones_alone_100() -> None:
    client = PartialClient(100)
    replica_over(client).look(KEYS)
    assert client.asked == [100, 20]
    client = PartialClient(100)
    replica_over(client).look_back([{"pk": {"S": str(number)}} for number in range(130)])
    assert client.asked == [100, 30]


scalars = st.one_of(
    st.builds(lambda s: {"S": s}, st.text()),
    st.builds(lambda n: {"N": str(n)}, st.integers()),
    st.builds(lambda b: {"B": b}, st.binary()),
    st.builds(lambda b: {"BS": b}, st.lists(st.binary(), min_size=1, unique=True)),
    st.builds(lambda b: {"BOOL": b}, st.booleans()),
    st.just({"NULL": True}),
    st.just({"SS": ["a", "b"]}),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.builds(lambda v: {"L": v}, st.lists(inner)),
        st.builds(lambda v: {"M": v}, st.dictionaries(st.text(), inner)),
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), values))
def test_values_of_the_sdk_become_json_and_back(item: dict[str, Any]) -> None:
    assert item_for_sdk(image_from_sdk(item)) == item


@pytest.mark.parametrize("value", [{}, {"S": "a", "N": "1"}, {"X": "a"}, {"B": "a"}, {"B": "ü==="}, {"L": [{}]}])
def test_what_is_no_value_is_an_error(value: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whichever it is
        for_sdk(value)


def test_plain_values_are_passed_on_as_they_are() -> None:
    value = {"S": "x"}
    assert for_sdk(value) is value
    assert from_sdk(value) is value


@pytest.mark.parametrize("letter", ["x", "\0", "ü", "あ", "😀"])
def test_no_request_is_larger_than_dynamodb_takes_whatever_the_script(letter: str) -> None:
    client = ScriptedClient()
    text = letter * (390_000 // len(letter.encode()))
    replica = DynamoReplica(cast("DynamoDBClient", client), table="t", tombstones="tombstones", now=lambda: 0)
    writes = [
        (key, Write(Row({**key, STAMP_ATTRIBUTE: {"S": "1"}, "n": {"S": text}}), {**key, "n": {"S": f"{text}!"}}))
        for key in KEYS[:25]
    ]
    replica.write(writes)
    assert sum(client.sizes) == 25
    assert max(len(json.dumps(each)) for each in client.statements) < 16 * 1024 * 1024
