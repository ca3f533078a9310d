"""Lambda function of the naive chain: one PutItem a record and peer, straight from the stream."""

import os
from typing import Any

import boto3
from botocore.config import Config

# As cheap as the SDK can be made.
CONFIG = Config(parameter_validation=False, user_agent="benchmark")
ORIGIN = {"origin": {"S": os.environ["AWS_REGION"]}}
CLIENTS = [boto3.client("dynamodb", region_name=peer, config=CONFIG) for peer in os.environ["PEERS"].split(",")]


def handler(event: dict[str, Any], _context: object) -> dict[str, list[Any]]:
    """Put each new image into the table of every peer, but not what came from a peer."""
    for record in event["Records"]:
        image = record["dynamodb"].get("NewImage", ORIGIN)
        if "origin" in image:
            continue
        for client in CLIENTS:
            client.put_item(TableName="benchmark-naive", Item={**image, **ORIGIN})
    # A function that logs nothing costs the emulator 50 ms of waiting for its first line.
    print("put everywhere", len(event["Records"]))
    return {"batchItemFailures": []}
