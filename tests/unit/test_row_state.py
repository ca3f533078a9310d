"""A row's whole state by example: what is written on top of what, and what two states know together."""

from __future__ import annotations

from distributary.domain.crdt import ALWAYS, Moment
from distributary.domain.image import AttributeValue, Image
from distributary.domain.notation import Notation
from distributary.domain.policies import Policy
from distributary.domain.row_state import RowState, StateLattice
from distributary.domain.version import NOTHING_SEEN, Version
from tests.unit.state_histories import NUMBER, TAGS, policies_of

LATTICE = StateLattice(policies_of(Policy.LAST_WRITER_WINS, NUMBER, TAGS), Notation.DYNAMODB)


def write(
    region: str, at: int, on: RowState | None = None, deletion: Version = ALWAYS, **new: AttributeValue
) -> RowState:
    """A region changes attributes of what it shows; none on top of a deletion that is newer."""
    alive = on is not None and on.incarnation >= deletion
    old: Image = LATTICE.visible(on) if on is not None and alive else {}
    return LATTICE.written(on, old, {**old, **new}, Moment(Version(at, at, region), at), deletion)


def tags(*elements: str) -> AttributeValue:
    return {"SS": sorted(elements)}


def number(value: int) -> AttributeValue:
    return {"N": str(value)}


def shown(*states: RowState) -> Image:
    """What two states show together, in whatever order they meet."""
    one, other = states
    forth, back = LATTICE.join(one, other), LATTICE.join(other, one)
    assert forth == back
    return LATTICE.visible(forth)


def test_what_is_written_on_top_of_a_deletion_has_nothing_of_what_was_beneath() -> None:
    before = write("eu", 1, number=number(10), tags=tags("a"))
    again = write("eu", 3, before, Version(2, 2, "us"), number=number(5))
    assert LATTICE.visible(again) == {NUMBER: number(5)}


def test_a_write_beside_a_newer_one_that_its_state_has_in_it_leaves_that_the_newest() -> None:
    newer = write("us", 9, tags=tags("a"))
    state = write("eu", 4, newer, tags=tags("a", "b"))
    assert state.version == newer.version
    assert state.covers(Version(4, 4, "eu"))


def test_a_row_from_before_its_policies_stays_one_whoever_writes_it_and_wherever_states_meet() -> None:
    # given
    at = Version(1, 1, "eu")
    before = LATTICE.began({NUMBER: number(1)}, at, NOTHING_SEEN.including(at))
    # when
    one = write("eu", 2, before, before.incarnation, number=number(2))
    other = write("us", 3, before, before.incarnation, number=number(4))
    joined = LATTICE.join(one, other)
    # then
    assert LATTICE.visible(joined) == {NUMBER: number(5)}
    assert [(each.incarnation, each.from_plain) for each in (one, other, joined)] == [(at, True)] * 3


def test_over_a_deletion_the_later_state_stays_as_it_is() -> None:
    earlier = write("us", 1, tags=tags("a"))
    later = write("eu", 5, deletion=Version(4, 4, "eu"), tags=tags("b"))
    assert LATTICE.join(earlier, later) == LATTICE.join(later, earlier) == later


def test_a_state_that_has_seen_the_newest_write_of_another_but_not_all_of_it_takes_the_rest() -> None:
    # given: a state into which an older write was merged, and a write on top of its newest alone
    newest, older = write("eu", 5, tags=tags("a")), write("us", 3, tags=tags("c"))
    both = LATTICE.join(newest, older)
    on_top = write("ap", 6, newest, tags=tags("a", "b"))
    # then
    assert shown(on_top, both) == {TAGS: tags("a", "b", "c")}


def test_attributes_that_one_of_two_states_knows_alone_are_in_both() -> None:
    assert shown(write("eu", 1, tags=tags("a")), write("us", 2, number=number(3))) == {
        TAGS: tags("a"),
        NUMBER: number(3),
    }
