"""What was measured, as tables for people."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table


def show(found: Mapping[str, Any], console: Console) -> None:
    """Print a table for each part that was measured."""
    shows = {"lag": _lag, "throughput": _throughput, "cpu": _cpu, "cold": _cold, "policies": _policies}
    for part, table in shows.items():
        if part in found:
            console.print(table(found[part]))
    if "aurora" in found:
        console.print(_aurora(found["aurora"]), _trigger(found["aurora"]), _tpcb(found["aurora"]["tpcb"], ""))
        console.print(_tpcb(found["aurora"]["tpcb_counters"], ", counters for the balances"))
    if "aurora_lag" in found:
        console.print(_aurora_lag(found["aurora_lag"]))


def _lag(found: Mapping[str, Any]) -> Table:
    rates: Mapping[str, Any] = found["writes_per_second"]
    ratios = "; ".join(f"{each['p50_ratio']:.2f} at {rate} writes a second" for rate, each in rates.items())
    table = Table(
        *("writes a second", "chain", "p50 ms", "p90 ms", "p99 ms", "slowest ms", "writes", "never seen"),
        title="Lag from one region to two, as seen in one of them",
        caption=f"p50 against the bare chain (aim: at most 1.5): {ratios}.",
    )
    for rate, each in rates.items():
        for name, lag in each["milliseconds"].items():
            cells = [f"{lag[cell]:.0f}" for cell in ("p50", "p90", "p99", "maximum", "samples", "unseen")]
            table.add_row(rate, name, *cells)
    return table


def _throughput(found: Mapping[str, Any]) -> Table:
    table = Table(
        *("chain", "rows a second", "rounds"),
        title=f"A burst of {found['rows']} rows, from one region into {found['peers']}",
        caption=f"{found['ratio_to_bare']:.2f} times the bare chain (aim: at least 1), "
        f"{found['ratio_to_naive']:.2f} times the naive function. "
        f"Row writes of Distributary: {found['row_writes']}.",
    )
    for name, rate in found["rows_per_second"].items():
        table.add_row(name, f"{rate:.0f}", ", ".join(f"{each:.0f}" for each in found["rounds"][name]))
    return table


def _cpu(found: Mapping[str, Any]) -> Table:
    functions: Mapping[str, Any] = found["functions"]
    sizes = list(next(iter(functions.values()))["microseconds"])
    table = Table(
        *("function", *(f"{size} a call" for size in sizes), "where it goes (1000 a call)"),
        title="CPU time a record, µs of this machine (times that of one PutItem a record)",
    )
    for name, each in functions.items():
        ratios = found["ratio_to_put_item"][name]
        cells = [f"{each['microseconds'][size]:.0f} ({ratios[size]:.2f})" for size in sizes]
        packages = list(each["profiles"]["1000"]["packages"].items())[:3]
        table.add_row(name, *cells, ", ".join(f"{package} {share:.0%}" for package, share in packages))
    return table


def _cold(found: Mapping[str, Any]) -> Table:
    table = Table(
        *(
            "function",
            "import ms",
            "times botocore",
            "clients ms",
            "memory MB",
            "all compiled: import ms",
            "clients ms",
        ),
        title="Cold start, as built for deployment",
        caption="Aim: an import under 300 ms.",
    )
    compiled = found["compiled"]
    for name, each in found["as built"].items():
        cells = [f"{each['import_ms']:.0f}", f"{each['import_ratio']:.2f}", f"{each['clients_ms']:.0f}"]
        cells += [f"{each['memory_mb']:.0f}", f"{compiled[name]['import_ms']:.0f}"]
        table.add_row(name, *cells, f"{compiled[name]['clients_ms']:.0f}")
    return table


def _aurora(found: Mapping[str, Any]) -> Table:
    table = Table(
        *("workload", "native, rows a second", "ours", "ratio"),
        title=f"From slot to applied rows, {found['rows']} rows, PostgreSQL {found['version']}",
        caption="Aim: at least 1 for inserts and updates, 5 for hot rows.",
    )
    for name, each in found["throughput"].items():
        rates = each["rows_per_second"]
        table.add_row(name, f"{rates['native']:.0f}", f"{rates['ours']:.0f}", f"{each['ratio']:.2f}")
    return table


def _aurora_lag(found: Mapping[str, Any]) -> Table:
    table = Table(
        *("writes a second", "p50 ms", "p90 ms", "p99 ms", "slowest ms", "writes", "never seen"),
        title="Lag of Aurora, from a commit until another region shows it",
        caption="Aim: a p50 under 250 ms.",
    )
    for rate, lag in found["writes_per_second"].items():
        table.add_row(rate, *(f"{lag[cell]:.0f}" for cell in ("p50", "p90", "p99", "maximum", "samples", "unseen")))
    return table


def _trigger(found: Mapping[str, Any]) -> Table:
    table = Table(
        *("a commit waits for", "updates a second, plain", "stamped", "cost", "with a counter", "cost"),
        title="What the stamping trigger costs a writer",
        caption="Aim: at most 20 %.",
    )
    for waits, measured in (("nothing", found["trigger"]), ("the disk", found["trigger_durable"])):
        rates = measured["updates_per_second"]
        counted = 1 - rates["counter"] / rates["plain"]
        table.add_row(
            waits, f"{rates['plain']:.0f}", f"{rates['stamped']:.0f}", f"{measured['cost']:.0%}",
            f"{rates['counter']:.0f}", f"{counted:.0%}",
        )  # fmt: skip
    return table


def _tpcb(found: Mapping[str, Any], how: str) -> str:
    rates = ", ".join(f"{each:.0f}" for each in found["transactions_per_second"])
    return (
        f"TPC-B in three regions{how}, for {found['seconds']} s, {rates} transactions a second: "
        f"all tables equal {found['equal_after']:.0f} s after the end ({found['rows']['pgbench_history']} of history)."
    )


def _policies(found: Mapping[str, Any]) -> Table:
    regions = [str(each) for each in found["regions"]]
    table = Table(
        *(
            "policy",
            "row writes",
            "tombstone writes",
            "CPU, times plain",
            *(f"state, {each} regions" for each in regions),
        ),
        title="What a change costs under each policy, all regions writing all rows; a row's state in bytes",
        caption="Writes and CPU of three regions: of a local write, its settling, and what its peers make of it.",
    )
    for name, each in found["policies"].items():
        three = each["3"]
        cells = [f"{three[cell]:.2f}" for cell in ("row_writes", "tombstone_writes", "cpu_ratio")]
        table.add_row(name, *cells, *(f"{each[count]['state_bytes']:.0f}" for count in regions))
    return table
