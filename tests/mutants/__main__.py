"""`make mutants`: tries every mutant of the domain; fails on an unexplained survivor, and on an idle explanation."""

from __future__ import annotations

import sys
from collections import Counter

from tests.mutants import functions, statements
from tests.mutants.explanations import compare, read
from tests.mutants.mutant import Mutant
from tests.mutants.stage import STAGE, lay_out

WORKERS = 2


def main() -> int:
    """Run, print the survivors and the figures of each module; 0 if all is as explained."""
    lay_out(STAGE)
    mutants = [*functions.run(STAGE, WORKERS), *statements.run(STAGE, WORKERS)]
    verdict = compare(mutants, read())
    _print_figures(mutants, verdict.explained, verdict.unexplained)
    for mutant in verdict.unexplained:
        print(f"\nsurvived, not explained: {mutant}")
    for each in verdict.idle:
        print(f"\nexplained, but no such mutant survives: {each.where}\n    - {each.was}\n    + {each.now}")
    return 1 if verdict.unexplained or verdict.idle else 0


def _print_figures(mutants: list[Mutant], explained: list[Mutant], unexplained: list[Mutant]) -> None:
    counts = [Counter(each.where.split(".")[0] for each in group) for group in (mutants, explained, unexplained)]
    print(f"\n{'module':12} {'mutants':>8} {'killed':>8} {'explained':>10} {'survived':>9}")
    for module in [*sorted(counts[0]), "all"]:
        made, harmless, alive = (count.total() if module == "all" else count[module] for count in counts)
        print(f"{module:12} {made:8} {made - harmless - alive:8} {harmless:10} {alive:9}")


if __name__ == "__main__":
    sys.exit(main())
