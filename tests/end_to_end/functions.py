"""What the deployed functions have told in their logs."""

from __future__ import annotations

import json
import time
from typing import Any

from local.clients import client
from local.world import World


def now() -> int:
    """Milliseconds since 1970, as logs count."""
    return time.time_ns() // 1_000_000


def told(world: World, region: str, function: str, since: int) -> list[dict[str, Any]]:
    """The facts of each batch that a function has worked off since a time in milliseconds."""
    pages = client(world, "logs", region).get_paginator("filter_log_events")
    found: list[dict[str, Any]] = []
    for page in pages.paginate(logGroupName=f"/aws/lambda/distributary-orders-{function}", startTime=since):
        lines = [event["message"] for event in page["events"] if event["message"].startswith("{")]
        facts = [json.loads(line) for line in lines]
        found += [each for each in facts if each.get("message") in ("captured", "applied", "forwarded")]
    return found
