"""What `ReplicatedModel` sends: every write carries a stamp that capture takes for what it is."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any, ClassVar
from uuid import uuid4

import boto3
import pytest
from botocore.config import Config
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws
from mypy_boto3_dynamodb import DynamoDBClient
from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient
from pynamodb.attributes import (
    Attribute,
    BinaryAttribute,
    DiscriminatorAttribute,
    NumberAttribute,
    TTLAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
    VersionAttribute,
)
from pynamodb.connection import Connection
from pynamodb.exceptions import DeleteError, PutError, TransactWriteError, UpdateError
from pynamodb.transactions import TransactWrite

from distributary.adapters.dynamodb.replicated_model import ReplicatedModel
from distributary.adapters.dynamodb.stamping import Stamper
from distributary.adapters.dynamodb.values import image_from_sdk, item_for_sdk
from distributary.domain.change import StreamRecord
from distributary.domain.image import STAMP_ATTRIBUTE, Image, content_of, digest_of
from distributary.domain.origin import Origin, origin_of
from distributary.domain.row import Row
from distributary.domain.stamp import UNKNOWN, Stamp, Writer, parse, stamped
from distributary.domain.version import STAMPING_SEQUENCE, Context, Instant, Version
from tests.streams import stream_records

HOME, AWAY = "eu-west-1", "us-east-1"
NOW = 1_700_000_000_000_000
MINTED_ABOVE = Origin.UNSTAMPED
"""What a write counts as whose stamp leaves the digest open: capture mints its version just above the stamp."""
SDK = Config(account_id_endpoint_mode="disabled")


class Clock:
    """A clock that shows what it is told to."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return self.now


class Shared:
    """What all models of this file have in common."""

    region = HOME
    billing_mode = "PAY_PER_REQUEST"
    stream_view_type = "NEW_AND_OLD_IMAGES"


class Nonce(Attribute[str]):
    """A value that is written differently each time, as an encrypted one is."""

    attr_type = "S"

    def serialize(self, value: Any) -> str:
        return f"{value} {uuid4()}"


class Order(ReplicatedModel):
    """The plain case."""

    class Meta(Shared):
        """See PynamoDB."""

        table_name = "orders"

    pk = UnicodeAttribute(hash_key=True)
    amount = NumberAttribute(default=0)
    note = UnicodeAttribute(null=True)
    tags = UnicodeSetAttribute()
    secret = Nonce(null=True)
    picture = BinaryAttribute(legacy_encoding=False, null=True)


class Event(ReplicatedModel):
    """Everything that PynamoDB adds to a request by itself."""

    class Meta(Shared):
        """See PynamoDB."""

        table_name = "events"

    customer = UnicodeAttribute(hash_key=True, attr_name="pk")
    number = NumberAttribute(range_key=True, attr_name="sk")
    kind = DiscriminatorAttribute(attr_name="k")
    version = VersionAttribute(attr_name="v")
    expires = TTLAttribute(null=True, attr_name="ttl")


class Paid(Event, discriminator="paid"):
    """One of the kinds of event."""

    amount = NumberAttribute(attr_name="a")


@cache
def clients() -> tuple[DynamoDBClient, DynamoDBStreamsClient]:
    """To be made under moto; they keep to it, and are slow to make."""
    session = boto3.Session(region_name=HOME)
    return session.client("dynamodb", config=SDK), session.client("dynamodbstreams", config=SDK)


class Shop:
    """The tables, and the ways around the models to see what is in them."""

    clock: ClassVar[Clock] = Clock()

    def __init__(self) -> None:
        self.client, self.streams = clients()
        for model in (Order, Event):
            model.create_table(wait=True)

    def image(self, model: ReplicatedModel) -> Image | None:
        key = model._get_connection().get_meta_table().get_identifier_map(*model._get_serialized_keys())["Key"]
        answer = self.client.get_item(TableName=model.Meta.table_name, Key=key)
        return image_from_sdk(answer["Item"]) if "Item" in answer else None

    def stamp(self, model: ReplicatedModel) -> Stamp:
        """The stored stamp, which is the instance's too."""
        image = self.image(model)
        assert image is not None
        assert image[STAMP_ATTRIBUTE] == {"S": model.replication_stamp}
        stamp = parse(image[STAMP_ATTRIBUTE]["S"])
        assert (stamp.writer, stamp.link, stamp.version.region) == (Writer.APPLICATION, UNKNOWN, HOME)
        assert stamp.version.instant.by_stamping_writer
        assert stamp.digest in (UNKNOWN, digest_of(content_of(image)))
        return stamp

    def put(self, image: Image, table: str = "orders") -> None:
        self.client.put_item(TableName=table, Item=item_for_sdk(image))

    def records(self, table: str = "orders") -> list[StreamRecord]:
        return stream_records(self.client, self.streams, table)

    def origins(self, table: str = "orders") -> list[Origin]:
        return [origin_of(record, HOME, None) for record in self.records(table)]


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    bits = itertools.count()
    Shop.clock.now = NOW
    monkeypatch.setattr(ReplicatedModel, "replication_stamper", Stamper(Shop.clock, lambda _: next(bits)))
    with mock_aws():
        yield Shop()


def requests_of(model: type[ReplicatedModel]) -> list[tuple[str, dict[str, Any]]]:
    """From now on: the operations that a model's connection sends, with their parameters."""
    sent: list[tuple[str, dict[str, Any]]] = []

    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        sent.append((model.name, params))

    model._get_connection().connection.client.meta.events.register("provide-client-params.dynamodb", note)
    return sent


def transaction() -> TransactWrite:
    return TransactWrite(connection=Connection(region=HOME))


def foreign(timestamp: int) -> Stamp:
    version = Version(timestamp, 7, AWAY)
    return Stamp(version, Context({AWAY: version.instant, "ap-south-1": Instant(5, 5)}), Writer.REPLICATION)


# ---- save


def test_a_save_is_stamped_with_the_clock_and_signs_its_content(shop: Shop) -> None:
    order = Order("1", amount=12.50, tags={"b", "a"})
    order.save()
    stamp = shop.stamp(order)
    assert stamp.version == Version(NOW, STAMPING_SEQUENCE, HOME)
    assert stamp.context == Context({HOME: stamp.version.instant})
    assert stamp.digest != UNKNOWN
    assert shop.origins() == [Origin.STAMPED]


def test_versions_rise_even_though_the_clock_steps_back(shop: Shop) -> None:
    order = Order("1")
    versions = []
    for step in (0, 0, -5_000_000, 3):
        shop.clock.now = NOW + step
        order.amount += 1
        order.save()
        versions.append(shop.stamp(order).version)
        order.update([Order.note.set(str(step))])
        versions.append(shop.stamp(order).version)
    assert versions == sorted(set(versions))
    assert [version.timestamp - NOW for version in versions] == list(range(8))
    assert shop.origins() == [Origin.STAMPED, MINTED_ABOVE] * 4


def test_a_save_on_top_of_another_region_covers_what_it_had_seen(shop: Shop) -> None:
    theirs = foreign(NOW + 900)
    shop.put(stamped({"pk": {"S": "1"}, "amount": {"N": "1"}}, theirs))
    order = Order.get("1")
    order.save()
    stamp = shop.stamp(order)
    assert stamp.version.timestamp == NOW + 901
    assert stamp.context == theirs.context.including(stamp.version)
    assert shop.origins() == [Origin.UNSTAMPED, Origin.STAMPED]


def test_a_blind_save_has_seen_nothing(shop: Shop) -> None:
    shop.put(stamped({"pk": {"S": "1"}, "amount": {"N": "1"}}, foreign(NOW - 10)))
    order = Order("1")
    order.save()
    assert shop.stamp(order).context == Context({HOME: Instant(NOW, STAMPING_SEQUENCE)})
    assert shop.origins()[-1] is Origin.STAMPED


def test_a_row_read_without_its_stamp_is_written_blindly(shop: Shop) -> None:
    shop.put(stamped({"pk": {"S": "1"}, "amount": {"N": "1"}}, foreign(NOW - 10)))
    order = Order.get("1", attributes_to_get=["pk", "amount"])
    order.save()
    assert shop.stamp(order).context.of(AWAY) is None


@pytest.mark.parametrize("text", ["nonsense", "", "9" * 200])
def test_an_unreadable_stamp_counts_as_none(shop: Shop, text: str) -> None:
    shop.put({"pk": {"S": "1"}, "amount": {"N": "1"}, STAMP_ATTRIBUTE: {"S": text}})
    order = Order.get("1")
    order.save()
    assert shop.stamp(order).version.timestamp == NOW


def test_a_save_whose_condition_fails_changes_nothing_and_the_next_goes_above_it(shop: Shop) -> None:
    order = Order("1")
    order.save()
    before = shop.image(order)
    with pytest.raises(PutError):
        order.save(Order.amount == 99)
    assert shop.image(order) == before
    order.save(Order.amount == 0)
    assert shop.stamp(order).version.timestamp == NOW + 2


def test_what_is_signed_is_what_is_sent(shop: Shop) -> None:
    order = Order("1", secret="s")
    order.save()
    assert shop.stamp(order).digest != UNKNOWN
    with Order.batch_write() as batch:
        batch.save(order)
    assert shop.stamp(order).digest != UNKNOWN
    with transaction() as write:
        write.save(order)
    assert shop.stamp(order).digest != UNKNOWN
    assert shop.origins() == [Origin.STAMPED] * 3


def test_a_value_of_unknown_form_is_left_to_the_database(shop: Shop) -> None:
    order = Order("1", picture="text")  # botocore encodes it
    order.save()
    assert shop.stamp(order).digest == UNKNOWN
    order.amount = True
    with pytest.raises(PutError):
        order.save()


def test_the_region_is_where_the_connection_sends_to(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    del shop
    monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-southeast-2")

    class Elsewhere(ReplicatedModel):
        class Meta:
            table_name = "elsewhere"
            billing_mode = "PAY_PER_REQUEST"

        pk = UnicodeAttribute(hash_key=True)

    Elsewhere.create_table(wait=True)
    row = Elsewhere("1")
    row.save()
    assert parse(row.replication_stamp).version.region == "ap-southeast-2"


# ---- update


def test_an_update_is_stamped_and_leaves_the_digest_to_capture(shop: Shop) -> None:
    order = Order("1")
    order.save()
    actions = [Order.amount.add(5), Order.note.set("n")]
    order.update(actions, Order.amount == 0)
    assert len(actions) == 2
    assert order.amount == 5
    stamp = shop.stamp(order)
    assert stamp.digest == UNKNOWN
    assert stamp.version.timestamp == NOW + 1
    assert shop.origins() == [Origin.STAMPED, MINTED_ABOVE]


def test_an_update_by_key_alone_has_seen_nothing(shop: Shop) -> None:
    shop.put(stamped({"pk": {"S": "1"}, "amount": {"N": "1"}}, foreign(NOW - 10)))
    order = Order("1")
    order.update([Order.amount.add(1)])
    assert order.amount == 2
    stamp = shop.stamp(order)
    assert stamp.version.timestamp == NOW
    assert stamp.context == Context({HOME: stamp.version.instant})


def test_an_update_makes_a_missing_row(shop: Shop) -> None:
    order = Order("1")
    order.update([Order.amount.set(1)])
    assert shop.stamp(order).digest == UNKNOWN
    assert shop.origins()[-1] is MINTED_ABOVE  # moto shows the insert of the bare key before it


def test_an_update_without_actions_is_refused_as_ever(shop: Shop) -> None:
    del shop
    with pytest.raises(TypeError, match="actions"):
        Order("1").update([])


def test_an_update_whose_condition_fails_changes_nothing(shop: Shop) -> None:
    order = Order("1")
    order.save()
    before = shop.image(order)
    with pytest.raises(UpdateError):
        order.update([Order.amount.set(1)], Order.amount == 99)
    assert shop.image(order) == before


# ---- delete


def test_a_deletion_stamps_the_row_first(shop: Shop) -> None:
    order = Order("1", amount=3)
    order.save()
    sent = requests_of(Order)
    order.delete(Order.amount == 3)
    (touch, touching), (delete, deleting) = sent
    assert (touch, delete) == ("UpdateItem", "DeleteItem")
    assert touching["ConditionExpression"] == "(attribute_exists (#0) AND #1 = :0)"
    assert deleting["ConditionExpression"] == "#0 = :0"
    assert shop.image(order) is None
    assert shop.origins() == [Origin.STAMPED, MINTED_ABOVE, Origin.DELETED]
    saved, touched, removed = shop.records()
    assert content_of((touched.new or Row({})).image) == content_of((saved.new or Row({})).image)
    assert removed.old == touched.new
    assert removed.old is not None
    assert removed.old.version == parse(order.replication_stamp).version
    assert removed.old.stamp is not None
    assert removed.old.stamp.digest == UNKNOWN


def test_a_deletion_of_a_missing_row_does_nothing(shop: Shop) -> None:
    Order("1").delete()
    with Order.batch_write() as batch:
        batch.delete(Order("2"))
    with transaction() as write:
        write.delete(Order("3"))
    assert shop.records() == []


def test_a_deletion_by_key_alone_has_only_the_clock(shop: Shop) -> None:
    Order("1").save()
    shop.clock.now -= 5_000_000
    order = Order("1")
    order.delete()
    assert parse(order.replication_stamp).version.timestamp == shop.clock.now
    assert shop.origins() == [Origin.STAMPED, MINTED_ABOVE, Origin.DELETED]


def test_a_deletion_whose_condition_fails_leaves_the_row_alone(shop: Shop) -> None:
    order = Order("1")
    order.save()
    before = shop.image(order)
    with pytest.raises(DeleteError) as caught:
        order.delete(Order.amount == 99)
    assert caught.value.cause_response_code == "ConditionalCheckFailedException"
    assert shop.image(order) == before


def test_a_deletion_that_cannot_stamp_the_row_says_so(shop: Shop) -> None:
    shop.client.delete_table(TableName="orders")
    with pytest.raises(DeleteError, match="stamp the item") as caught:
        Order("1").delete()
    assert caught.value.cause_response_code == "ResourceNotFoundException"


def test_a_row_put_back_after_its_deletion_is_above_both(shop: Shop) -> None:
    order = Order("1")
    order.save()
    order.delete()
    touched = parse(order.replication_stamp).version
    order.save()
    assert shop.stamp(order).version > Version(touched.timestamp + 1, 10**39, HOME)
    assert shop.origins()[-1] is Origin.STAMPED


# ---- batches and transactions


def test_a_batch_stamps_puts_and_deletions(shop: Shop) -> None:
    doomed = Order("gone")
    doomed.save()
    orders = [Order(str(number), amount=number) for number in range(30)]
    sent = requests_of(Order)
    with Order.batch_write() as batch:
        for order in orders:
            batch.save(order)
        batch.delete(doomed)
    assert [name for name, _ in sent] == ["BatchWriteItem", "UpdateItem", "BatchWriteItem"]
    assert all(shop.stamp(order).digest != UNKNOWN for order in orders)
    assert shop.image(doomed) is None
    assert Counter(shop.origins()) == {Origin.STAMPED: 31, MINTED_ABOVE: 1, Origin.DELETED: 1}


def test_a_batch_puts_an_instance_as_it_is_when_sent(shop: Shop) -> None:
    order = Order("1", amount=1)
    with Order.batch_write() as batch:
        batch.save(order)
        order.amount = 2
    assert shop.stamp(order).digest != UNKNOWN
    assert Order.get("1").amount == 2


def test_a_batch_sends_again_what_was_not_processed(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    connection, orders = Order._get_connection(), [Order("1"), Order("2")]
    send, calls = connection.batch_write_item, []

    def refuse_one(*, put_items: list[Any], delete_items: list[Any]) -> dict[str, Any]:
        calls.append(len(put_items))
        if len(calls) == 1:
            send(put_items=put_items[:1], delete_items=delete_items)
            return {"UnprocessedItems": {"orders": [{"PutRequest": {"Item": put_items[1]}}]}}
        return send(put_items=put_items, delete_items=delete_items)

    monkeypatch.setattr(connection, "batch_write_item", refuse_one)
    with Order.batch_write() as batch:
        for order in orders:
            batch.save(order)
    assert calls == [2, 1]
    assert all(shop.stamp(order).digest != UNKNOWN for order in orders)


def test_a_transaction_stamps_all_that_it_writes(shop: Shop) -> None:
    updated, doomed, checked = Order("u"), Order("d"), Order("c")
    for order in (updated, doomed, checked):
        order.save()
    saved = Order("s")
    with transaction() as write:
        write.condition_check(Order, "c", condition=Order.amount == 0)
        write.save(saved, Order.pk.does_not_exist())
        write.update(updated, [Order.amount.add(4)], Order.amount == 0)
        write.delete(doomed, Order.amount == 0)
    assert shop.stamp(saved).digest != UNKNOWN
    assert shop.stamp(updated).digest == UNKNOWN
    assert shop.image(doomed) is None
    updated.refresh()
    assert updated.amount == 4
    assert {record.key["pk"]["S"]: origin for record, origin in zip(shop.records(), shop.origins(), strict=True)} == {
        "u": MINTED_ABOVE,
        "d": Origin.DELETED,
        "c": Origin.STAMPED,
        "s": Origin.STAMPED,
    }


def test_a_cancelled_transaction_leaves_the_row_to_be_deleted_with_a_fresh_stamp(shop: Shop) -> None:
    doomed = Order("d", amount=7)
    doomed.save()
    before = shop.image(doomed)
    assert before is not None
    write = transaction()
    write.delete(doomed)
    write.condition_check(Order, "missing", condition=Order.pk.exists())
    with pytest.raises(TransactWriteError):
        write._commit()
    after = shop.image(doomed)
    assert after is not None
    assert content_of(after) == content_of(before)
    assert shop.stamp(doomed).version.timestamp == NOW + 1
    assert shop.origins() == [Origin.STAMPED, MINTED_ABOVE]


# ---- what PynamoDB adds by itself


def test_aliases_sort_keys_kinds_and_version_attributes_keep_working(shop: Shop) -> None:
    paid = Paid("c", 1, amount=5, expires=datetime(2030, 1, 2, tzinfo=UTC))
    paid.save()
    assert shop.stamp(paid).digest != UNKNOWN
    paid.update([Paid.amount.set(6)])
    with transaction() as write:
        write.update(paid, [Paid.amount.set(7)])
    paid.amount = 8
    with transaction() as write:
        write.save(paid)
    loaded = Event.get("c", 1)
    assert isinstance(loaded, Paid)
    assert (loaded.version, loaded.amount, loaded.expires) == (4, 8, datetime(2030, 1, 2, tzinfo=UTC))
    assert loaded.replication_stamp == paid.replication_stamp
    assert shop.stamp(loaded).version.timestamp == NOW + 3
    loaded.delete()
    updated, saved = MINTED_ABOVE, Origin.STAMPED
    assert shop.origins("events") == [saved, updated, updated, saved, MINTED_ABOVE, Origin.DELETED]


@pytest.mark.parametrize("write", [Paid.save, Paid.delete, lambda paid: paid.update([Paid.amount.set(1)])])
def test_a_stale_version_attribute_still_refuses(shop: Shop, write: Callable[[Paid], object]) -> None:
    paid = Paid("c", 1, amount=5)
    paid.save()
    stale = Paid.get("c", 1)
    paid.save()
    before = shop.image(paid)
    with pytest.raises((PutError, DeleteError, UpdateError)):
        write(stale)
    assert shop.image(paid) == before


def test_a_deletion_without_regard_to_the_version_attribute(shop: Shop) -> None:
    paid = Paid("c", 1, amount=5)
    paid.save()
    stale = Paid.get("c", 1)
    paid.save()
    stale.delete(add_version_condition=False)
    assert shop.image(paid) is None
    assert shop.origins("events")[-1] is Origin.DELETED


# ---- the stamper by itself

INSTANTS = st.builds(Instant, st.integers(1, 10**16 - 2), st.integers(0, STAMPING_SEQUENCE * 2 - 1))


@given(
    st.integers(0, 10**16 - 1),
    st.integers(0, 2**64 - 1),
    st.dictionaries(st.sampled_from([HOME, AWAY, "eu-west-10"]), INSTANTS, min_size=1),
    st.data(),
)
def test_a_drawn_stamp_is_above_all_that_its_region_had_seen(
    clock: int, bits: int, entries: dict[str, Instant], data: st.DataObject
) -> None:
    region = data.draw(st.sampled_from(sorted(entries)))
    loaded = Stamp(Version(*entries[region], region), Context(entries), Writer.REPLICATION)
    drawn = Stamper(lambda: clock, lambda _: bits).draw(loaded.text(), HOME, "digest")
    assert parse(drawn.text()) == drawn
    assert drawn.version > loaded.version
    assert drawn.version.timestamp >= clock
    assert drawn.version.sequence >= STAMPING_SEQUENCE
    assert drawn.version.instant > entries.get(HOME, Instant(0, 0))
    assert drawn.context == loaded.context.including(drawn.version)
    assert drawn.context.of(HOME) == drawn.version.instant


def test_the_real_stamper_reads_the_machines_clock_and_never_draws_twice() -> None:
    drawn = [Stamper().draw(None, HOME).version for _ in range(100)]
    assert abs(drawn[0].timestamp - datetime.now(UTC).timestamp() * 1e6) < 60e6
    assert len({version.sequence for version in drawn}) == 100


def test_the_functions_do_not_import_pynamodb() -> None:
    program = "import sys, distributary.wiring; sys.exit('pynamodb' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
