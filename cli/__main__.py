"""Lets `python -m cli` run the `distributary` command."""

from cli.main import main

if __name__ == "__main__":
    main()
