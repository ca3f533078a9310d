"""The only place that builds clients and adapters and hands them to services; once for each container."""

from __future__ import annotations

import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any

from botocore import __version__ as botocore_version
from botocore.config import Config
from botocore.session import Session

from distributary import telemetry
from distributary.adapters.breaker import BreakingInboxes
from distributary.adapters.dynamodb.replica import DynamoReplica
from distributary.adapters.events import EventBridgeConflicts
from distributary.adapters.journal import RecordingJournal
from distributary.adapters.journal_table import JournalTable
from distributary.adapters.queues import SqsInboxes, SqsOutbox, SqsParked, SqsParking, SqsWaiting, queue_url
from distributary.adapters.sdk_errors import translated
from distributary.domain.dataset import Dataset, Engine
from distributary.domain.journal import Redaction
from distributary.ports import Inboxes, Journal
from distributary.services.apply import Apply
from distributary.services.capture import Capture
from distributary.services.deciding import merging, settling
from distributary.services.forward import Forward
from distributary.services.redrive import Redrive
from distributary.settings import FunctionSettings, function_settings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

_LEAN = Config(
    # Values are checked where they are turned into the SDK's; what DynamoDB refuses beyond that is parked as well.
    parameter_validation=False,
    # A text of our own is sent as it is. The SDK's is put together anew, twice for each request.
    user_agent=f"distributary botocore/{botocore_version}",
)
DATABASE = _LEAN.merge(Config(connect_timeout=2, read_timeout=8, retries={"mode": "standard", "total_max_attempts": 3}))
QUEUE = _LEAN.merge(Config(connect_timeout=2, read_timeout=4, retries={"mode": "standard", "total_max_attempts": 2}))
"""A peer that hangs costs one batch of forward 8 s; capture waits for none that long, see `adapters.breaker`."""

JOURNAL = _LEAN.merge(Config(connect_timeout=1, read_timeout=1, retries={"mode": "standard", "total_max_attempts": 1}))
"""What holds no change up: a conflict that is not on record after a second is counted instead."""


@cache
def settings() -> FunctionSettings:
    """What this function was told, its policies' own functions loaded; raises InvalidSettings at cold start."""
    told = function_settings()
    if not any(rule.function for rule in told.dataset.attributes.values()):
        return told
    # Most datasets have none, and what loads them is then not imported.
    from distributary.policy_functions import load_functions  # noqa: PLC0415

    return replace(told, dataset=replace(told.dataset, functions=load_functions(told.dataset)))


@cache
def capture() -> Capture:
    """The capture service of this replica."""
    told = settings()
    return Capture(
        dataset=told.dataset,
        table=told.table,
        region=told.region,
        replica=_replica(told),
        inboxes=breaking_inboxes(),
        outbox=SqsOutbox(sqs(told.region), told.outbox_url),
        parking=SqsParking(sqs(told.region), told.parked_url),
        clock=clock,
        unique=unique,
        spread=side_by_side().map,
        settling=settling(told.dataset),
        journal=journal(),
    )


@cache
def apply() -> Apply:
    """The apply service of this replica."""
    told = settings()
    if told.dataset.engine is Engine.AURORA:
        # psycopg is not in the layers of a DynamoDB dataset, and would be a third of its cold start.
        from distributary import wiring_aurora  # noqa: PLC0415

        return wiring_aurora.apply()
    replica = _replica(told)
    return Apply(
        dataset=told.dataset,
        table=told.table,
        region=told.region,
        replica_of=lambda _: replica,
        parking=SqsParking(sqs(told.region), told.parked_url),
        waiting=SqsWaiting(sqs(told.region), told.inbox_url),
        clock=clock,
        unique=unique,
        sleep=time.sleep,
        decide=merging(told.dataset),
        journal=journal(),
    )


@cache
def forward() -> Forward:
    """The forward service of this replica."""
    told = settings()
    return Forward(
        dataset=told.dataset,
        inboxes=_inboxes(told),
        parking=SqsParking(sqs(told.region), told.parked_url),
        waiting=SqsWaiting(sqs(told.region), told.outbox_url),
        clock=clock,
    )


@cache
def journal() -> Journal | None:
    """The journal of this replica; none where the stack has none. Its clients are made with the first conflict."""
    told = settings()
    if not told.journal:
        return None
    return RecordingJournal(
        told.dataset,
        JournalTable(lambda: _quick("dynamodb", told.region), told.journal),
        EventBridgeConflicts(lambda: _quick("events", told.region)),
        lambda: redaction(told.dataset, told.region, told.journal_secret),
        telemetry.unjournaled,
    )


def redaction(dataset: Dataset, region: str, secret: str) -> Redaction:
    """What is hashed before it is kept. secret: the name of the hashes' key, empty where there is none."""
    if not (dataset.redact and secret):
        return Redaction(dataset.redact)
    return Redaction(dataset.redact, _secret(region, secret))


@cache
def _secret(region: str, name: str) -> bytes:
    with translated("GetSecretValue of the journal's secret"):
        text: str = _quick("secretsmanager", region).get_secret_value(SecretId=name)["SecretString"]
    return text.encode()


@cache
def _quick(service: str, region: str) -> Any:
    """A client that gives up after a second."""
    return client(service, region, JOURNAL)


def parked(dataset: str, region: str) -> SqsParked:
    """The parked queue of a replica, for an operator; raises MissingResource where there is none."""
    return SqsParked(sqs(region), _url_of(region, f"distributary-{dataset}-parked"))


def redrive(dataset: str, region: str, *, dead_letters: bool = False) -> Redrive:
    """The redrive service of a replica, for an operator; raises MissingResource where there is none.

    dead_letters: of the inbox, in place of what is parked. SQS's own redrive is refused: it sends as who asks for it,
    and the inbox admits capture and forward functions only.
    """
    outbox = SqsOutbox(sqs(region), _url_of(region, f"distributary-{dataset}-outbox"))
    if dead_letters:
        dead = SqsParked(sqs(region), _url_of(region, f"distributary-{dataset}-inbox-dead"), dead_letters=True)
        return Redrive(region, dead, outbox)
    return Redrive(region, parked(dataset, region), outbox)


@cache
def side_by_side() -> ThreadPoolExecutor:
    """Threads for one call to every peer at once."""
    return ThreadPoolExecutor(max_workers=max(1, len(settings().dataset.replicas) - 1))


@cache
def breaking_inboxes() -> Inboxes:
    """The inboxes of all replicas, none of which is waited for long."""
    peers = max(1, len(settings().dataset.replicas) - 1)
    return BreakingInboxes(_inboxes(settings()), ThreadPoolExecutor(max_workers=2 * peers))


def clock() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000


def unique() -> str:
    """Twelve characters that were never drawn before."""
    return secrets.token_urlsafe(9)


def _replica(told: FunctionSettings) -> DynamoReplica:
    made: DynamoDBClient = client("dynamodb", told.region, DATABASE)
    return DynamoReplica(made, table=told.table, tombstones=told.tombstones, now=clock, batched=told.batched_row_writes)


def _inboxes(told: FunctionSettings) -> Inboxes:
    urls = {
        site.region: queue_url(site.region, site.account or told.account, told.inbox_name, told.url_suffix)
        for site in told.dataset.replicas
    }
    return SqsInboxes(sqs, urls)


def _url_of(region: str, queue: str) -> str:
    with translated(f"GetQueueUrl of {queue}"):
        return sqs(region).get_queue_url(QueueName=queue)["QueueUrl"]


@cache
def sqs(region: str) -> SQSClient:
    """The client of a region's queues."""
    made: SQSClient = client("sqs", region, QUEUE)
    return made


def client(service: str, region: str, config: Config) -> Any:
    """A client of the SDK."""
    # One session reads the descriptions of services once. It makes clients one at a time, whatever thread asks.
    with _one_at_a_time:
        return _session().create_client(service, region_name=region, config=config)


_one_at_a_time = Lock()


@cache
def _session() -> Session:
    session = Session()
    # Beside a user agent of our own the SDK leaves out the application's name, which tells callers apart in logs.
    name = session.get_config_variable("user_agent_appid")
    if name:
        session.user_agent_extra = f"app/{name}"
    return session
