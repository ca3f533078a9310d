"""Random versions, contexts, stamps, images and changes, with the shapes that are easy to get wrong."""

from __future__ import annotations

from base64 import b64encode
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from distributary.domain.change import Change
from distributary.domain.image import Image
from distributary.domain.stamp import UNKNOWN, Stamp, Writer
from distributary.domain.version import STAMPING_SEQUENCE, Context, Instant, Version
from tests.unit.sites import ORDERS

REGIONS = ("a", "a-1", "a-10", "a1", "eu-west-1", "eu-west-10", "eu-west-2", "us-east-1")
"""Several are the beginning of others, which byte order must not confuse."""

timestamps = st.integers(0, 10**16 - 1) | st.integers(10**15, 10**15 + 3)
sequences = st.integers(0, (STAMPING_SEQUENCE << 1) - 1) | st.integers(0, 3) | st.integers(10**39, 10**40 - 1)
regions = st.sampled_from(REGIONS) | st.from_regex(r"[a-z0-9-]{1,64}", fullmatch=True)
instants = st.builds(Instant, timestamps, sequences)
versions = st.builds(Version, timestamps, sequences, regions)
contexts = st.builds(Context, st.dictionaries(regions, instants, max_size=5))
fingerprints = st.from_regex(r"[A-Za-z0-9_-]{1,32}", fullmatch=True) | st.just(UNKNOWN)


@st.composite
def stamps(draw: st.DrawFn) -> Stamp:
    """Stamps as our code makes them: the context includes the version."""
    version = draw(versions)
    context = draw(contexts).including(version)
    return Stamp(version, context, draw(st.sampled_from(Writer)), draw(fingerprints), draw(fingerprints))


def _number(digits: int, exponent: int, *, negative: bool) -> str:
    return str(Decimal((int(negative), tuple(map(int, str(digits))), exponent)))


numbers = st.builds(_number, st.integers(0, 10**38 - 1), st.integers(-125, 87), negative=st.booleans())
binaries = st.binary(max_size=40).map(lambda raw: b64encode(raw).decode())
texts = st.text(max_size=20)
names = st.text(min_size=1, max_size=12).filter(lambda name: not name.startswith("replication_"))


def _typed(kind: str, inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return inner.map(lambda value: {kind: value})


def _set_of(element: st.SearchStrategy[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(element, min_size=1, max_size=4, unique=True)


scalars = (
    _typed("S", texts)
    | _typed("N", numbers)
    | _typed("B", binaries)
    | _typed("BOOL", st.booleans())
    | _typed("NULL", st.just(True))
    | _typed("SS", _set_of(texts))
    | _typed("NS", st.lists(numbers, min_size=1, max_size=4, unique_by=Decimal))  # a set has a number once
    | _typed("BS", _set_of(binaries))
)
values = st.recursive(
    scalars,
    lambda inner: _typed("L", st.lists(inner, max_size=3)) | _typed("M", st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)
images: st.SearchStrategy[Image] = st.dictionaries(names, values, max_size=5)
"""Whole rows of every type that DynamoDB has, without a key."""


@st.composite
def changes(draw: st.DrawFn, *homes: str) -> Change:
    """Puts and deletions of replicas of ORDERS, of any unless some are named."""
    home = draw(st.sampled_from(homes or ORDERS.regions))
    key: Image = {"pk": {"S": draw(texts)}}
    image = draw(st.none() | images.map(lambda more: {**more, **key}))
    version = Version(draw(timestamps), draw(sequences), home)
    context = draw(contexts).including(version)
    return Change("orders", "orders", key, image, version, context, home, str(version.sequence), draw(timestamps))
