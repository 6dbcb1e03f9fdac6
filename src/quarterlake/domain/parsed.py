"""What parsing one raw file gave."""

from collections.abc import Mapping

import msgspec

from quarterlake.domain.column_types import ColumnType
from quarterlake.domain.contract import Contract, fingerprint
from quarterlake.domain.drift import Drift
from quarterlake.domain.inference import Evidence, keeps_parsed

PARSER_VERSION = "5"
"""Goes up whenever the same bytes and contract would give other records; parsed files are then made anew."""


class StoredColumn(msgspec.Struct, frozen=True):
    """A column as the parsed file holds it."""

    name: str
    type: ColumnType
    format: str = ""
    nulls: tuple[str, ...] | None = None


class ParsedFile(msgspec.Struct, frozen=True):
    """One raw file's records as typed Parquet under one contract version, with its rejects.

    `origin` identifies bytes, parser and the file name's timestamp, so that with a contract it identifies the records.
    `data` is the Parquet file's key, None when nothing was accepted; `rejects` that of its rejects. `records` is counted
    from the bytes; `months` has the accepted records by month. `misfits` is the evidence of the values that did
    not fit their column's type, `reject_counts` the rejects by reason, `nulls` the nulls by column. `unknown` are
    columns of the file that the contract lacks, `missing` columns of the contract that the file lacks; `dialect` says
    how the file was read, `drift` where it left the contract. Of a replay `withheld` are records
    whose originals are no rejects now, so that they do not count, `repaired` and `discarded` the rejects of the original that it stands for,
    `stands_for` the same by reason. With `error` the file could not be read at all, and nothing of it counts; `named` is what the file is called in there.
    """

    id: str
    origin: str
    sha256: str
    parse_id: str
    data: str | None = None
    rejects: str | None = None
    records: int = 0
    rejected: int = 0
    months: Mapping[str, int] = {}
    columns: tuple[StoredColumn, ...] = ()
    nulls: Mapping[str, int] = {}
    misfits: Mapping[str, Evidence] = {}
    reject_counts: Mapping[str, int] = {}
    unknown: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    dialect: Mapping[str, str] = {}
    drift: tuple[Drift, ...] = ()
    withheld: int = 0
    repaired: int = 0
    discarded: int = 0
    stands_for: Mapping[str, int] = {}
    error: str | None = None
    named: str = ""

    @property
    def accepted(self) -> int:
        """The records that became rows, before any is superseded."""
        return sum(self.months.values())


def origin_of(sha256: str, name_time: str | None) -> str:
    """Identifies what a file's records are made from, whatever contract they are read under."""
    return fingerprint([sha256, PARSER_VERSION, name_time])


def parsed_id(sha256: str, parse_id: str, name_time: str | None) -> str:
    """What parsing is memoised by: bytes, contract, parser, and the file name's timestamp where that is the record time."""
    return fingerprint([origin_of(sha256, name_time), parse_id])


def reusable(parsed: ParsedFile, contract: Contract) -> bool:
    """Whether a file parsed under an earlier contract gives the same records as a fresh parse under a widened one."""
    unknown = {name.casefold() for name in parsed.unknown}
    if parsed.error is not None or any(c.source.casefold() in unknown for c in contract.columns):
        return False
    wanted = {column.name: column for column in contract.columns}
    for column in parsed.columns:
        rejects = parsed.misfits[column.name].present if column.name in parsed.misfits else 0
        now = wanted.get(column.name)
        if now is None or (now.format, now.nulls) != (column.format, column.nulls):
            return False
        if not keeps_parsed(column.type, now.type, rejects):
            return False
    return True
