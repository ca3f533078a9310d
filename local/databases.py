"""The Aurora datasets of the local world: prepares their databases, and begins to follow their logs."""

from pathlib import Path

import psycopg

from distributary import settings, wiring_aurora
from distributary.adapters.aurora import install
from distributary.domain.dataset import Database, Dataset, Engine
from local.clients import client
from local.world import World


def prepare(world: World, replication: Path) -> None:
    """What `distributary aurora install` does, for every database of the world."""
    for dataset in settings.load(replication).datasets:
        if dataset.engine is Engine.AURORA:
            for region in dataset.regions:
                _prepare(world, dataset, region)


def _prepare(world: World, dataset: Dataset, region: str) -> None:
    session = wiring_aurora.operator_session(Database(dsn=world.aurora[region][dataset.name]), region)
    try:
        install.carry_out(session, install.plan(session, dataset, region))
    finally:
        session.close()


def follow(world: World) -> None:
    """Call every capture function once, since the emulator's schedules begin with a pause."""
    for region, addresses in world.aurora.items():
        for dataset in addresses:
            name = f"distributary-{dataset}-capture"
            client(world, "lambda", region).invoke(FunctionName=name, InvocationType="Event", Payload=b"{}")


def with_table(world: World, ddl: str, replication: Path) -> list[str]:
    """The Aurora datasets of the world, with one more table in each of their databases, which is replicated too."""
    for address in (address for addresses in world.aurora.values() for address in addresses.values()):
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(ddl.encode())
    prepare(world, replication)
    return sorted({dataset for addresses in world.aurora.values() for dataset in addresses})
