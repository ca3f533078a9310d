"""Reads a table's change stream as the capture function is given it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from mypy_boto3_dynamodb import DynamoDBClient
from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient

from distributary.adapters.dynamodb.stream import record_from
from distributary.adapters.dynamodb.values import image_from_sdk
from distributary.domain.change import StreamRecord

IMAGES = ("Keys", "OldImage", "NewImage")


def stream_records(
    client: DynamoDBClient, streams: DynamoDBStreamsClient, table: str, *, expected: int = 0, seconds: float = 10.0
) -> list[StreamRecord]:
    """All records of a table's stream, oldest first; waits for at least as many as are expected."""
    arn = client.describe_table(TableName=table)["Table"]["LatestStreamArn"]
    deadline = time.monotonic() + seconds
    while True:
        events = _events(streams, arn)
        if len(events) >= expected or time.monotonic() > deadline:
            return sorted((record_from(event) for event in events), key=lambda record: record.sequence)
        time.sleep(0.1)


def _events(streams: DynamoDBStreamsClient, arn: str) -> list[dict[str, Any]]:
    events = []
    for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        start = streams.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")[
            "ShardIterator"
        ]
        while start:
            page = streams.get_records(ShardIterator=start)
            events += [_event(record) for record in page["Records"]]
            start = page.get("NextShardIterator", "") if page["Records"] else ""
    return events


def _event(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record as Lambda delivers it: binary values as base64 text, the creation time in seconds."""
    body = dict(record["dynamodb"])
    body["ApproximateCreationDateTime"] = body["ApproximateCreationDateTime"].timestamp()
    body.update({name: image_from_sdk(body[name]) for name in IMAGES if name in body})
    return {"eventName": record["eventName"], "dynamodb": body}
