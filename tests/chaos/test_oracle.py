"""The oracle of the fault runs finds every forged outcome, and nothing wrong with a true one."""

from __future__ import annotations

import pytest

from chaos.oracle import WRITE, Content, Write, Wrong, judge

HERE, THERE = "us-east-1", "eu-west-1"


def content(name: str, amount: int = 1) -> Content:
    return {WRITE: name, "amount": str(amount)}


def put(name: str, region: str = HERE, over: str | None = None, row: str = "row") -> Write:
    return Write(row, region, name, content(name), over)


def deletion(name: str, region: str = HERE, over: str | None = None, row: str = "row") -> Write:
    return Write(row, region, name, None, over)


def verdicts(writes: list[Write], ended: dict[str, Content]) -> dict[str, Wrong]:
    return {finding.row: finding.wrong for finding in judge(writes, ended)}


TRUE_OUTCOMES: list[tuple[str, list[Write], Content | None]] = [
    ("the last write of its only writer", [put("w1"), put("w2", over="w1")], content("w2")),
    ("deleted by its only writer", [put("w1"), deletion("w2", over="w1")], None),
    ("written again after a deletion", [put("w1"), deletion("w2", over="w1"), put("w3")], content("w3")),
    ("one of two writes without sight of each other", [put("w1"), put("w2", THERE)], content("w1")),
    ("the other of the two", [put("w1"), put("w2", THERE)], content("w2")),
    ("deleted without sight of a write elsewhere", [put("w1"), put("w2", THERE), deletion("w3", over="w1")], None),
    ("the write that a deletion did not see", [put("w1"), put("w2", THERE), deletion("w3", over="w1")], content("w2")),
    ("another region's write on top of all", [put("w1"), put("w2", THERE, over="w1")], content("w2")),
]


@pytest.mark.parametrize(("writes", "ended"), [each[1:] for each in TRUE_OUTCOMES], ids=[e[0] for e in TRUE_OUTCOMES])
def test_a_true_outcome_is_found_right(writes: list[Write], ended: Content | None) -> None:
    assert verdicts(writes, {} if ended is None else {"row": ended}) == {}


FORGED_OUTCOMES: list[tuple[str, list[Write], Content | None, Wrong]] = [
    ("a unique row is missing", [put("w1")], None, Wrong.VANISHED),
    ("a row is as before its writer's last write", [put("w1"), put("w2", over="w1")], content("w1"), Wrong.OVERTAKEN),
    ("a write went unseen but its region wrote later", [put("w1"), put("w2")], content("w1"), Wrong.OVERTAKEN),
    ("a deleted unique row is back", [put("w1"), deletion("w2", over="w1")], content("w1"), Wrong.RESURRECTED),
    ("a write replaced elsewhere has won", [put("w1"), put("w2", THERE, over="w1")], content("w1"), Wrong.OVERTAKEN),
    ("a deletion replaced by a later put has won", [put("w1"), deletion("w2", over="w1"), put("w3")], None,
     Wrong.VANISHED),
    ("a deletion made on top of a remote write lost to it", [put("w1", THERE), deletion("w2", over="w1")],
     content("w1"), Wrong.RESURRECTED),
    ("nobody has written that", [put("w1")], content("w9"), Wrong.INVENTED),
    ("a row is there that nobody wrote", [], content("w1"), Wrong.INVENTED),
    ("a deletion's name on a row", [put("w1"), deletion("w2", over="w1")], content("w2"), Wrong.ALTERED),
    ("an attribute was changed on the way", [put("w1")], content("w1", amount=2), Wrong.ALTERED),
    ("an attribute was lost on the way", [put("w1")], {WRITE: "w1"}, Wrong.ALTERED),
    ("content without the name of its write", [put("w1")], {"amount": "1"}, Wrong.INVENTED),
]  # fmt: skip


@pytest.mark.parametrize(
    ("writes", "ended", "wrong"), [each[1:] for each in FORGED_OUTCOMES], ids=[each[0] for each in FORGED_OUTCOMES]
)
def test_a_forged_outcome_is_found_out(writes: list[Write], ended: Content | None, wrong: Wrong) -> None:
    assert verdicts(writes, {} if ended is None else {"row": ended}) == {"row": wrong}


def test_each_row_is_judged_by_itself() -> None:
    # given: two rows, one of which lost its last write
    writes = [put("w1", row="right"), put("w2", row="wrong"), put("w3", over="w2", row="wrong")]
    # then: only that one is told, with what it might have been
    (finding,) = judge(writes, {"right": content("w1"), "wrong": content("w2")})
    assert (finding.row, finding.found, finding.possible) == ("wrong", content("w2"), (writes[2],))
