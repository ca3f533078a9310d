"""AWS clients for the local world, as an application or an operator would build them."""

from functools import cache
from typing import Any

from botocore.config import Config
from botocore.session import get_session

from local.world import World

_CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 5}, max_pool_connections=32)


@cache
def client(world: World, service: str, region: str) -> Any:
    """The client of a service in a region; threads may share it."""
    return get_session().create_client(
        service,
        region_name=region,
        endpoint_url=world.endpoint,
        aws_access_key_id=world.access_key_id,
        aws_secret_access_key=world.secret_access_key,
        config=_CONFIG,
    )
