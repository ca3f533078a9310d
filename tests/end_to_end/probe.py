"""A function that makes one AWS call with the role of another function, and tells the error code."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from typing import Any

from local.clients import client
from local.world import World

SOURCE = """
import botocore.session
from botocore.exceptions import ClientError

def handler(event, context):
    session = botocore.session.get_session()
    client = session.create_client(event["service"], region_name=event["region"])
    try:
        getattr(client, event["operation"])(**event["arguments"])
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "allowed"
"""


@dataclass(frozen=True)
class Probe:
    """Stands in for one function of one region: same role, same layer."""

    world: World
    region: str
    name: str

    def call(self, service: str, operation: str, region: str | None = None, **arguments: Any) -> str:
        """Make the call; "allowed", or the error code that came back."""
        event = {
            "service": service,
            "operation": operation,
            "region": region or self.region,
            "arguments": arguments,
        }
        answer = client(self.world, "lambda", self.region).invoke(FunctionName=self.name, Payload=json.dumps(event))
        return str(json.loads(answer["Payload"].read()))


def probe_as(world: World, region: str, function: str) -> Probe:
    """Deploy a probe with the role and the code layer of a deployed function."""
    functions = client(world, "lambda", region)
    told = functions.get_function(FunctionName=function)["Configuration"]
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("probe.py", SOURCE)
    name = f"probe-{function}"
    functions.create_function(
        FunctionName=name,
        Runtime="python3.11",
        Role=told["Role"],
        Handler="probe.handler",
        Code={"ZipFile": archive.getvalue()},
        Layers=[layer["Arn"] for layer in told["Layers"]],
        Timeout=30,
    )
    return Probe(world, region, name)
