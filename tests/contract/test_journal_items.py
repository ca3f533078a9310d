"""What becomes of a conflict in a table: native values, room for 400 KB, and items that are refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from distributary.adapters.journal_items import ITEM_LIMIT
from distributary.domain.conflict import Conflict, Resolution
from distributary.domain.image import Image, digest_of
from distributary.domain.journal import DAY
from tests.contract.journals import NewDesk, TableDesk
from tests.unit.conflicts import NOW, THERE, conflict, id_of


def test_an_item_is_of_native_values(tables: NewDesk) -> None:
    desk: TableDesk = tables()
    desk.journal.record([conflict()])
    item = desk.item(id_of(conflict()))
    assert item["arriving_image"]["M"]["photo"] == {"B": b"\x00\x01\x02\xff"}
    assert item["arriving_image"]["M"]["lines"]["L"][0]["M"]["raw"] == {"B": b"\xff"}
    assert (item["arriving_region"], item["present_region"]) == ({"S": THERE}, {"S": "us-east-1"})
    assert item["expires"] == {"N": str((NOW + 30 * DAY) // 1_000_000)}


def large(size: int, **changes: Any) -> Image:
    return {"pk": {"S": "order-1"}, "blob": {"S": "x" * size}, **changes}


def between(arriving: Image, present: Image) -> Conflict:
    made = conflict()
    return conflict(arriving=replace(made.arriving, image=arriving), present=replace(made.present, image=present))


def test_of_a_conflict_over_the_limit_the_losing_image_is_kept(tables: NewDesk) -> None:
    desk: TableDesk = tables()
    made = between(large(300_000), large(200_000))
    assert desk.journal.record([made]) == 0
    entry = desk.recorded.find(id_of(made))
    assert entry is not None
    assert (entry.arriving.image, entry.arriving.digest) == (None, digest_of(large(300_000)))
    assert not entry.arriving.deleted
    assert entry.present.image == large(200_000)
    assert entry.note == "the image of the arriving state is too large to be kept: digest only"


def test_where_both_states_have_lost_attributes_the_note_names_the_image_that_is_missing(tables: NewDesk) -> None:
    desk: TableDesk = tables()
    made = between(large(300_000), large(200_000))
    lost = [replace(side, lost=frozenset({name})) for side, name in ((made.arriving, "blob"), (made.present, "pk"))]
    made = replace(made, arriving=lost[0], present=lost[1], resolution=Resolution.PARTLY)
    assert desk.journal.record([made]) == 0
    entry = desk.recorded.find(id_of(made))
    assert entry is not None
    assert entry.arriving.image == large(300_000)
    assert entry.note == "the image of the present state is too large to be kept: digest only"


def test_of_images_over_the_limit_digests_are_kept(tables: NewDesk) -> None:
    desk: TableDesk = tables()
    full = large(ITEM_LIMIT)
    made = between(full, full)
    assert desk.journal.record([made]) == 0
    entry = desk.recorded.find(id_of(made))
    assert entry is not None
    assert entry.arriving.image is entry.present.image is None
    assert (entry.arriving.digest, entry.present.digest) == (digest_of(full),) * 2


def test_as_much_as_fits_is_kept_whole(tables: NewDesk) -> None:
    desk: TableDesk = tables()
    image = large(ITEM_LIMIT - 6_000)  # some emulators' limit is lower by 4,600
    made = between(image, {"pk": {"S": "order-1"}})
    assert desk.journal.record([made]) == 0
    entry = desk.recorded.find(id_of(made))
    assert entry is not None
    assert entry.arriving.image == image


def test_what_the_table_refuses_alone_is_written_with_fewer_images_and_keeps_no_other_back(tables: NewDesk) -> None:
    desk: TableDesk = tables()
    twice = replace(conflict("twice").arriving, image={"pk": {"S": "twice"}, "tags": {"SS": ["a", "a"]}})
    assert desk.journal.record([conflict("twice", arriving=twice), conflict()]) == 0
    assert desk.recorded.find(id_of(conflict())) is not None
    assert desk.recorded.find(id_of(conflict("twice"))) is not None


def test_what_is_no_value_of_dynamodb_is_missed_and_keeps_no_other_back(tables: NewDesk) -> None:
    desk: TableDesk = tables()
    odd = replace(conflict("odd").arriving, image={"pk": {"S": "odd"}, "x": {"B": "no base64"}})
    assert desk.journal.record([conflict("odd", arriving=odd), conflict()]) == 1
    assert desk.recorded.find(id_of(conflict())) is not None
    assert [type(error).__name__ for error in desk.told] == ["RejectedByDatabase"]
