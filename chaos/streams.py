"""Reads the streams of all regions and invokes capture as AWS does: each region by itself, whatever another one meets.

The emulator polls every stream from one thread and waits there for each invocation, so that a function which hangs in
one region would hold up all regions. That is the emulator's doing, and would be measured as the system's.
"""

import base64
import json
import random
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from botocore.config import Config
from botocore.session import get_session

from local.clients import client
from local.world import World

BATCH = 1000
IDLE_SECONDS = 0.05
RETRY_SECONDS = 0.5

Event = dict[str, Any]


@dataclass
class Stream:
    """The reader of one region's stream; one batch at a time, in order, each until capture has taken it.

    twice: the share of batches that are delivered a second time although capture has taken them.
    """

    world: World
    region: str
    twice: float = 0.0
    errors: list[BaseException] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)
    _flows: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin with the next record that is written."""
        iterator = self._latest()
        self._flows.set()
        self._thread = threading.Thread(target=self._guarded, args=(iterator,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; raises what the reader met, if it failed."""
        self._ended.set()
        self._flows.set()
        if self._thread is not None:
            self._thread.join()
        if self.errors:
            raise self.errors[0]

    def halt(self) -> None:
        """Deliver nothing until `resume`, as if the region were down."""
        self._flows.clear()

    def resume(self) -> None:
        """Go on where `halt` has stopped."""
        self._flows.set()

    def _latest(self) -> str:
        streams = client(self.world, "dynamodbstreams", self.region)
        arn = self._arn()
        (shard,) = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
        answer = streams.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="LATEST")
        return str(answer["ShardIterator"])

    def _arn(self) -> str:
        table = self.world.tables[self.region]["orders"]
        return str(
            client(self.world, "dynamodb", self.region).describe_table(TableName=table)["Table"]["LatestStreamArn"]
        )

    def _guarded(self, iterator: str) -> None:
        try:
            self._read(iterator)
        except BaseException as error:  # noqa: BLE001 - handed to whoever stops the reader
            self.errors.append(error)

    def _read(self, iterator: str) -> None:
        streams, arn, invoke = client(self.world, "dynamodbstreams", self.region), self._arn(), _invoker(self)
        dice = random.Random(self.region)
        while not self._ended.is_set():
            answer = streams.get_records(ShardIterator=iterator, Limit=BATCH)
            iterator = answer["NextShardIterator"]
            batch = [_as_lambda_sees(record, arn) for record in answer["Records"]]
            if not batch:
                self._ended.wait(IDLE_SECONDS)
                continue
            again = dice.random() < self.twice
            self._deliver(batch, invoke)
            if again:
                self._deliver(batch, invoke)

    def _deliver(self, batch: list[Event], invoke: Any) -> None:
        """Until all of the batch is done: from the first record on that capture reports as not done."""
        while batch:
            self._flows.wait()
            if self._ended.is_set():
                return
            answer = invoke.invoke(
                FunctionName="distributary-orders-capture", Payload=json.dumps({"Records": batch}).encode()
            )
            body = json.loads(answer["Payload"].read() or "null")
            if "FunctionError" in answer or not isinstance(body, dict):
                self._ended.wait(RETRY_SECONDS)
                continue
            failed = {each["itemIdentifier"] for each in body["batchItemFailures"]}
            batch = list(_from_first(batch, failed)) if failed else []
            if batch:
                self._ended.wait(RETRY_SECONDS)


def _from_first(batch: list[Event], failed: set[str]) -> Iterable[Event]:
    found = False
    for record in batch:
        found = found or record["dynamodb"]["SequenceNumber"] in failed
        if found:
            yield record


def _invoker(stream: Stream) -> Any:
    # A function may take a minute, and a second attempt by the SDK would run beside the first.
    return get_session().create_client(
        "lambda",
        region_name=stream.region,
        endpoint_url=stream.world.endpoint,
        aws_access_key_id=stream.world.access_key_id,
        aws_secret_access_key=stream.world.secret_access_key,
        config=Config(read_timeout=100, retries={"total_max_attempts": 1}),
    )


def _as_lambda_sees(record: Event, arn: str) -> Event:
    """A record of the stream's API in the form that the function gets: times as seconds, bytes as base64."""
    seen: Event = json.loads(json.dumps(record, default=_plain))
    return {**seen, "eventSourceARN": arn}


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"no part of a record: {value!r}")
