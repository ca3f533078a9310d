"""Lambda function of the bare chain: each image in the queue is put into the table, whatever is there."""

import json
import os
from typing import Any

import boto3
from botocore.config import Config

# As cheap as the SDK can be made.
CONFIG = Config(parameter_validation=False, user_agent="benchmark")
TABLE = os.environ.get("TABLE_NAME", "benchmark-bare")
CLIENT = boto3.client("dynamodb", config=CONFIG)


def handler(event: dict[str, Any], _context: object) -> dict[str, list[Any]]:
    """Put a batch of images."""
    for record in event["Records"]:
        CLIENT.put_item(TableName=TABLE, Item=json.loads(record["body"]))
    # A function that logs nothing costs the emulator 50 ms of waiting for its first line.
    print("put", len(event["Records"]))
    return {"batchItemFailures": []}
