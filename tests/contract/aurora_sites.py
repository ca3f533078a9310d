"""Databases prepared for replication, and the production services of their regions over queues in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from distributary.adapters.aurora import install
from distributary.adapters.aurora.change_log import Identity, PostgresChangeLog
from distributary.adapters.aurora.clashes import PostgresClashes
from distributary.adapters.aurora.data_api_session import DataApiSession
from distributary.adapters.aurora.dependents import PostgresDependents
from distributary.adapters.aurora.known_tables import KnownTables
from distributary.adapters.aurora.names import table_name
from distributary.adapters.aurora.psycopg_session import PsycopgSession
from distributary.adapters.aurora.replica import PostgresReplica
from distributary.adapters.aurora.replicas import PostgresReplicas
from distributary.adapters.aurora.session import Session
from distributary.adapters.memory.queues import MemoryInboxes, MemoryOutbox, MemoryParking, MemoryQueue
from distributary.domain.alert import Alert
from distributary.domain.dataset import Dataset, Engine, ReplicaSite
from distributary.domain.facts import ApplyReport, LogReport
from distributary.domain.logged import Holding, Logged, Portion
from distributary.ports import ChangeLog
from distributary.services.apply import Apply
from distributary.services.bulk_merge import BulkMerge
from distributary.services.capture_log import CaptureLog
from distributary.services.deciding import merging_stamped
from distributary.services.handover import HandOver
from tests.contract.data_api import DataApi, data_api
from tests.contract.engines import data_api_client

REGIONS = ("us-east-1", "eu-west-1", "ap-southeast-2")
MASTER = "master"
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:master"
PLENTY = 60_000
LOCK_SECONDS = 30.0


def now() -> int:
    """Microseconds."""
    return time.time_ns() // 1000


def held(log: ChangeLog) -> Holding:
    """Hold a log: the server ends a session, and frees its lock, some time after the connection was closed."""
    deadline = time.monotonic() + LOCK_SECONDS
    while (holding := log.hold()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return holding


class Way(Enum):
    """How apply and the operator's commands reach a database; capture always connects."""

    DIRECT = "direct"
    DATA_API = "data_api"


BOTH_WAYS = pytest.mark.parametrize("way", list(Way), indirect=True, ids=lambda way: way.value)
"""For tests of what works over the Data API as well."""


def writes_of(portion: Portion) -> list[Logged]:
    """All that a portion tells, one by one."""
    return [*portion.writes, *(write for each in portion.blocks for write in each.writes())]


@dataclass
class Announced:
    """`ports.Announcements` that keeps what it is told."""

    alerts: list[Alert] = field(default_factory=list)

    def announce(self, alerts: Sequence[Alert]) -> None:
        self.alerts.extend(alerts)


@dataclass
class Site:
    """One database of a region. address: as its master, who is no superuser. application: writes as any client does.

    api: the Data API by which it is reached, if not directly. held: what is in the outbox. concurrent_after: see
    `patience`.
    """

    address: str
    region: str
    dataset: Dataset
    queues: dict[str, MemoryQueue]
    application: psycopg.Connection[Any]
    api: DataApi | None = None
    sessions: list[Session] = field(default_factory=list)
    announced: Announced = field(default_factory=Announced)
    parking: MemoryParking = field(default_factory=lambda: MemoryParking(pause=lambda _: None))
    slept: list[float] = field(default_factory=list)
    held: MemoryQueue = field(default_factory=lambda: MemoryQueue(now))
    concurrent_after: int = 0

    def session(self) -> Session:
        """A session of its own, in the way that the database is reached."""
        if self.api is None:
            return self.direct()
        client = data_api_client(self.api.endpoint, self.region)
        made = DataApiSession(client, self.cluster, SECRET, self.application.info.dbname)
        self.sessions.append(made)
        return made

    @property
    def cluster(self) -> str:
        """The ARN of its cluster."""
        return f"arn:aws:rds:us-east-1:123456789012:cluster:{self.application.info.dbname}"

    def direct(self) -> PsycopgSession:
        """A session of its own over a connection."""
        made = PsycopgSession(lambda: psycopg.connect(self.address))
        self.sessions.append(made)
        return made

    def write(self, *statements: str) -> None:
        """Each statement in a transaction of its own."""
        for statement in statements:
            self.application.execute(statement.encode())

    def ask(self, question: str) -> list[tuple[Any, ...]]:
        """What an application reads."""
        return self.application.execute(question.encode()).fetchall()

    def install(self, **options: Any) -> list[str]:
        """Prepare the database; the purposes of what was done."""
        return self.install_as(self.dataset, **options)

    def install_as(self, dataset: Dataset, **options: Any) -> list[str]:
        """Prepare the database as another file than the functions' describes it."""
        session = self.session()
        parts = install.plan(session, dataset, self.region, **options)
        install.carry_out(session, parts)
        session.close()
        return [part.purpose for part in parts]

    def log(self, rests: int = 0) -> PostgresChangeLog:
        """The database's log, which lets nobody wait unless that is asked for."""
        session = self.direct()
        known = KnownTables(session, self.dataset, self.region)
        identity = Identity(self.dataset.name, self.region, install.slot_of(self.dataset.name))
        return PostgresChangeLog(self.direct(), session, identity, known, now, rests)

    def replica(self, table: str) -> PostgresReplica:
        """The replica of a table."""
        session = self.session()
        return PostgresReplica(session, table_name(table), KnownTables(session, self.dataset, self.region))

    def capturing(self, rests: int = 0) -> CaptureLog:
        """The capture service."""
        log, session = self.log(rests), self.direct()
        known = KnownTables(session, self.dataset, self.region)
        inboxes = MemoryInboxes(self.queues, lambda _: None)
        outbox = MemoryOutbox(self.held, lambda _: None)
        replicas = PostgresReplicas(session, known)
        return CaptureLog(
            self.dataset, self.region, log, log, replicas, HandOver(self.dataset, self.region, inboxes, outbox),
            self.parking, self.announced, now, self.slept.append, replicas,
            deciding_of=PostgresReplicas(session, known, self.dataset),
        )  # fmt: skip

    def applying(self) -> Apply:
        """The apply service."""
        session = self.session()
        known = KnownTables(session, self.dataset, self.region)
        replicas, told = PostgresReplicas(session, known, self.dataset), self.dataset
        return Apply(
            self.dataset, "", self.region, replicas, self.parking, self.queues[self.region], now, lambda: "unique",
            self.slept.append, merging_stamped(self.dataset), PostgresClashes(session, known), 2000,
            BulkMerge(replicas, now, told.max_clock_drift, told.generation),
            concurrent_after=self.concurrent_after, dependents=PostgresDependents(session, known),
        )  # fmt: skip

    def capture(self) -> LogReport:
        """Follow the log until nothing new comes."""
        service, report = self.capturing(), LogReport()
        holding = held(service.log)
        report.retained = holding.retained
        report.alerts.extend(holding.alerts)
        try:
            while service._read(lambda: PLENTY, report, set()):
                pass
        finally:
            service.log.release()
            self.close_sessions()
        return report

    def apply(
        self, chosen: Callable[[list[str]], list[str]] = list, *, again: Callable[[], bool] = bool
    ) -> ApplyReport:
        """Work off the inbox once. chosen: which messages, in which order. again: whether to deliver one once more."""
        inbox = self.queues[self.region]
        messages = [inbox.receive(name, hidden=True) for name in chosen(list(inbox.visible()))]
        report = self.applying().run(messages, lambda: PLENTY)
        for message in messages:
            if message.id not in report.failed and not again():
                inbox.delete(message.id)
            else:
                inbox.postpone(message.receipt, 0)
        self.close_sessions()
        return report

    def apply_backwards(self) -> None:
        """Work off the inbox, each message in a call of its own, the newest first."""
        for left in range(len(self.queues[self.region].messages), 0, -1):
            self.apply(lambda visible, last=left - 1: visible[last : last + 1])  # type: ignore[misc]

    def close_sessions(self) -> None:
        for session in self.sessions:
            session.close()
        self.sessions.clear()


@contextmanager
def site(
    server: str, region: str = REGIONS[0], queues: dict[str, MemoryQueue] | None = None, way: Way = Way.DIRECT
) -> Iterator[Site]:
    """A database of its own on a running server, and nothing of it afterwards."""
    name = f"d{uuid4().hex[:12]}"
    queues = queues if queues is not None else {each: MemoryQueue(now) for each in REGIONS}
    dataset = Dataset(name, Engine.AURORA, tuple(map(ReplicaSite, REGIONS)))
    with psycopg.connect(server, autocommit=True) as superuser:
        _master(superuser)
        superuser.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(MASTER)))
        address = server.replace("user=postgres dbname=postgres", f"user={MASTER} dbname={name}")
        with psycopg.connect(address, autocommit=True) as application:
            made = Site(address, region, dataset, queues, application)
            try:
                with _reached(made, server, way):
                    yield made
            finally:
                made.close_sessions()
                _drop_slots(superuser, name)
        superuser.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _drop_slots(superuser: psycopg.Connection[Any], database: str) -> None:
    """Who reads one still, since his client died, is ended first."""
    superuser.execute(
        "SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots WHERE database = %s AND active",
        (database,),
    )
    slots = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = %s"
    superuser.execute(slots, (database,))


@contextmanager
def _reached(made: Site, server: str, way: Way) -> Iterator[None]:
    if way is Way.DIRECT:
        yield
        return
    with data_api() as service:
        service.secrets.add(SECRET)
        service.clusters[made.cluster] = server.replace("user=postgres dbname=postgres", f"user={MASTER}")
        made.api = service
        yield


def _master(superuser: psycopg.Connection[Any]) -> None:
    """Who works with the database on Aurora: no superuser."""
    if superuser.execute("SELECT FROM pg_roles WHERE rolname = %s", (MASTER,)).fetchone() is None:
        superuser.execute(f"CREATE ROLE {MASTER} LOGIN CREATEDB CREATEROLE REPLICATION")


@dataclass
class Sites:
    """The same dataset in several regions."""

    all: list[Site]

    def __iter__(self) -> Iterator[Site]:
        return iter(self.all)

    def write(self, *statements: str) -> None:
        """The same statements in every region."""
        for each in self.all:
            each.write(*statements)

    def install(self) -> None:
        for each in self.all:
            each.install()

    def settle(self) -> list[ApplyReport]:
        """Capture and apply everywhere until nothing is under way."""
        reports: list[ApplyReport] = []
        for _ in range(20):
            captured = [each.capture().writes for each in self.all]
            waiting = [bool(each.queues[each.region].messages) for each in self.all]
            reports += [each.apply() for each in self.all]
            if not any(captured) and not any(waiting):
                return reports
        raise AssertionError("it would not come to rest")

    def same(self, question: str) -> list[tuple[Any, ...]]:
        """The answer that all regions give."""
        answers = [each.ask(question) for each in self.all]
        assert all(answer == answers[0] for answer in answers), answers
        return answers[0]


@contextmanager
def sites(servers: Sequence[str], way: Way = Way.DIRECT) -> Iterator[Sites]:
    """One database a server, as regions of one dataset."""
    queues = {each: MemoryQueue(now) for each in REGIONS}
    with ExitStack() as stack:
        made = [stack.enter_context(site(at, region, queues, way)) for at, region in zip(servers, REGIONS, strict=True)]
        for each in made:
            each.dataset = made[0].dataset
        yield Sites(made)


def deleted_later(site: Site) -> None:
    """The tombstone of row 1, from elsewhere and with a later clock, though the row is there."""
    peer = REGIONS[1]
    ((stamp,),) = site.ask("SELECT replication_stamp FROM t WHERE id = 1")
    later = str(int(stamp[:16]) + 5_000_000)
    deletion = stamp.replace(stamp[:16], later).replace(REGIONS[0], peer).replace(" a ", " r ")
    context = f"{peer}={int(later):x}.{int(stamp[17:51], 16):x}"
    deletion = " ".join([*deletion.split(" ")[:4], context])
    site.write(
        f"""INSERT INTO distributary.tombstones (relation, key, stamp) VALUES ('"public"."t"', '["1"]', '{deletion}')"""
    )
