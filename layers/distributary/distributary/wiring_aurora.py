"""Builds what an Aurora dataset takes, once for each container: sessions, replicas of tables, the log, the services.

psycopg is imported where a direct connection is made: a function that goes through the Data API need not have it.
"""

from __future__ import annotations

import gc
import time
from functools import cache
from typing import TYPE_CHECKING

from botocore.config import Config

from distributary import wiring
from distributary.adapters.aurora.change_log import Identity, PostgresChangeLog
from distributary.adapters.aurora.clashes import PostgresClashes
from distributary.adapters.aurora.data_api_session import DataApiSession
from distributary.adapters.aurora.dependents import PostgresDependents
from distributary.adapters.aurora.install import slot_of
from distributary.adapters.aurora.known_tables import KnownTables
from distributary.adapters.aurora.replicas import PostgresReplicas
from distributary.adapters.aurora.session import Session, StreamingSession
from distributary.adapters.events import EventBridgeAnnouncements
from distributary.adapters.queues import SqsOutbox, SqsParking, SqsWaiting
from distributary.domain.dataset import Database
from distributary.services.apply import Apply
from distributary.services.bulk_merge import BulkMerge
from distributary.services.capture_log import CaptureLog
from distributary.services.deciding import merging_stamped
from distributary.services.handover import HandOver

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_rds import RDSClient
    from mypy_boto3_rds_data import RDSDataServiceClient

READING = 880_000
"""Milliseconds that the reading of a slot may take, and the hand-over of what is read: nearly all that capture has."""

WRITING = 25_000
"""Milliseconds for any other statement, less than half of what apply has."""

OPERATING = 600_000
"""Milliseconds for a statement of an operator's, such as one that waits for the writers of a table."""

OVER_HTTP = 40_000
"""The same over the Data API, which gives up after 45 seconds."""

DATA_API = wiring.DATABASE.merge(Config(read_timeout=50))
"""Longer than the API works on a statement. What is sent twice does no harm: it is part of one transaction."""

CHUNK = 2_000
"""Changes that are merged side by side: a statement for many rows costs little more than for one."""

LOOKED_THROUGH_AT = 10_000
"""New objects at which Python looks for cycles among them, in place of 700: rows are many objects and have none."""


@cache
def capture_log() -> CaptureLog:
    """The capture service of this replica. It takes two connections: one reads the log, one does all else."""
    look_for_cycles_seldom()
    told = wiring.settings()
    session = _session(WRITING)
    known = KnownTables(session, told.dataset, told.region)
    replicas = PostgresReplicas(session, known)
    identity = Identity(told.dataset.name, told.region, slot_of(told.dataset.name))
    events: EventBridgeClient = wiring.client("events", told.region, wiring.QUEUE)
    outbox = SqsOutbox(wiring.sqs(told.region), told.outbox_url)
    log = PostgresChangeLog(_session(READING), session, identity, known, wiring.clock)
    return CaptureLog(
        dataset=told.dataset,
        region=told.region,
        log=log,
        source=log,
        replica_of=replicas,
        handover=HandOver(told.dataset, told.region, wiring.breaking_inboxes(), outbox, wiring.side_by_side().map),
        parking=SqsParking(wiring.sqs(told.region), told.parked_url),
        announcements=EventBridgeAnnouncements(events, dataset=told.dataset.name, region=told.region),
        clock=wiring.clock,
        sleep=time.sleep,
        bulk_of=replicas,
        journal=wiring.journal(),
        deciding_of=PostgresReplicas(session, known, told.dataset),
    )


@cache
def apply() -> Apply:
    """The apply service of this replica. It takes one connection, or the Data API."""
    look_for_cycles_seldom()
    told = wiring.settings()
    session = _over_http(told.database, told.region, WRITING) if told.database.over_http else _session(WRITING)
    known = KnownTables(session, told.dataset, told.region)
    replicas = PostgresReplicas(session, known, told.dataset)
    return Apply(
        dataset=told.dataset,
        table=told.dataset.name,
        region=told.region,
        replica_of=replicas,
        parking=SqsParking(wiring.sqs(told.region), told.parked_url),
        waiting=SqsWaiting(wiring.sqs(told.region), told.inbox_url),
        clock=wiring.clock,
        unique=wiring.unique,
        sleep=time.sleep,
        decide=merging_stamped(told.dataset),
        clashes=PostgresClashes(session, known),
        dependents=PostgresDependents(session, known),
        chunk=CHUNK,
        bulk=BulkMerge(replicas, wiring.clock, told.dataset.max_clock_drift, told.dataset.generation),
        journal=wiring.journal(),
    )


def look_for_cycles_seldom() -> None:
    """For the whole process: the looks were a fifth of capture's time. What is in no cycle is freed at once anyway."""
    gc.set_threshold(LOOKED_THROUGH_AT)


def operator_session(database: Database, region: str) -> Session:
    """A session for an operator's command."""
    if database.over_http:
        return _over_http(database, region, OVER_HTTP)
    return _direct(database, region, OPERATING)


def _session(timeout: int) -> StreamingSession:
    told = wiring.settings()
    return _direct(told.database, told.region, timeout)


def _direct(database: Database, region: str, timeout: int) -> StreamingSession:
    from distributary.adapters.aurora.connections import connector  # noqa: PLC0415
    from distributary.adapters.aurora.psycopg_session import PsycopgSession  # noqa: PLC0415

    return PsycopgSession(connector(database, lambda: _rds(region), region), statement_timeout=timeout)


def _over_http(database: Database, region: str, timeout: int) -> Session:
    made: RDSDataServiceClient = wiring.client("rds-data", region, DATA_API)
    return DataApiSession(made, database.cluster_arn, database.secret_arn, database.name, statement_timeout=timeout)


@cache
def _rds(region: str) -> RDSClient:
    made: RDSClient = wiring.client("rds", region, wiring.QUEUE)
    return made
