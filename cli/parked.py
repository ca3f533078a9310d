"""The commands `distributary parked list | redrive | discard`: payloads that could not be taken."""

import time
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.plainly import told_plainly
from distributary import wiring

app = typer.Typer(no_args_is_help=True, help="Payloads that could not be taken, and what to do with them.")
console = Console()

NOTHING = "Nothing is parked, or all of it was taken a moment ago."

Dataset = Annotated[str, typer.Option(help="The dataset's name in replication.toml.")]
Region = Annotated[str, typer.Option(help="The region in which they are parked.")]
Limit = Annotated[int, typer.Option(min=1, help="How many at the most.")]
Reason = Annotated[str, typer.Option(help="Only those with this reason, such as ClockDrift.")]
DeadLetters = Annotated[
    bool, typer.Option("--dead-letters", help="The messages that apply gave up, in place of what is parked.")
]


@app.command("list")
def show(dataset: Dataset, region: Region, limit: Limit = 50) -> None:
    """Show reason, age and advice of each."""
    with told_plainly():
        queue = wiring.parked(dataset, region)
        taken = queue.take(limit)
        for receipt, _ in taken:  # looking must not hide them from the command that follows
            queue.put_back(receipt)
    table = Table()
    for title in ("reason", "detail", "age", "redrivable", "what to do"):
        table.add_column(title, overflow="fold")  # a terminal's width cuts nothing off
    for _, parcel in taken:
        age = f"{(time.time() - parcel.parked_at / 1e6) / 60:.0f} min"
        parts = (parcel.reason, parcel.detail, age, "yes" if parcel.redrivable else "no", parcel.hint)
        table.add_row(*map(Text, parts))
    console.print(table if taken else NOTHING)


@app.command()
def redrive(
    dataset: Dataset, region: Region, limit: Limit = 1000, reason: Reason = "", dead_letters: DeadLetters = False
) -> None:
    """Send parked changes again, through the outbox into the inbox of their region."""
    with told_plainly():
        report = wiring.redrive(dataset, region, dead_letters=dead_letters).run(
            limit, lambda parcel: reason in ("", parcel.reason)
        )
    for kind, count in report.sent.items():
        console.print(f"{count} {kind}: sent again")
    for kind, count in report.left.items():
        console.print(f"{count} {kind}: left")
    if not (report.sent or report.left):
        console.print(NOTHING)


@app.command()
def discard(dataset: Dataset, region: Region, reason: Reason, limit: Limit = 1000) -> None:
    """Forget parked payloads of one reason for good."""
    with told_plainly():
        queue = wiring.parked(dataset, region)
        taken = queue.take(limit)
        chosen = [receipt for receipt, parcel in taken if parcel.reason == reason]
        for receipt, parcel in reversed(taken):
            (queue.discard if parcel.reason == reason else queue.put_back)(receipt)
    console.print(f"{len(chosen)} {reason}: discarded" if taken else NOTHING)
