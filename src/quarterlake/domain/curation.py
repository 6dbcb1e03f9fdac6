"""The state of a data set's curated months."""

from collections.abc import Mapping

import msgspec

from quarterlake.domain.contract import fingerprint

CURATE_VERSION = "1"
"""Goes up whenever the same parsed files and contract would give other curated bytes."""


class MonthInput(msgspec.Struct, frozen=True):
    """A parsed file's part in a month: how many records it brought, and how many were accepted."""

    source: str
    sha256: str
    parsed: str
    landing: int
    records: int
    accepted: int


class CuratedMonth(msgspec.Struct, frozen=True):
    """One month's curated file.

    `id` identifies inputs, contract and logic; `rivals` are the months whose records share keys with this one's, and
    `key_range` the least and the greatest value of the key's first column as text, over all versions. `conflicts` counts keys with versions that differ though none may
    win (an inferred key), `equal_rows` equal records that no key removes.
    """

    month: str
    id: str
    path: str
    size: int
    rows: int
    inputs: tuple[MonthInput, ...]
    columns: tuple[str, ...]
    rivals: tuple[str, ...] = ()
    key_range: tuple[str, str] | None = None
    conflicts: int = 0
    equal_rows: int = 0


class Curation(msgspec.Struct, frozen=True):
    """All curated months of a data set, as one commit of its Delta table made them visible."""

    id: str
    dataset: str
    contract_id: str
    months: Mapping[str, CuratedMonth]


def month_id(
    inputs: list[tuple[int, str]], rivals: list[tuple[str, list[tuple[int, str]]]], content_id: str
) -> str:
    """Identifies a month's bytes by its inputs (landing number and parsed file), its rivals' and the contract."""
    return fingerprint([sorted(inputs), sorted(rivals), content_id, CURATE_VERSION])


def curation_id(dataset: str, months: Mapping[str, CuratedMonth]) -> str:
    """Identifies a state of the curated table by its months."""
    return fingerprint([dataset, sorted((month, curated.id) for month, curated in months.items())])
