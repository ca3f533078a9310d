"""What capture makes of a `ReplicatedModel`'s writes, seen through the change streams of real engines."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from botocore.config import Config
from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient
from pynamodb.attributes import (
    Attribute,
    BinaryAttribute,
    BinarySetAttribute,
    BooleanAttribute,
    DiscriminatorAttribute,
    DynamicMapAttribute,
    JSONAttribute,
    ListAttribute,
    MapAttribute,
    NullAttribute,
    NumberAttribute,
    NumberSetAttribute,
    TTLAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
    UTCDateTimeAttribute,
    VersionAttribute,
)
from pynamodb.connection import Connection
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from distributary.adapters.dynamodb.replica import DynamoReplica
from distributary.adapters.dynamodb.replicated_model import ReplicatedModel
from distributary.domain.change import Change, StreamRecord
from distributary.domain.image import content_of, digest_of
from distributary.domain.origin import Origin, origin_of
from distributary.domain.place import Place
from distributary.domain.settlement import Settled, settle
from distributary.domain.stamp import UNKNOWN, Writer, parse
from distributary.domain.version import Version
from distributary.services.rounds import run
from tests.contract.engines import SESSION
from tests.contract.places import DynamoPlace, deviates, now
from tests.streams import stream_records

HOME = "us-east-1"
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "replicated_model.py"
SDK = Config(account_id_endpoint_mode="disabled")
DRIFT = 60_000_000


class Address(MapAttribute[str, Any]):
    """A map with declared attributes, one of them under another name."""

    street = UnicodeAttribute(attr_name="s")
    seen = UTCDateTimeAttribute(null=True)
    key = BinaryAttribute(legacy_encoding=False, null=True)
    numbers = NumberSetAttribute()


class Loose(DynamicMapAttribute):
    """A map with declared attributes and others."""

    since = UTCDateTimeAttribute(null=True)


class Everything(ReplicatedModel):
    """Every kind of attribute that PynamoDB has."""

    class Meta:
        """See PynamoDB; table and host are those of the engine."""

        table_name = ""
        host = ""
        region = HOME
        billing_mode = "PAY_PER_REQUEST"
        stream_view_type = "NEW_AND_OLD_IMAGES"
        aws_access_key_id = "test"
        aws_secret_access_key = "test"

    pk = UnicodeAttribute(hash_key=True)
    sort = BinaryAttribute(range_key=True, attr_name="s.k", legacy_encoding=False)
    kind = DiscriminatorAttribute(attr_name="k")
    version = VersionAttribute()
    text = UnicodeAttribute(null=True)
    texts = UnicodeSetAttribute()
    number = NumberAttribute(null=True)
    numbers = NumberSetAttribute()
    raw = BinaryAttribute(legacy_encoding=False, null=True)
    raws = BinarySetAttribute(legacy_encoding=False)
    legacy_raw = BinaryAttribute(legacy_encoding=True, null=True)
    legacy_raws = BinarySetAttribute(legacy_encoding=True)
    truth = BooleanAttribute(null=True)
    nothing = NullAttribute(null=True)
    document = JSONAttribute(null=True)
    moment = UTCDateTimeAttribute(null=True)
    expires = TTLAttribute(null=True)
    mapping: MapAttribute[str, Any] = MapAttribute(null=True)  # type: ignore[no-untyped-call]
    address = Address(null=True)  # type: ignore[no-untyped-call]
    loose = Loose(null=True)  # type: ignore[no-untyped-call]
    items: ListAttribute[Any] = ListAttribute(null=True)
    addresses: ListAttribute[Address] = ListAttribute(null=True, of=Address)
    moments: ListAttribute[Any] = ListAttribute(null=True, of=UTCDateTimeAttribute)
    binaries: ListAttribute[Any] = ListAttribute(null=True, of=BinaryAttribute)


class One(Everything, discriminator="one"):
    """A kind of its own."""


BINARY = bytes(range(256))
MOMENT = datetime(2024, 2, 29, 23, 59, 59, 123456, tzinfo=timezone(timedelta(hours=5, minutes=30)))
NESTED: dict[str, Any] = {
    "a.b": [1, 2.50, "x", None, True, b"\xff", {"deep": {"set": {1, 2}}}],
    "empty": [],
    "set": {b"a", b"\x00"},
    "texts": {"b", "a"},
}
VALUES: dict[str, dict[str, Any]] = {
    "nothing but the key": {},
    "None": {"text": None, "nothing": None},
    "text": {"text": "žluťoučký 🐎 \x00\x7f\u2028"},
    "empty text": {"text": ""},
    "texts": {"texts": {"c", "a", "b"}},
    "empty sets": {"texts": set(), "numbers": set(), "raws": set()},
    "integer": {"number": -12345678901234567890123456789012345678},
    "decimals": {"number": 12.50},
    "inexact": {"number": 0.1 + 0.2},
    "negative zero": {"number": -0.0},
    "large": {"number": 1e125},
    "small": {"number": 1.5e-130},
    "exponent": {"number": 5e22},
    "numbers": {"numbers": {1, 2.5, 1e20, -3, 100}},
    "binary": {"raw": BINARY},
    "empty binary": {"raw": b""},
    "bytearray": {"raw": bytearray(b"ab\xff")},
    "binaries": {"raws": {b"a", b"\x00\xff", b"bb"}},
    "legacy binary": {"legacy_raw": BINARY},
    "legacy binaries": {"legacy_raws": {b"a", b"\xff"}},
    "true": {"truth": True},
    "false": {"truth": False},
    "document": {"document": {"a": [1, 2.50, None, {"b": "ž"}]}},
    "moment": {"moment": MOMENT},
    "naive moment": {"moment": MOMENT.replace(tzinfo=None)},
    "time to live": {"expires": MOMENT + timedelta(days=36500)},
    "map": {"mapping": NESTED},
    "empty map": {"mapping": {}},
    "typed map": {"address": Address(street="x", seen=MOMENT, key=b"\xff", numbers={1, 2})},  # type: ignore[no-untyped-call]
    "typed map from a dictionary": {"address": {"street": "x"}},
    "dynamic map": {"loose": Loose(since=MOMENT, other=NESTED, count=3)},  # type: ignore[no-untyped-call]
    "list": {"items": [NESTED, [[]], "x", 1.0, b"\x00", {1, 2}, {"a"}, None, False]},
    "empty list": {"items": []},
    "list of typed maps": {"addresses": [Address(street="x"), Address(street="y", numbers={1.50})]},  # type: ignore[no-untyped-call]
    "list of moments": {"moments": [MOMENT, None]},
    "list of binaries": {"binaries": [b"\xff", b""]},
}


@dataclass
class Engine:
    """An engine with a table of its own for one test, and capture beside it."""

    place: DynamoPlace
    streams: DynamoDBStreamsClient
    table: str
    settled: int = 0

    def __post_init__(self) -> None:
        self.replica = DynamoReplica(self.place.client, table=self.table, tombstones=self.place.tombstones, now=now)

    def records(self, expected: int = 0) -> list[StreamRecord]:
        """All records so far."""
        found = stream_records(self.place.client, self.streams, self.table, expected=expected)
        assert len(found) >= expected
        return found

    def capture(self) -> tuple[StreamRecord, Settled]:
        """Settle the next record."""
        record = self.records(self.settled + 1)[self.settled]
        self.settled += 1
        circumstances = Place("orders", self.table, HOME, now(), DRIFT, uuid4().hex)
        ((result),) = run(self.replica, [(record.key, settle(record, circumstances))])
        assert isinstance(result, Settled)
        return record, result

    def transaction(self) -> TransactWrite:
        """A transaction on the engine."""
        host = self.place.client.meta.endpoint_url
        connection = Connection(region=HOME, host=host, aws_access_key_id="test", aws_secret_access_key="test")
        return TransactWrite(connection=connection)


@pytest.fixture
def engine_table(dynamo: DynamoPlace) -> Engine:
    host = dynamo.client.meta.endpoint_url
    Everything.Meta.table_name, Everything.Meta.host = f"everything-{uuid4().hex}", host
    Everything.create_table(wait=True)
    streams = SESSION.client("dynamodbstreams", endpoint_url=host, region_name=HOME, config=SDK)
    return Engine(dynamo, streams, Everything.Meta.table_name)


def version_of(model: ReplicatedModel) -> Version:
    return parse(model.replication_stamp).version


def just_above(model: ReplicatedModel, record: StreamRecord) -> Version:
    """The version of a write whose stamp leaves the digest open; the stream may tell of it only in the next second."""
    return Version(max(version_of(model).timestamp + 1, record.created_at), record.sequence, HOME)


def change_of(settled: Settled) -> Change:
    assert settled.change is not None
    return settled.change


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES.keys())
def test_the_digest_is_that_of_the_content_which_the_stream_shows(engine_table: Engine, values: dict[str, Any]) -> None:
    row = One("1", b"\x00\xff", **values)
    versions = []
    row.save()
    versions.append(version_of(row))
    with One.batch_write() as batch:
        batch.save(row)
    versions.append(version_of(row))
    with engine_table.transaction() as transaction:
        transaction.save(row)
    versions.append(version_of(row))
    loaded = Everything.get("1", b"\x00\xff")
    loaded.save()
    versions.append(version_of(loaded))
    for record, version in zip(engine_table.records(4), versions, strict=True):
        assert record.new is not None
        assert record.new.stamp is not None
        assert record.new.stamp.digest == digest_of(content_of(record.new.image))
        assert record.new.version == version
        assert origin_of(record, HOME, None) is Origin.STAMPED


def test_every_kind_of_attribute_is_among_the_values() -> None:
    tried = {type(Everything.get_attributes()[name]) for values in VALUES.values() for name in values}
    tried |= {DiscriminatorAttribute, VersionAttribute}
    known: set[type[Attribute[Any]]] = set()
    waiting: list[type[Attribute[Any]]] = [Attribute]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        known |= {kind} if kind.__module__ == "pynamodb.attributes" else set()
    assert known - {Attribute, DynamicMapAttribute} <= tried


def test_a_save_needs_no_write_back(engine_table: Engine) -> None:
    row = One("1", b"a", number=1)
    row.save()
    record, settled = engine_table.capture()
    assert settled.origin is Origin.STAMPED
    change = change_of(settled)
    assert change.version == version_of(row)
    assert record.new is not None
    assert change.image == content_of(record.new.image)
    row.number = 2
    row.save()
    assert change_of(engine_table.capture()[1]).version == version_of(row)
    assert len(engine_table.records()) == 2


@pytest.mark.parametrize("within_a_transaction", [False, True])
def test_an_update_is_minted_just_above_its_stamp_and_settled(engine_table: Engine, within_a_transaction: bool) -> None:
    row = One("1", b"a")
    actions: list[Action] = [One.kind.set(One), One.number.set(1)]
    if within_a_transaction:
        with engine_table.transaction() as transaction:
            transaction.update(row, actions)
    else:
        row.update(actions)
    record, settled = engine_table.capture()
    assert record.new is not None
    assert record.new.stamp is not None
    assert record.new.stamp.digest == UNKNOWN
    assert record.old is None
    minted = change_of(settled).version
    assert minted == just_above(row, record)
    assert content_of(record.new.image) == change_of(settled).image
    loaded = Everything.get("1", b"a")
    assert version_of(loaded) == minted
    assert parse(loaded.replication_stamp).digest == digest_of(content_of(record.new.image))
    loaded.save()
    assert version_of(loaded) > minted


def test_what_capture_writes_back_after_an_update_is_an_echo(engine_table: Engine) -> None:
    One("1", b"a").update([One.number.set(1)])
    minted = change_of(engine_table.capture()[1]).version
    deviates(engine_table.place, "ministack", "emits no stream records for PartiQL statements")
    echo, settled = engine_table.capture()
    assert settled.origin is Origin.ECHO
    assert echo.new is not None
    assert echo.new.settled
    assert echo.new.version == minted


DELETIONS: dict[str, Callable[[Engine, One], object]] = {}


def deletion(way: Callable[[Engine, One], object]) -> Callable[[Engine, One], object]:
    DELETIONS[way.__name__] = way
    return way


@deletion
def plainly(engine: Engine, row: One) -> None:
    del engine
    row.delete(One.number == 1)


@deletion
def by_batch(engine: Engine, row: One) -> None:
    del engine
    with One.batch_write() as batch:
        batch.delete(row)


@deletion
def by_transaction(engine: Engine, row: One) -> None:
    with engine.transaction() as transaction:
        transaction.delete(row, One.number == 1)


@pytest.mark.parametrize("way", DELETIONS.values(), ids=DELETIONS.keys())
def test_a_deletion_is_ordered_by_the_stamp_that_precedes_it(
    engine_table: Engine, way: Callable[[Engine, One], object]
) -> None:
    row = One("1", b"a", number=1)
    row.save()
    engine_table.capture()
    way(engine_table, row)
    touch, settled = engine_table.capture()
    assert change_of(settled).version == just_above(row, touch)
    removal, settled = engine_table.capture()
    assert removal.old is not None
    assert touch.new is not None
    assert removal.old.image == touch.new.image
    assert settled.origin is Origin.DELETED
    assert change_of(settled).image is None
    assert change_of(settled).version > version_of(row)
    row.save(add_version_condition=False)
    again = change_of(engine_table.capture()[1])
    assert again.version == version_of(row)
    assert again.context.covers(change_of(settled).version)


def test_a_deletion_of_a_missing_row_leaves_no_trace(engine_table: Engine) -> None:
    One("1", b"a").delete()
    with One.batch_write() as batch:
        batch.delete(One("2", b"a"))
    One("3", b"a").save()
    assert [record.key["pk"]["S"] for record in engine_table.records(1)] == ["3"]


def test_the_example_runs_and_is_captured(engine_table: Engine) -> None:
    """The example's table is keyed as the default dataset is."""
    name = f"orders-{uuid4().hex}"
    client = engine_table.place.client
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    environment = {
        **os.environ,
        "ORDERS_TABLE": name,
        "AWS_ENDPOINT_URL": client.meta.endpoint_url,
        "AWS_DEFAULT_REGION": HOME,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    done = subprocess.run(
        [sys.executable, str(EXAMPLE)], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    records = stream_records(client, engine_table.streams, name, expected=9)
    removed = [record for record in records if record.new is None]
    written = [record.new.stamp for record in records if record.new is not None]
    assert (len(written), len(removed)) == (7, 2)
    assert all(stamp is not None and stamp.writer is Writer.APPLICATION for stamp in written)
