"""Placeholders become named ones, and nothing else in a statement changes."""

from __future__ import annotations

import pytest

from distributary.adapters.aurora.placeholders import named


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT $1::json, $12", "SELECT :p1::json, :p12"),
        ("($1,$2)", "(:p1,:p2)"),
        ("SELECT '$1', $1", "SELECT '$1', :p1"),
        ("SELECT 'it''s $1' || $1", "SELECT 'it''s $1' || :p1"),
        (r"LIKE 'a\' AND $1", r"LIKE 'a\' AND :p1"),
        (r"SELECT E'it\'s $1', $1", r"SELECT E'it\'s $1', :p1"),
        ('SELECT "$1 "" :x", $1', 'SELECT "$1 "" :x", :p1'),
        ("SELECT a$1, $1", "SELECT a$1, :p1"),
        ("SELECT 1 -- $1\n, $1", "SELECT 1 -- $1\n, :p1"),
        ("SELECT /* $1 /* $2 */ $3 */ $1", "SELECT /* $1 /* $2 */ $3 */ :p1"),
        ("AS $$ $1 $a$ $$, $1", "AS $$ $1 $a$ $$, :p1"),
        ("AS $body$ $1 $$ $other$ x := y::int $body$, $1", "AS $body$ $1 $$ $other$ x := y::int $body$, :p1"),
        ("SELECT $1 / $2 - $3", "SELECT :p1 / :p2 - :p3"),
        ("", ""),
    ],
)
def test_only_placeholders_change(sql: str, expected: str) -> None:
    assert named(sql) == expected
