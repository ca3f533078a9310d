"""Options that say which database a command means, and a session for each database that is meant."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from distributary import settings, wiring_aurora
from distributary.adapters.aurora.session import Session
from distributary.domain.dataset import Database, Dataset, Engine
from distributary.domain.errors import InvalidSettings
from local import world as local_world

ReplicationFile = Annotated[Path, typer.Option("--replication", help="What is replicated, and where.")]
DatasetName = Annotated[str, typer.Option("--dataset", help="The dataset; none for the file's only one of Aurora.")]
Region = Annotated[str, typer.Option(help="The region of the database; needed with --dsn, --host and --cluster-arn.")]
Dsn = Annotated[str, typer.Option(help="A connection string, password included.", envvar="DISTRIBUTARY_DSN")]
Host = Annotated[str, typer.Option(help="The cluster's writer endpoint; logs in by IAM over TLS.")]
Port = Annotated[int, typer.Option(help="The port of --host.")]
Name = Annotated[str, typer.Option("--database", help="The database of --host or --cluster-arn.")]
User = Annotated[str, typer.Option(help="The user of --host.")]
ClusterArn = Annotated[str, typer.Option(help="The cluster, through the RDS Data API: from anywhere, without its VPC.")]
SecretArn = Annotated[str, typer.Option(help="The secret of the user for --cluster-arn.")]
Authorities = Annotated[str, typer.Option(help="The file of Amazon's certificates; the system's own where left out.")]


@dataclass(frozen=True)
class Target:
    """One database: of which replica, and a session for it."""

    dataset: Dataset
    region: str
    session: Session


def targets(replication: Path, dataset: str, region: str, wanted: Database) -> list[Target]:
    """The databases that are meant: the one that is named, or all of the local world."""
    chosen = _dataset(replication, dataset)
    if wanted.cluster_arn and (wanted.dsn or wanted.host or not wanted.secret_arn):
        raise InvalidSettings("--cluster-arn: takes --secret-arn, and neither --dsn nor --host; name one way there")
    named = bool(wanted.dsn or wanted.host or wanted.cluster_arn)
    if region not in (chosen.regions if named else ("", *chosen.regions)):
        raise InvalidSettings(f"--region: {region!r} is no region of {chosen.name}; name one of {chosen.regions}")
    if named:
        return [Target(chosen, region, wiring_aurora.operator_session(wanted, region))]
    running = local_world.recorded()
    if running is None or running.process() is None:
        raise InvalidSettings("name a database with --dsn, --host or --cluster-arn, or start a local world: make up")
    return [
        Target(chosen, each, wiring_aurora.operator_session(Database(dsn=addresses[chosen.name]), each))
        for each, addresses in running.aurora.items()
        if chosen.name in addresses and region in ("", each)
    ]


def _dataset(replication: Path, name: str) -> Dataset:
    found = [each for each in settings.load(replication).datasets if each.engine is Engine.AURORA]
    chosen = [each for each in found if name in ("", each.name)]
    if len(chosen) != 1:
        names = ", ".join(each.name for each in found) or "none"
        raise InvalidSettings(f"--dataset: {name!r} does not name one of {replication}'s datasets of Aurora: {names}")
    return chosen[0]
