"""What an inferred contract says of how its columns are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterlake.domain.column_types import STRING, TIMESTAMP, ColumnType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quarterlake.domain.forms import Decision
    from quarterlake.processing.samples import Sample


def note_on(name: str, decision: Decision) -> str:
    """What a contract's notes say of the way in which a column is read."""
    return f"{name}: {decision.note}"


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
