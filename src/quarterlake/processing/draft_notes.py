"""What an inferred contract says of how its columns are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from quarterlake.domain.column_types import STRING, TIMESTAMP, ColumnType
from quarterlake.processing.encodings import SINGLE_BYTE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quarterlake.domain.contract import Contract
    from quarterlake.domain.forms import Decision
    from quarterlake.processing.samples import Sample


def note_on(name: str, decision: Decision) -> str:
    """What a contract's notes say of the way in which a column is read."""
    return f"{name}: {decision.note}"


def note_on_key(key: str | None, unique: Sequence[str]) -> str:
    """What a contract's notes say of its key, or where it has none of columns that are `unique` in the sample."""
    if key is not None:
        return f"key: {key}, named like an identifier and unique in the sample; only equal rows are removed by it until a contract declares it"
    candidates = f"; {' and '.join(unique)} might be one, unique in the sample" if unique else ""
    return f"key: none, so that equal rows all count until a contract declares one (primaryKey){candidates}"


def without_key(draft: Contract) -> Contract:
    """The draft without the key whose values are missing in some records, which its notes then say."""
    why = f"key: none, since {draft.key[0]} is missing in some records; equal rows all count until a contract declares one (primaryKey)"
    notes = tuple(why if note.startswith("key: ") else note for note in draft.notes)
    return msgspec.structs.replace(draft, key=(), notes=notes)


def notes_on_nulls(
    samples: Sequence[Sample], types: Mapping[str, ColumnType], names: Mapping[str, str]
) -> list[str]:
    """Which texts are taken for missing values in which columns, and where such texts are kept."""
    read: dict[tuple[str, ...], list[str]] = {}
    kept: dict[tuple[str, ...], list[str]] = {}
    for source, kind in types.items():
        tokens = tuple(sorted({token for s in samples for token in s.tokens.get(source, ())}))
        if tokens:
            (kept if kind == STRING else read).setdefault(tokens, []).append(names[source])
    return [
        *(f"{', '.join(columns)}: {_quoted(tokens)} read as null" for tokens, columns in read.items()),
        *(
            f"{', '.join(columns)}: {_quoted(tokens)} kept as text; list them in quarterlake.nulls to read them as null"
            for tokens, columns in kept.items()
        ),
    ]


def notes_on_encoding(samples: Sequence[Sample]) -> list[str]:
    """Which encoding of one byte a character some files are taken to be in."""
    found = sorted({sample.encoding for sample in samples} & SINGLE_BYTE)
    if not found:
        return []
    labels = " or ".join(found)
    return [
        f"encoding: {labels}, which bytes alone do not tell from others of one byte a character; set encoding in quarterlake.reading where letters look wrong"
    ]


def has_local_times(samples: Sequence[Sample], decisions: Mapping[str, Decision]) -> bool:
    """Whether a column's times have no offset that would say in which zone they are."""
    times = {source: found for source, found in decisions.items() if found.type == TIMESTAMP}
    if any(
        found.format and "X" not in found.format and "epoch" not in found.format for found in times.values()
    ):
        return True
    return any(e.local for s in samples for source, e in s.columns.items() if source in times)


def _quoted(tokens: Sequence[str]) -> str:
    return ", ".join(f"'{token}'" for token in tokens)
