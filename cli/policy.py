"""The commands `distributary policy check | show`: is a function of your own a join, and what decides conflicts."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.plainly import told_plainly
from distributary import settings
from distributary.domain.dataset import Dataset
from distributary.domain.version import MICROSECONDS
from distributary.policy_functions import guarded
from local.world import PROJECT

if TYPE_CHECKING:
    from cli.policy_laws import Breach

app = typer.Typer(no_args_is_help=True, help="Policies: what decides how two states of a row become one.")
console = Console(highlight=False)

Function = Annotated[str, typer.Argument(metavar="PACKAGE.MODULE:FUNCTION", help="As in replication.toml.")]
Folder = Annotated[
    Path, typer.Option("--path", exists=True, file_okay=False, help="The folder that its package or module is in.")
]
Examples = Annotated[int, typer.Option(min=1, help="Draws for each law and each type of values.")]
ReplicationFile = Annotated[Path, typer.Option("--replication", help="What is replicated, and where.")]


@app.command()
def check(function: Function, path: Folder = PROJECT / "layers" / "policies", examples: Examples = 100) -> None:
    """Search for values for which a function of your own is no join, and show the simplest.

    It is tried on values of each type that DynamoDB has, and on values of several types at once. Ends with 1
    where it breaks a law, raises an error or takes longer than a second.
    """
    try:
        from cli import policy_check  # noqa: PLC0415 - the only command that needs hypothesis
    except ModuleNotFoundError as error:
        if error.name != "hypothesis":
            raise
        Console(stderr=True).print("error: the check needs hypothesis: pip install hypothesis", style="red")
        raise typer.Exit(1) from error
    sys.path.insert(0, str(path.resolve()))
    with told_plainly():
        found = policy_check.check(guarded(function, "the function"), examples)
    for law, breach in found.items():
        if breach is None:
            told = f"{law}: held for {examples} examples of each of {len(policy_check.KINDS)} kinds of values"
            console.print(told, soft_wrap=True)
    broken = [breach for breach in found.values() if breach is not None]
    if broken:
        console.print(_findings(broken))
        raise typer.Exit(1)


def _findings(broken: "list[Breach]") -> Table:
    from cli.policy_check import shown  # noqa: PLC0415

    table = Table(
        "broken", "for", "outcomes", title="This function is no policy", title_justify="left", show_lines=True
    )
    for breach in broken:
        states = "\n".join(f"{name} = {shown(state)}" for name, state in zip("abc", breach.states, strict=False))
        outcomes = "\n".join(f"{side} = {shown(outcome)}" for side, outcome in breach.outcomes if side)
        table.add_row(breach.law, Text(states), Text(outcomes))
    return table


@app.command()
def show(replication: ReplicationFile = PROJECT / "replication.toml") -> None:
    """Show what decides conflicts in each dataset, with the digest that messages carry and its generation."""
    with told_plainly():
        datasets = settings.load(replication).datasets
    table = Table()
    for title in ("dataset", "generation", "digest", "rows", "attributes"):
        table.add_column(title, overflow="fold", no_wrap=title != "attributes")
    for each in datasets:
        parts = (each.name, _generation(each), each.policies, _rows(each), _attributes(each))
        table.add_row(*map(Text, parts))
    console.print(table)


def _generation(dataset: Dataset) -> str:
    if not dataset.policies_from:
        return str(dataset.generation)
    begin = datetime.fromtimestamp(dataset.policies_from / MICROSECONDS, UTC)
    return f"{dataset.generation}, from\n{begin:%Y-%m-%d}\n{begin:%H:%M:%S}Z"


def _rows(dataset: Dataset) -> str:
    return "\n".join([dataset.conflict.value, *(f"{at}. {region}" for at, region in enumerate(dataset.priority, 1))])


def _attributes(dataset: Dataset) -> str:
    rules = dataset.attributes.items()
    return "\n".join(f"{name}: {rule.policy.value} {rule.function}".rstrip() for name, rule in rules) or "as the row"
