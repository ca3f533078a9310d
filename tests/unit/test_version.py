"""Contexts are joins, and a new version is above everything that its write was made on top of."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from distributary.domain.version import NOTHING_SEEN, STAMPING_SEQUENCE, Context, Instant, Version, mint
from tests.unit import strategies
from tests.unit.sites import FAR, HOME, NOW, PEER


@given(strategies.contexts, strategies.contexts)
def test_merging_contexts_is_commutative(a: Context, b: Context) -> None:
    assert a.merge(b) == b.merge(a)


@given(strategies.contexts, strategies.contexts, strategies.contexts)
def test_merging_contexts_is_associative(a: Context, b: Context, c: Context) -> None:
    assert a.merge(b).merge(c) == a.merge(b.merge(c)) == a.merge(b, c)


@given(strategies.contexts)
def test_merging_contexts_is_idempotent(a: Context) -> None:
    assert a.merge(a) == a == a.merge(NOTHING_SEEN)


@given(strategies.contexts, strategies.contexts, strategies.versions)
def test_a_merged_context_covers_what_either_covered_and_nothing_else(a: Context, b: Context, v: Version) -> None:
    assert a.merge(b).covers(v) == (a.covers(v) or b.covers(v))


@given(strategies.contexts, strategies.versions)
def test_a_context_covers_a_version_once_it_was_seen(context: Context, version: Version) -> None:
    assert context.including(version).covers(version)


@given(strategies.contexts, strategies.versions)
def test_merging_leaves_its_inputs_as_they_were(context: Context, version: Version) -> None:
    before = dict(context.entries)
    context.including(version)
    assert context.entries == before


def test_a_context_is_believed_up_to_a_time_that_still_belongs_to_it() -> None:
    context = Context({HOME: Instant(5, 1), PEER: Instant(6, 1), FAR: Instant(7, 1)})
    assert context.until(6) == Context({HOME: Instant(5, 1), PEER: Instant(6, 1)})
    assert context.until(7) == context


@given(strategies.versions, strategies.versions)
def test_versions_are_ordered_by_timestamp_then_sequence_then_region(one: Version, other: Version) -> None:
    assert (one < other) == (tuple(one) < tuple(other))


_created = st.integers(0, 10**15)
_record = st.integers(1, 10**40 - 1)
_earlier = st.builds(Version, st.integers(0, 10**15), st.integers(0, 10**40 - 1), st.sampled_from([HOME, PEER]))


@given(_created, _record, st.lists(_earlier, max_size=4))
def test_a_minted_version_is_above_everything_its_write_was_made_on_top_of(
    created_at: int, sequence: int, above: list[Version]
) -> None:
    assert all(mint(created_at, sequence, HOME, above=above) > seen for seen in above)


@given(_created, _record, st.lists(_earlier, max_size=4))
def test_a_minted_version_is_never_before_its_record(created_at: int, sequence: int, above: list[Version]) -> None:
    version = mint(created_at, sequence, HOME, above=above)
    assert (version.timestamp >= created_at, version.sequence, version.region) == (True, sequence, HOME)


@given(_created, _record, st.lists(_earlier, max_size=4).flatmap(lambda seen: st.permutations(seen).map(tuple)))
def test_minting_does_not_depend_on_the_order_of_what_was_seen(
    created_at: int, sequence: int, above: tuple[Version, ...]
) -> None:
    assert mint(created_at, sequence, HOME, above=above) == mint(created_at, sequence, HOME, above=sorted(above))


def test_two_records_of_one_region_may_share_their_second() -> None:
    assert mint(NOW, 6, HOME, above=[Version(NOW, 5, HOME)]) == Version(NOW, 6, HOME)


def test_a_copy_of_the_records_own_version_is_passed_too() -> None:
    assert mint(NOW, 6, HOME, above=[Version(NOW, 6, HOME)]) == Version(NOW + 1, 6, HOME)


def test_another_regions_version_is_passed_by_one_microsecond() -> None:
    assert mint(NOW, 6, HOME, above=[Version(NOW, 5, PEER)]) == Version(NOW + 1, 6, HOME)


def test_a_clock_that_stands_behind_does_not_matter() -> None:
    assert mint(NOW, 6, HOME, above=[Version(NOW + 10**9, 5, PEER)]).timestamp == NOW + 10**9 + 1


@given(st.integers(1, 10**40 - 1), strategies.timestamps)
def test_a_stamping_writers_sequence_sorts_after_every_stream_sequence(sequence: int, timestamp: int) -> None:
    assert Instant(timestamp, STAMPING_SEQUENCE) > Instant(timestamp, sequence)
    assert not Instant(timestamp, sequence).by_stamping_writer
    assert Instant(timestamp, STAMPING_SEQUENCE).by_stamping_writer


def test_of_a_context_what_is_older_than_a_version_can_be_told_from_the_rest() -> None:
    older, version, newer = (Version(at, 1, region) for at, region in ((1, "ap"), (2, "eu"), (3, "us")))
    context = NOTHING_SEEN.including(older).including(version).including(newer)
    assert context.before(version) == NOTHING_SEEN.including(older)
