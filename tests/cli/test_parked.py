"""The commands `distributary parked` over a queue in moto."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws
from typer.testing import CliRunner, Result

from cli.main import app
from distributary import wiring
from distributary.adapters.queues import SqsParking
from distributary.domain.parcel import Parcel
from tests.unit.conflicts import HERE


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["parked", *words, "--dataset", "orders", "--region", HERE])


@pytest.fixture
def parked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A queue with one parcel."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    wiring._session.cache_clear()
    with mock_aws():
        sqs = boto3.client("sqs", region_name=HERE)
        url = sqs.create_queue(QueueName="distributary-orders-parked")["QueueUrl"]
        told = '"audit[/2026]" is not there'
        SqsParking(sqs, url).park([Parcel("orders", "UnknownTable", told, "do", "{}", redrivable=True, parked_at=0)])
        yield


@pytest.mark.usefixtures("parked")
def test_what_looks_like_markup_is_shown_as_it_is() -> None:
    result = run("list")
    assert result.exit_code == 0, result.exception
    assert "[/2026]" in result.output


@pytest.mark.usefixtures("parked")
def test_looking_hides_nothing_from_the_next_command() -> None:
    run("list")
    assert "1 UnknownTable: discarded" in run("discard", "--reason", "UnknownTable").output


@pytest.mark.usefixtures("parked")
def test_what_is_no_parcel_hides_no_other_and_can_be_discarded() -> None:
    sqs = boto3.client("sqs", region_name=HERE)
    url = sqs.get_queue_url(QueueName="distributary-orders-parked")["QueueUrl"]
    sqs.create_queue(QueueName="distributary-orders-outbox")
    sqs.send_message(QueueUrl=url, MessageBody="hello")
    assert "audit[/2026]" in run("list").output
    assert "1 MalformedMessage: left" in run("redrive", "--reason", "MalformedMessage").output
    assert "1 MalformedMessage: discarded" in run("discard", "--reason", "MalformedMessage").output


@pytest.mark.usefixtures("parked")
def test_what_apply_gave_up_goes_through_the_outbox_to_its_own_region() -> None:
    sqs = boto3.client("sqs", region_name=HERE)
    dead = sqs.create_queue(QueueName="distributary-orders-inbox-dead")["QueueUrl"]
    outbox = sqs.create_queue(QueueName="distributary-orders-outbox")["QueueUrl"]
    for body in ("one", "two"):
        sqs.send_message(QueueUrl=dead, MessageBody=body)
    assert "2 DeadLetter: sent again" in run("redrive", "--dead-letters").output
    held = sqs.receive_message(QueueUrl=outbox, MaxNumberOfMessages=10, MessageAttributeNames=["All"])["Messages"]
    destinations = {each["Body"]: each["MessageAttributes"]["destination"]["StringValue"] for each in held}
    assert destinations == {"one": HERE, "two": HERE}
    left = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["All"])["Attributes"]
    assert (left["ApproximateNumberOfMessages"], left["ApproximateNumberOfMessagesNotVisible"]) == ("0", "0")
    assert "audit[/2026]" in run("list").output
