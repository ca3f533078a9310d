"""What the runs have shown, as a table for the terminal and as docs/reliability.md."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.table import Table

from chaos.lag import RATE, Lag, p99_ratio, together, uncertainty
from chaos.poison import PoisonOutcome
from chaos.run import Outcome, Pace
from local.world import PROJECT

DOCUMENT = PROJECT / "docs" / "reliability.md"
TEXT = Path(__file__).with_name("reliability.template.md")
AIM = 1.1
NO_RESULT = "There is no result for the poison record: it was left out, or the run ended before it was known."
HEADINGS = (
    "fault",
    "writes",
    "interfered",
    "differences",
    "lost writes",
    "parked",
    "p99 before, ms",
    "p99 with, ms",
    "ratio",
    "95 % of ratios",
    "p50 ratio",
    "caught up in, s",
)


@dataclass(frozen=True)
class Machine:
    """What else may explain the numbers."""

    cores: int
    load: float


def table(outcomes: Sequence[Outcome]) -> Table:
    """The faults as a table."""
    shown = Table(*HEADINGS, title="Fault runs", caption=_caption(outcomes))
    for outcome in outcomes:
        shown.add_row(*_cells(outcome, _without(outcomes)), style=None if outcome.sound else "red")
    return shown


def poison_sentence(found: PoisonOutcome) -> str:
    """What became of the poison record."""
    payload = "with its whole payload" if found.with_payload else "WITHOUT its whole payload"
    redrive = "the redrive applied it" if found.redriven else "the redrive did NOT apply it"
    return (
        f"One poison record in {found.others + 1:,}: {found.applied:,} applied, {found.parked} parked "
        f"({found.reason}) {payload}; {redrive}; {found.differences} differences at the end. "
        f"The others were there {found.seconds:.0f} s after the first write."
    )


def document(outcomes: Sequence[Outcome], found: PoisonOutcome | None, pace: Pace, machine: Machine) -> str:
    """The text of docs/reliability.md."""
    lines = ["| " + " | ".join(HEADINGS) + " |", "|---|" + "---:|" * (len(HEADINGS) - 1)]
    lines += ["| " + " | ".join(_cells(outcome, _without(outcomes))) + " |" for outcome in outcomes]
    faults = [f"- **{outcome.fault.name}**: {outcome.fault.what}." for outcome in outcomes]
    return TEXT.read_text(encoding="utf-8").format(
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        cores=machine.cores,
        load=f"{machine.load:.1f}",
        quiet=f"{pace.quiet:.0f}",
        probes=f"{RATE:.0f}",
        table="\n".join(lines),
        caption=_caption(outcomes),
        faults="\n".join(faults),
        poison=poison_sentence(found) if found else NO_RESULT,
    )


def _without(outcomes: Sequence[Outcome]) -> Lag:
    """All probes of the run that no fault was there for: of those before one fault the p99 is the second slowest."""
    return together(outcome.without for outcome in outcomes)


def _cells(outcome: Outcome, without: Lag) -> list[str]:
    least, most = uncertainty(outcome.during, without)
    return [
        outcome.fault.name,
        str(outcome.writes),
        str(outcome.interference),
        str(len(outcome.differences)),
        str(len(outcome.lost)),
        str(outcome.parked),
        f"{outcome.without.p99:.0f}",
        f"{outcome.during.p99:.0f}",
        f"{p99_ratio(outcome.during, without):.2f}",
        f"{least:.2f} to {most:.2f}",
        f"{outcome.during.p50 / without.p50:.2f}",
        f"{outcome.catch_up:.1f}",
    ]


def _caption(outcomes: Sequence[Outcome]) -> str:
    without = _without(outcomes)
    missed = [outcome.fault.name for outcome in outcomes if p99_ratio(outcome.during, without) > AIM]
    met = (
        f"Without a fault {len(without.found):,} probes had a p99 of {without.p99:.0f} ms and a p50 of "
        f"{without.p50:.0f} ms. The aim of a p99 ratio of at most {AIM} was met by "
        f"{len(outcomes) - len(missed)} of {len(outcomes)} faults"
    )
    return met + (f"; missed by: {', '.join(missed)}." if missed else ".")
