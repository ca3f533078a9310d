"""The stage says the same as the project, in a form that mutmut can take; unknown decorators are refused."""

from __future__ import annotations

from textwrap import dedent

import pytest

from tests.mutants.stage import UnknownDecorator, undecorated


def test_a_property_is_remade_from_a_plain_method() -> None:
    decorated = """
        class Row:
            @property
            def settled(self) -> bool:
                return True

            def other(self) -> bool:
                return False
    """
    plain = """
        class Row:
            def settled(self) -> bool:
                return True
            settled = property(settled)

            def other(self) -> bool:
                return False
    """
    assert undecorated(dedent(decorated)) == dedent(plain)


def test_a_cached_property_is_a_property_without_its_cache() -> None:
    code = "class Row:\n    @cached_property\n    def digest(self) -> str:\n        return ''\n"
    assert "digest = property(digest)" in undecorated(code)


def test_a_cache_around_a_function_is_taken_away() -> None:
    assert (
        undecorated("@lru_cache(maxsize=9)\ndef parse() -> int:\n    return 1\n")
        == "def parse() -> int:\n    return 1\n"
    )


def test_decorators_of_classes_stay() -> None:
    code = "@dataclass(frozen=True)\nclass Row:\n    image: str\n"
    assert undecorated(code) == code


@pytest.mark.parametrize("decorators", ["@retry", "@module.property", "@property\n@retry"])
def test_a_decorator_that_the_stage_does_not_know_is_refused(decorators: str) -> None:
    with pytest.raises(UnknownDecorator, match="parse"):
        undecorated(f"{decorators}\ndef parse() -> int:\n    return 1\n")
