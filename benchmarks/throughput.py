"""A burst of rows in one region: the time until both of its peers have them all, of three chains in turn."""

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.chains import KEYS, Chain
from benchmarks.stage import DATASET, Stage, rest
from local.clients import client

ROWS = 1000
ROUNDS = 2
WRITERS = 4
POLL = 0.05
PATIENCE = 60.0


def measure(on: Stage) -> dict[str, Any]:
    """Rows a second, counted from the first write until the last row is in the last peer; the median of the rounds."""
    chains = (on.distributary, on.bare, on.naive)
    rates: dict[str, list[float]] = {chain.name: [] for chain in chains}
    for turn in range(ROUNDS):
        for chain in chains:
            rest(on.world)
            rates[chain.name].append(_burst(chain, f"burst-{turn}"))
    medians = {name: statistics.median(found) for name, found in rates.items()}
    return {
        "rows": ROWS,
        "row_writes": _row_writes(on),
        "peers": len(on.distributary.peers),
        "rows_per_second": medians,
        "rounds": rates,
        "ratio_to_bare": medians["distributary"] / medians["bare"],
        "ratio_to_naive": medians["distributary"] / medians["naive"],
    }


def _row_writes(on: Stage) -> str:
    """How Distributary writes rows on this emulator: `batched` as on AWS, or `single`."""
    functions = client(on.world, "lambda", on.distributary.source)
    told = functions.get_function_configuration(FunctionName=f"distributary-{DATASET}-apply")["Environment"][
        "Variables"
    ]
    return str(told.get("ROW_WRITES", "batched"))


def _burst(chain: Chain, prefix: str) -> float:
    rows = [f"{prefix}-{number}" for number in range(ROWS)]
    began = time.monotonic()
    with ThreadPoolExecutor(WRITERS) as pool:
        portions = [[(rows[at], at) for at in range(start, start + 25)] for start in range(0, ROWS, 25)]
        list(pool.map(chain.put_many, portions))
    for peer in chain.peers:
        _wait_for(chain, peer, rows, began + PATIENCE)
    return ROWS / (time.monotonic() - began)


def _wait_for(chain: Chain, peer: str, rows: list[str], deadline: float) -> None:
    missing = rows
    while missing:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{chain.name}: {len(missing)} of {len(rows)} rows did not arrive in {peer}")
        asked, later = missing[:KEYS], missing[KEYS:]
        found = chain.numbers(peer, asked)
        absent = [row for row in asked if row not in found]
        missing = absent + later
        if absent:
            time.sleep(POLL)
