"""A survivor needs an explanation, an explanation needs a survivor; both are named by lines, wherever these stand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.mutants.explanations import Explanation, compare, read
from tests.mutants.mutant import Fate, Mutant, changed

SURVIVOR = Mutant("stamp.parse", "if a < b:", "if a <= b:", Fate.SURVIVED)
EXPLANATION = Explanation("stamp.parse", "if a < b:", "if a <= b:", "they are never equal")


def test_a_survivor_without_an_explanation_is_told() -> None:
    assert compare([SURVIVOR], []).unexplained == [SURVIVOR]


def test_a_survivor_with_an_explanation_is_well() -> None:
    verdict = compare([SURVIVOR], [EXPLANATION])
    assert (verdict.explained, verdict.unexplained, verdict.idle) == ([SURVIVOR], [], [])


@pytest.mark.parametrize(
    "explanation",
    [
        replace(EXPLANATION, where="another"),
        replace(EXPLANATION, was="another"),
        replace(EXPLANATION, now="another"),
    ],
)
def test_an_explanation_fits_its_mutant_to_the_letter(explanation: Explanation) -> None:
    verdict = compare([SURVIVOR], [explanation])
    assert (verdict.unexplained, verdict.idle) == ([SURVIVOR], [explanation])


def test_an_explanation_whose_mutant_is_killed_is_idle() -> None:
    killed = replace(SURVIVOR, fate=Fate.KILLED)
    verdict = compare([killed], [EXPLANATION])
    assert (verdict.explained, verdict.unexplained, verdict.idle) == ([], [], [EXPLANATION])


def test_a_class_fits_by_patterns_of_place_and_lines() -> None:
    several = Explanation("stamp.*", "<", "<=", "they are never equal", pattern=True)
    assert compare([SURVIVOR], [several]).unexplained == []
    elsewhere = replace(SURVIVOR, where="version.mint")
    assert compare([elsewhere], [several]).unexplained == [elsewhere]


def test_lines_name_a_mutant_without_indentation_and_place() -> None:
    before, after = "def f():\n    if a < b:\n        return 1\n", "def f():\n    if a <= b:\n        return 1\n"
    assert changed(before, after) == ("if a < b:", "if a <= b:")


def test_single_explanations_and_classes_are_read(tmp_path: Path) -> None:
    path = tmp_path / "explained.toml"
    path.write_text('[[survivor]]\nwhere="a.b"\nwas="x"\nnow="y"\nwhy="z"\n[[class]]\nwhere="a.*"\nnow="y"\nwhy="z"\n')
    assert read(path) == [Explanation("a.b", "x", "y", "z"), Explanation("a.*", "", "y", "z", pattern=True)]


def test_every_explanation_says_why() -> None:
    assert all(len(each.why) > 20 for each in read())
