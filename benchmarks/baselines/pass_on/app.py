"""Lambda function of the bare chain: new images go to the queue of every peer, ten messages a request."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore.config import Config

# As cheap as the SDK can be made.
CONFIG = Config(parameter_validation=False, user_agent="benchmark")
HERE = os.environ["AWS_REGION"]
PEERS = os.environ["PEERS"].split(",")
CLIENTS: dict[str, Any] = {peer: boto3.client("sqs", region_name=peer, config=CONFIG) for peer in PEERS}
POOL = ThreadPoolExecutor(max_workers=len(PEERS))


def handler(event: dict[str, Any], _context: object) -> dict[str, list[Any]]:
    """Pass a batch of stream records on, but not what came from a peer."""
    images = [record["dynamodb"].get("NewImage", {"origin": {}}) for record in event["Records"]]
    bodies = [json.dumps({**image, "origin": {"S": HERE}}) for image in images if "origin" not in image]
    if bodies:
        list(POOL.map(lambda peer: _send(peer, bodies), PEERS))
    # A function that logs nothing costs the emulator 50 ms of waiting for its first line.
    print("passed on", len(event["Records"]))
    return {"batchItemFailures": []}


def _send(peer: str, bodies: list[str]) -> None:
    url = f"https://sqs.{peer}.amazonaws.com/{os.environ['ACCOUNT']}/benchmark-bare-inbox"
    for start in range(0, len(bodies), 10):
        entries = [{"Id": str(at), "MessageBody": body} for at, body in enumerate(bodies[start : start + 10])]
        answer = CLIENTS[peer].send_message_batch(QueueUrl=url, Entries=entries)
        if answer.get("Failed"):
            raise RuntimeError(answer["Failed"])
