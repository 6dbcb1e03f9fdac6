"""The state of a data set's curated months."""

from collections.abc import Mapping, Sequence

import msgspec

from quarterlake.domain.contract import fingerprint
from quarterlake.domain.errors import LedgerError

CURATE_VERSION = "2"
"""Goes up whenever the same parsed files and contract would give other curated bytes."""


class MonthInput(msgspec.Struct, frozen=True):
    """A parsed file's part in a month: how many records it brought, and how many were accepted.

    `landing` is the landing that brought it when the month was made; the same bytes may have landed again since.
    """

    source: str
    sha256: str
    origin: str
    landing: int
    records: int
    accepted: int


class CuratedFile(msgspec.Struct, frozen=True):
    """A file of a month: its path below the curated table, its bytes and its rows."""

    path: str
    size: int
    rows: int


class CuratedMonth(msgspec.Struct, frozen=True):
    """One month's curated records.

    `id` identifies inputs, rivals, contract and logic, `content` the rows alone: builds are made from it, so that a change
    in a rival month which takes no row away makes no new revision. `files` say how many rows were written. `rivals` are the months
    whose records share keys with this one's under the key that `key_id` identifies, `key_range` the least and the greatest
    value of that key's first column as text, over all versions. `conflicts` counts keys with versions that differ though
    none may win (an inferred key), `equal_rows` equal records that no key removes.
    """

    month: str
    id: str
    content: str
    files: tuple[CuratedFile, ...]
    inputs: tuple[MonthInput, ...]
    columns: tuple[str, ...]
    rivals: tuple[str, ...] = ()
    key_id: str | None = None
    key_range: tuple[str, str] | None = None
    conflicts: int = 0
    equal_rows: int = 0

    @property
    def rows(self) -> int:
        """Rows over all files."""
        return sum(file.rows for file in self.files)

    def check(self) -> None:
        """Raise LedgerError when the files hold other records than were accepted into it."""
        accepted = sum(given.accepted for given in self.inputs)
        if accepted != self.rows or any(not 0 <= given.accepted <= given.records for given in self.inputs):
            raise LedgerError(
                f"The curated month {self.month} does not balance: {accepted} records accepted, but {self.rows} written. "
                "Nothing was published; please report it with the files of that month."
            )


class Curation(msgspec.Struct, frozen=True):
    """All curated months of a data set, as one commit of its Delta table made them visible."""

    id: str
    dataset: str
    contract_id: str
    months: Mapping[str, CuratedMonth]


def month_id(month: str, inputs: Sequence[tuple[str, str]], content_id: str) -> str:
    """Identifies a month's bytes.

    `inputs` are the origins of its files and of its rivals', each with the month that it is read for, in landing order:
    the order alone decides between versions, so the same bytes landed again give the same month.
    """
    return fingerprint([month, list(inputs), content_id, CURATE_VERSION])


def curation_id(dataset: str, months: Mapping[str, CuratedMonth]) -> str:
    """Identifies a state of the curated table by its months."""
    return fingerprint([dataset, sorted((month, curated.id) for month, curated in months.items())])
