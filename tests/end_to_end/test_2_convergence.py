"""Three deployed regions under an unmodified application, one of them cut off and let back, end equal."""

from __future__ import annotations

import random
import threading
from typing import Any

from distributary.adapters.dynamodb.values import image_from_sdk
from distributary.domain.row import Row
from distributary.domain.version import MICROSECONDS
from local.clients import client
from local.convergence import LOST, WORKING, Comparison, messages, wait_for_convergence
from local.cutoff import cut_off
from local.workload import ItemWorkload, Workload
from local.world import World
from tests.end_to_end.functions import now, told
from tests.end_to_end.rows import HOME, LONELY, PATIENCE, PEER, delete, note, put, read, until, wait_until


def settled(world: World, dataset: str = "orders") -> Comparison:
    """How the regions compare when nothing is under way any more."""
    return wait_for_convergence(world, dataset, seconds=PATIENCE)


def write_more(workload: Workload, writes: int) -> None:
    """Let every region write that many times."""
    wanted = {region: workload.written[region] + writes for region in workload.world.tables}
    until("writes", lambda: all(workload.written[region] >= count for region, count in wanted.items()))


def forwarded(world: World, source: str, to: str, since: int) -> int:
    """How many messages went from the outbox of a region to another."""
    return sum(int(facts["sent"].get(to, 0)) for facts in told(world, source, "forward", since))


def test_regions_under_load_end_equal_although_one_was_cut_off(world: World) -> None:
    # given: writes to the same rows in all regions
    began = now()
    workload = ItemWorkload(world, "orders", "pk", rows=30, rate=6)
    workload.start()
    try:
        write_more(workload, 10)
        # when: one region is cut off for a while
        with cut_off(world, "orders", LONELY):
            write_more(workload, 15)
            put(world, HOME, "healthy", "during the cut")
            put(world, LONELY, "lonely", "during the cut")
            # then: the others go on with each other, and keep what is for it
            wait_until(world, PEER, "healthy", "during the cut")
            assert read(world, LONELY, "healthy") is None
            assert read(world, HOME, "lonely") is read(world, PEER, "lonely") is None
            until("changes are held in the outbox", lambda: messages(world, "orders", ("outbox",)))
        write_more(workload, 10)
    finally:
        workload.stop()

    # then: all end equal, with nothing lost
    comparison = settled(world)
    assert comparison.differences == {}
    assert comparison.items > 10
    assert messages(world, "orders", (*WORKING, *LOST)) == 0
    for region in world.tables:
        assert note(world, region, "healthy") == note(world, region, "lonely") == "during the cut"
    # then: it was the outbox that brought the changes there and back, and there had been conflicts to resolve
    assert forwarded(world, HOME, LONELY, began) > 0
    assert forwarded(world, LONELY, PEER, began) > 0
    assert forwarded(world, HOME, PEER, began) == 0
    assert any(facts["conflicts"] for facts in told(world, HOME, "apply", began))


def test_a_write_on_top_of_another_wins_although_no_clock_tells_them_apart(world: World) -> None:
    def chain(number: int) -> bool:
        """Write in turn in all regions, each on top of what it sees; says whether all fell into one second."""
        row = f"chain-{number}"
        put(world, HOME, row, "first")
        wait_until(world, PEER, row, "first")
        put(world, PEER, row, "second")
        wait_until(world, LONELY, row, "second")
        put(world, LONELY, row, "third")
        for region in world.tables:
            wait_until(world, region, row, "third")
        item = read(world, LONELY, row)
        version = Row(image_from_sdk(item or {})).version
        # The stream tells whole seconds: the rest was counted up, above what the write was made on top of.
        return version is not None and version.timestamp % MICROSECONDS == 2

    # given, when: chains of writes, until one is so quick that a tie of clocks would make the first write win
    numbers = iter(range(1000))
    until("a chain within one second", lambda: chain(next(numbers)))

    # then: nothing that arrives later turns any of them back
    assert settled(world).differences == {}
    for number in range(next(numbers)):
        assert {note(world, region, f"chain-{number}") for region in world.tables} == {"third"}


def test_a_deleted_row_stays_deleted_and_can_be_written_again(world: World) -> None:
    put(world, HOME, "deleted", "there")
    wait_until(world, PEER, "deleted", "there")
    put(world, PEER, "deleted", "changed")
    wait_until(world, LONELY, "deleted", "changed")
    delete(world, LONELY, "deleted")
    for region in world.tables:
        wait_until(world, region, "deleted", None)
    assert settled(world).differences == {}
    assert {note(world, region, "deleted") for region in world.tables} == {None}

    # when: it is written again, where it had been written first
    put(world, HOME, "deleted", "again")
    for region in world.tables:
        wait_until(world, region, "deleted", "again")
    assert settled(world).differences == {}
    assert {note(world, region, "deleted") for region in world.tables} == {"again"}


def test_rows_with_composite_keys_converge_too(world: World) -> None:
    # given: two regions that write the same rows, whose numeric sort keys are spelled in more than one way
    spelled = {"7": ("7", "7.0", "70e-1"), "21.5": ("21.5", "21.50", "215e-1"), "-3": ("-3", "-3.0", "-3e0")}
    keys = [(customer, number) for customer in ("ann", "bob") for number in spelled]

    def write(region: str, rng: random.Random) -> None:
        table = client(world, "dynamodb", region)
        for turn in range(40):
            customer, number = rng.choice(keys)
            key: dict[str, Any] = {"customer": {"S": customer}, "placed": {"N": number}}
            if rng.random() < 0.25:
                table.delete_item(TableName="carts", Key=key)  # the emulator finds a key by one spelling only
            else:
                key["placed"] = {"N": rng.choice(spelled[number])}
                table.put_item(TableName="carts", Item={**key, "seen": {"S": f"{region} {turn}"}})

    threads = [threading.Thread(target=write, args=(each, random.Random(each))) for each in (PEER, LONELY)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    # when: last of all each key but one gets a last word, and the one is deleted, on top of what is there by now
    assert settled(world, "carts").differences == {}
    for customer, number in keys:
        key = {"customer": {"S": customer}, "placed": {"N": number}}
        client(world, "dynamodb", PEER).put_item(TableName="carts", Item={**key, "seen": {"S": "the end"}})
    gone = {"customer": {"S": "bob"}, "placed": {"N": "21.5"}}
    client(world, "dynamodb", PEER).delete_item(TableName="carts", Key=gone)

    # then: the other region comes to hold the same rows, and only that one is gone
    def in_lonely() -> dict[tuple[str, str], str]:
        items = client(world, "dynamodb", LONELY).scan(TableName="carts", ConsistentRead=True)["Items"]
        return {(item["customer"]["S"], item["placed"]["N"]): item["seen"]["S"] for item in items}

    expected = {key: "the end" for key in keys if key != ("bob", "21.5")}
    until("the end is seen in the other region", lambda: in_lonely() == expected)
    comparison = settled(world, "carts")
    assert (comparison.regions, comparison.items, comparison.differences) == (2, 5, {})
    assert messages(world, "carts", (*WORKING, *LOST)) == 0
