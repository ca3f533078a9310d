"""Aurora: slot to applied rows beside PostgreSQL's own replication, the cost of the stamping trigger, and TPC-B.

Both replicate the same tables between two servers of PostgreSQL 18 on this machine, one after the other. What is
written waits in both cases: the clock runs from the moment when replication is let loose until the last row is there.
Ours is processes of two regions, with a pipe for their queue: one reads the slot, and two apply, as a queue calls some
functions at once.
"""

import multiprocessing
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from queue import Empty
from typing import Any

import psycopg

from distributary import wiring_aurora
from distributary.adapters.aurora.change_log import RESTS
from distributary.domain.policies import AttributePolicy, AttributeRule
from tests.contract.aurora_sites import REGIONS, Site, site, sites
from tests.contract.postgresql import postgresql
from tests.contract.test_aurora_tpcb import ROWS as SAME_ROWS
from tests.contract.tpcb import COUNTERS, PGBENCH, TABLES, drain, prepare, writing

VERSION = 18
ROWS = 120_000
HOT = 1_000
APPLIERS = 2
"""Processes that apply; the template lets a queue call up to 50 functions at once."""
ROUNDS = 3
PGBENCH_SECONDS = 6
TPCB_SECONDS = 60
TABLE = "CREATE TABLE t (id int PRIMARY KEY, n bigint NOT NULL, s text NOT NULL)"
WORKLOADS = {
    "bulk inserts": (None, f"INSERT INTO t SELECT g, g, md5(g::text) FROM generate_series(1, {ROWS}) g"),
    "uniform updates": (
        f"INSERT INTO t SELECT g, g, md5(g::text) FROM generate_series(1, {ROWS}) g",
        "UPDATE t SET n = n + 1",
    ),
    f"updates of {HOT} hot rows": (
        f"INSERT INTO t SELECT g, g, md5(g::text) FROM generate_series(1, {HOT}) g",
        f"DO $$ BEGIN FOR i IN 1..{ROWS // HOT} LOOP UPDATE t SET n = n + 1; END LOOP; END $$",
    ),
}
SUM = "SELECT count(*), coalesce(sum(n), 0) FROM t"


def measure() -> dict[str, Any]:
    """Rows a second of both, the ratio for each workload, and the trigger's share of a writer's rate."""
    with postgresql(VERSION) as one, postgresql(VERSION) as other:
        found: dict[str, Any] = {
            name: _compare(one, other, before, writes) for name, (before, writes) in WORKLOADS.items()
        }
        trigger = _trigger(one)
    with postgresql(VERSION, fsync="on") as durable:
        trigger_durable = _trigger(durable)
    return {
        "rows": ROWS,
        "version": VERSION,
        "throughput": found,
        "trigger": trigger,
        "trigger_durable": trigger_durable,
        "tpcb": _tpcb(),
        "tpcb_counters": _tpcb(COUNTERS),
    }


def _compare(one: str, other: str, before: str | None, writes: str) -> dict[str, Any]:
    rates: dict[str, list[float]] = {"native": [], "ours": []}
    for _ in range(ROUNDS):
        rates["native"].append(ROWS / _native(one, other, before, writes))
        rates["ours"].append(ROWS / _ours(one, other, before, writes))
    medians = {name: statistics.median(each) for name, each in rates.items()}
    return {"rows_per_second": medians, "rounds": rates, "ratio": medians["ours"] / medians["native"]}


def _native(one: str, other: str, before: str | None, writes: str) -> float:
    """Seconds from enabling a subscription until all is there."""
    with site(one, REGIONS[0]) as source, site(other, REGIONS[1]) as target:
        for each in (source, target):
            each.write(TABLE)
            if before:
                each.write(before)
        source.write("CREATE PUBLICATION native FOR TABLE t")
        with psycopg.connect(_as_superuser(other, target), autocommit=True) as superuser:
            address = _as_superuser(one, source).replace("'", "''")
            options = "copy_data = false, enabled = false"
            superuser.execute(
                f"CREATE SUBSCRIPTION native CONNECTION '{address}' PUBLICATION native WITH ({options})".encode()
            )
            source.write(writes)
            began = time.monotonic()
            superuser.execute("ALTER SUBSCRIPTION native ENABLE")
            _wait(source, target)
            seconds = time.monotonic() - began
            superuser.execute("DROP SUBSCRIPTION native")
    return seconds


def _ours(one: str, other: str, before: str | None, writes: str) -> float:
    """Seconds from the first reading of the slot until all is there."""
    with site(one, REGIONS[0]) as source, site(other, REGIONS[1]) as target:
        target.dataset = source.dataset
        for each in (source, target):
            each.write(TABLE)
            each.install()
        if before:
            source.write(before)
            with _pipeline(source, target):
                _wait(source, target)
        source.write(writes)
        began = time.monotonic()
        with _pipeline(source, target):
            _wait(source, target)
            return time.monotonic() - began


@contextmanager
def _pipeline(source: Site, target: Site) -> Iterator[None]:
    """All processes at work, forked so that their code is loaded already, as a warm function's is."""
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    source_at, target_at = ((each.address, each.region, each.dataset) for each in (source, target))
    places = [(_capture, source_at), *[(_apply, target_at)] * APPLIERS]
    workers = [context.Process(target=work, args=(*place, queue)) for work, place in places]
    for worker in workers:
        worker.start()
    try:
        yield
    finally:
        for worker in workers:
            worker.terminate()
            worker.join()


class _Pipe:
    """`ports.Inboxes` whose one peer reads from the other end."""

    def __init__(self, queue: Any, peer: str) -> None:
        self._queue, self._peer = queue, peer

    def send(self, region: str, messages: Any) -> None:
        """See `ports.Inboxes`."""
        if region == self._peer:
            for message in messages:
                self._queue.put(message)


def _capture(address: str, region: str, dataset: Any, queue: Any) -> None:
    from dataclasses import replace  # noqa: PLC0415 - in the forked process only

    from distributary.services.handover import HandOver  # noqa: PLC0415

    wiring_aurora.look_for_cycles_seldom()
    own = Site(address, region, dataset, {}, psycopg.connect(address, autocommit=True))
    service = own.capturing(RESTS)
    inboxes = _Pipe(queue, REGIONS[1])
    service = replace(service, handover=HandOver(dataset, region, inboxes, service.handover.outbox), sleep=time.sleep)
    for report in service.run(lambda: 600_000):
        if report.failure is not None:
            sys.exit(str(report.failure))


def _apply(address: str, region: str, dataset: Any, queue: Any) -> None:
    from dataclasses import replace  # noqa: PLC0415

    from distributary.adapters.memory.queues import MemoryQueue  # noqa: PLC0415
    from distributary.domain.delivery import Received  # noqa: PLC0415
    from tests.contract.aurora_sites import now  # noqa: PLC0415

    wiring_aurora.look_for_cycles_seldom()
    own = Site(address, region, dataset, {region: MemoryQueue(now)}, psycopg.connect(address, autocommit=True))
    service = replace(own.applying(), sleep=time.sleep)
    while True:
        bodies = [queue.get()]
        with suppress(Empty):
            while len(bodies) < 10:
                bodies.append(queue.get_nowait())
        report = service.run([Received(str(at), "", body, 1, now()) for at, body in enumerate(bodies)], lambda: 600_000)
        if report.failed:
            sys.exit(str(report.failed))


def _wait(source: Site, target: Site) -> None:
    wanted = source.ask(SUM)
    while target.ask(SUM) != wanted:
        time.sleep(0.02)


def _as_superuser(server: str, database: Site) -> str:
    return server.replace("dbname=postgres", f"dbname={database.dataset.name}")


def _trigger(server: str) -> dict[str, Any]:
    """Updates a second of one client, with and without triggers, in turn."""
    script = Path(__file__).parent / "results" / "update.sql"
    script.parent.mkdir(exist_ok=True)
    script.write_text("\\set id random(1, 10000)\nUPDATE t SET n = n + 1 WHERE id = :id;\n", encoding="utf-8")
    rates: dict[str, list[float]] = {"plain": [], "stamped": [], "counter": []}
    for _ in range(ROUNDS):
        for kind, each in rates.items():
            with site(server) as one:
                one.write(TABLE, "INSERT INTO t SELECT g, g, md5(g::text) FROM generate_series(1, 10000) g")
                if kind == "counter":
                    rules = {"public.t.n": AttributeRule(AttributePolicy.COUNTER)}
                    one.dataset = replace(one.dataset, attributes=rules)
                if kind != "plain":
                    one.install()
                    one.write("UPDATE t SET n = n")
                    one.capture()
                one.write("VACUUM ANALYZE t")
                each.append(_pgbench(one.address, script))
    script.unlink()
    medians = {name: statistics.median(each) for name, each in rates.items()}
    cost = 1 - medians["stamped"] / medians["plain"]
    return {"updates_per_second": medians, "rounds": rates, "cost": cost}


def _tpcb(attributes: Mapping[str, AttributeRule] | None = None) -> dict[str, Any]:
    """TPC-B by eight clients in each of three regions; how long until all is equal, and whether it is."""
    with ExitStack() as stack:
        servers = [stack.enter_context(postgresql(version)) for version in (16, 18, 16)]
        places = stack.enter_context(sites(servers))
        prepare(places, attributes)
        rates = writing(places, TPCB_SECONDS)
        ended = time.monotonic()
        drain(places)
        seconds = time.monotonic() - ended
        counts = {table: places.same(f"SELECT count(*), {SAME_ROWS} FROM {table} t")[0][0] for table in TABLES}
    return {"seconds": TPCB_SECONDS, "transactions_per_second": rates, "equal_after": seconds, "rows": counts}


def _pgbench(address: str, script: Path) -> float:
    options = ["-n", "-M", "prepared", "-c", "1", "-T", str(PGBENCH_SECONDS), "-f", str(script)]
    done = subprocess.run([PGBENCH, *options, address], capture_output=True, text=True, check=True)
    match = re.search(r"tps = ([\d.]+)", done.stdout)
    if match is None:
        raise RuntimeError(done.stdout)
    return float(match[1])
