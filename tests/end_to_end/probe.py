"""A function that makes one AWS call with a given role, such as another function's, and tells the error code."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore

from local.clients import client
from local.world import World

# Functions cannot call these services at all: the code layer does not describe them. A probe brings descriptions along.
FORBIDDEN_SERVICES = ("dynamodbstreams", "iam", "lambda", "s3", "secretsmanager")
DESCRIPTIONS = Path(botocore.__file__).parent / "data"
SOURCE = """
import os
import botocore.session
from botocore.exceptions import ClientError

def handler(event, context):
    session = botocore.session.get_session()
    descriptions = os.path.join(os.path.dirname(__file__), "descriptions")
    session.get_component("data_loader").search_paths.append(descriptions)
    client = session.create_client(event["service"], region_name=event["region"])
    try:
        getattr(client, event["operation"])(**event["arguments"])
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "allowed"
"""


@dataclass(frozen=True)
class Probe:
    """A deployed function that does what it is told, as far as its role lets it."""

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


def role_of(world: World, region: str, function: str) -> str:
    """The role of a deployed function."""
    told = client(world, "lambda", region).get_function(FunctionName=function)
    return str(told["Configuration"]["Role"])


def probe_as(world: World, region: str, role: str) -> Probe:
    """Deploy a probe with a role, and with the SDK out of the code layer."""
    functions = client(world, "lambda", region)
    layers = functions.get_function(FunctionName="distributary-orders-apply")["Configuration"]["Layers"]
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("probe.py", SOURCE)
        for service in FORBIDDEN_SERVICES:
            for file in (DESCRIPTIONS / service).rglob("*.json*"):
                zipped.write(file, Path("descriptions", file.relative_to(DESCRIPTIONS)))
    name = f"probe-{role.rpartition('/')[2]}"
    functions.create_function(
        FunctionName=name,
        Runtime="python3.11",
        Role=role,
        Handler="probe.handler",
        Code={"ZipFile": archive.getvalue()},
        Layers=[layer["Arn"] for layer in layers if ":distributary-orders-code:" in layer["Arn"]],
        Timeout=30,
    )
    return Probe(world, region, name)
