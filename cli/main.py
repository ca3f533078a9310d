"""Entry point of the `distributary` command: one typer application with a group for each task."""

import typer

from cli import aurora, conflicts, parked, policy
from local import commands

app = typer.Typer(no_args_is_help=True, pretty_exceptions_show_locals=False)
app.add_typer(commands.app, name="local")
app.add_typer(parked.app, name="parked")
app.add_typer(conflicts.app, name="conflicts")
app.add_typer(aurora.app, name="aurora")
app.add_typer(policy.app, name="policy")


@app.callback()
def describe() -> None:
    """Operate Distributary: active-active replication of database changes between AWS regions."""


def main() -> None:
    """Run the command line; the entry point named in pyproject.toml."""
    app()


if __name__ == "__main__":
    main()
