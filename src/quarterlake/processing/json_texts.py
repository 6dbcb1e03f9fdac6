"""The texts of a JSON object's fields, in SQL, each number with the digits that it is written with.

DuckDB 2.0 prints a number with a fraction or an exponent by way of a double: `1.10` as 1.1, `1e5` as 100000.0,
`0.12345678901234567891` as 0.12345678901234568; and `-0` as 0. The whole record's text is unchanged, so in records that hold such
a number all of them become marked strings before they are taken out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterlake.processing.sql import literal, literals

if TYPE_CHECKING:
    from collections.abc import Sequence

_MARK = "\ufdd0"
"""A noncharacter, which Unicode keeps for use inside programs: hardly any text that is exchanged holds it."""

_KEPT = f"{_MARK}_"
"""What stands meanwhile for the mark in a record that holds it: no number begins so."""

_HELD = rf"{_MARK}|\\u[fF][dD][dD]0"
"""Finds at least every record that holds the mark, or an escape for it."""

_MAY_CHANGE = r"-0(?:[^.0-9]|$)|[0-9][eE]|[0-9]\.[0-9]+0(?:[^0-9]|$)|\.0000|(?:[0-9]\.?){16}"
"""Finds at least every record with a number that a double prints differently: up to 15 digits come back as they were."""

_STRING = r'"(?:[^"\\]|\\.)*"'
_TO_NUMBER = rf'((?:[^"0-9-]|{_STRING})*)(?:(-?[0-9][-+.0-9eE]*|-[A-Za-z]+)|$)'
"""All up to the next number outside of strings, and the number: matched again and again, it never begins in a string."""

_MARKED = f'(?:^|"){_MARK}([-+.0-9a-zA-Z]+)(?:"|$)'


def json_texts(record: str, pointers: Sequence[str]) -> str:
    """An expression for the list of a JSON record's texts at some JSON pointers (RFC 6901), NULL where there is none."""
    text = f"CAST({record} AS VARCHAR)"
    as_written = _unmarked(_taken(_marked(text), pointers))
    kept = _taken(_marked(_keeping(text)), [pointer.replace(_MARK, _KEPT) for pointer in pointers])
    restored = f"list_transform({_unmarked(kept)}, lambda t: replace(t, {literal(_KEPT)}, {literal(_MARK)}))"
    return (
        f"CASE WHEN NOT regexp_matches({text}, {literal(_MAY_CHANGE)}) THEN {_taken(record, pointers)} "
        f"WHEN regexp_matches({text}, {literal(_HELD)}) THEN {restored} ELSE {as_written} END"
    )


def _keeping(text: str) -> str:
    """JSON text with each mark that it holds, and each escape for one, as what is kept meanwhile."""
    # A backslash that is itself escaped begins no escape: its code does not look as if it did.
    plain = rf"replace(replace({text}, '\\', '\u005c'), {literal(_MARK)}, {literal(_KEPT)})"
    return rf"regexp_replace({plain}, '\\u[fF][dD][dD]0', {literal(_KEPT)}, 'g')"


def _taken(record: str, pointers: Sequence[str]) -> str:
    return f"json_extract_string({record}, {literals(pointers)})"


def _marked(text: str) -> str:
    """JSON text with each number as a string that begins with the mark."""
    marked = literal(rf'\1"{_MARK}\2"')
    # The last match ends at the text's end and has no number: what it leaves is cut off.
    surplus = len(f'"{_MARK}"')
    replaced = f"regexp_replace({text}, {literal(_TO_NUMBER)}, {marked}, 'gs')"
    return f"({replaced})[:-{surplus + 1}]"


def _unmarked(texts: str) -> str:
    """A list of texts with the numbers as they were, also those within objects and lists."""
    return f"list_transform({texts}, lambda t: regexp_replace(t, {literal(_MARKED)}, '\\1', 'g'))"
