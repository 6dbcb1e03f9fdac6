"""Contracts: what the records of a data set must look like."""

import hashlib
from collections.abc import Collection, Mapping
from enum import StrEnum
from functools import cached_property
from typing import Literal

import msgspec

from quarterlake.domain.column_types import ColumnType
from quarterlake.domain.drift import (
    NO_POLICIES,
    DriftKind,
    DriftPolicies,
    DriftPolicy,
    Evolution,
    evolved_columns,
)
from quarterlake.domain.errors import ContractError
from quarterlake.domain.reading import EVIDENCE, Reading
from quarterlake.domain.time_forms import rival_of

RESERVED_COLUMNS = frozenset(
    {"_source", "_month", "_time", "_raw", "_landing", "_row", "file_row_number", "file_index"}
)
"""Columns of ours, and those that DuckDB adds to what it reads; a user's column of such a name is given another."""


class Severity(StrEnum):
    """What a failed gate does: an ERROR stops the build, a WARNING is reported, OFF is not looked at."""

    ERROR = "error"
    WARNING = "warning"
    OFF = "off"


class GateRule(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a contract changes a gate; None leaves the gate's own default."""

    severity: Severity | None = None
    threshold: float | None = None


class Column(msgspec.Struct, frozen=True, omit_defaults=True):
    """One column: `source` is its name in the files, `name` ours; `pii` keeps it out of every aggregate and preview.

    `format` says how its values are written where that is no ISO time or plain number (`quarterlake.domain.value_formats`);
    `nulls` are the texts that stand for a missing value, None for the usual ones (and for none but the empty one in text).
    """

    name: str
    type: ColumnType
    source: str
    nullable: bool = True
    pii: bool = False
    description: str = ""
    format: str = ""
    nulls: tuple[str, ...] | None = None


class Contract(msgspec.Struct, frozen=True, omit_defaults=True, dict=True):
    """What the records of one data set must look like.

    `record_time` names the column that puts a record into a period; None means the timestamp in the file's
    name. `key_declared` says that a person wrote the key, which lets the newest version of a record win;
    an inferred key removes only rows that are equal in every column. `reading` says how delimited files are written where their
    bytes are not to decide it. `drift` says what is done where a file leaves the contract, `evolution` where it followed one. `notes` say why inference chose what
    it chose.
    """

    dataset: str
    columns: tuple[Column, ...]
    version: str = "1.0.0"
    record_time: str | None = None
    timezone: str = "UTC"
    key: tuple[str, ...] = ()
    key_declared: bool = False
    key_scope: Literal["dataset", "month"] = "dataset"
    sequence: str | None = None
    dimensions: tuple[str, ...] | None = None
    gates: Mapping[str, GateRule] = {}
    reading: Reading = EVIDENCE
    drift: DriftPolicies = NO_POLICIES
    evolution: tuple[Evolution, ...] = ()
    inferred: bool = False
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        if not names:
            raise ContractError(f"Contract of {self.dataset}: it names no column. Add at least one property.")
        folded = [name.casefold() for name in names]
        if twice := sorted({name for name in names if folded.count(name.casefold()) > 1}):
            raise ContractError(
                f"Contract of {self.dataset}: column {twice[0]} is named twice (case does not tell columns apart)."
            )
        if reserved := sorted(RESERVED_COLUMNS.intersection(folded)):
            raise ContractError(
                f"Contract of {self.dataset}: {reserved[0]} is a column of quarterlake's own; give yours another name."
            )
        named = [*self.key, *filter(None, (self.record_time, self.sequence)), *(self.dimensions or ())]
        if unknown := [name for name in named if name not in names]:
            raise ContractError(
                f"Contract of {self.dataset}: {unknown[0]} is used as key, time or dimension but is no column. Columns: {', '.join(names)}."
            )

    def column(self, name: str) -> Column:
        """The column of this name; KeyError where there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    def policy(self, kind: DriftKind) -> DriftPolicy:
        """What is done with a file that leaves the contract in this way."""
        return self.drift.of(kind, inferred=self.inferred)

    @property
    def follows(self) -> bool:
        """Whether files can change it: an inferred one, or one that a person lets evolve in a kind that takes a change."""
        kinds = (DriftKind.ADDED, DriftKind.DROPPED, DriftKind.TYPE)
        return self.inferred or any(self.policy(kind) is DriftPolicy.EVOLVE for kind in kinds)

    @property
    def doubtful_time(self) -> Column | None:
        """The record time's column, where nobody but other files said in which order its days and months stand."""
        column = self.column(self.record_time) if self.inferred and self.record_time else None
        return column if column and rival_of(column.format) else None

    @cached_property
    def evolved(self) -> Mapping[str, int]:
        """The columns that came with later files, each with the landing that brought it."""
        return evolved_columns(self.evolution)

    @property
    def groups(self) -> tuple[str, ...]:
        """What the zero-config summary groups by: the dimensions, less what is marked PII since they were chosen."""
        hidden = {column.name for column in self.columns if column.pii}
        return tuple(name for name in self.dimensions or () if name not in hidden)

    def restricted(self, present: Collection[str]) -> "Contract":
        """The contract less the columns that none of some files has.

        Months and quarters are made under the contract restricted to their own files' columns, so that a
        column which appears in May does not make new revisions of January.
        """
        kept = tuple(column for column in self.columns if column.name in present)
        names = {column.name for column in kept}
        return msgspec.structs.replace(
            self,
            columns=kept,
            key=self.key if names.issuperset(self.key) else (),
            sequence=self.sequence if self.sequence in names else None,
            record_time=self.record_time if self.record_time in names else None,
            dimensions=None if self.dimensions is None else tuple(d for d in self.dimensions if d in names),
        )

    @cached_property
    def parse_id(self) -> str:
        """Identifies all that decides how a file's bytes become typed records; a file without a declared key is refused."""
        columns = [
            (c.source, c.name, str(c.type), *((c.format, c.nulls) if c.format or c.nulls is not None else ()))
            for c in self.columns
        ]
        needed = sorted(self.key) if self.key_declared else []
        reading = [] if self.reading == EVIDENCE else [self.reading]
        deciding, names = self.drift.deciding(), {c.name for c in self.columns}
        drift = (
            [{"drift": deciding, "evolved": sorted(name for name in self.evolved if name in names)}]
            if deciding
            else []
        )
        if self.sequence is not None and self.policy(DriftKind.TYPE) is DriftPolicy.NULL_FILL:
            drift.append({"never filled": self.sequence})
        return fingerprint([columns, self.record_time, self.timezone, needed, *reading, *drift])

    @property
    def content_id(self) -> str:
        """Identifies all that decides the bytes of curated months and of aggregates, and nothing else.

        Gates, notes and nullability are not in it: to change a threshold makes no new revision.
        """
        return fingerprint(
            [
                self.parse_id,
                list(self.key),
                self.key_declared,
                self.key_scope,
                self.sequence,
                None if self.dimensions is None else list(self.dimensions),
                [c.name for c in self.columns if c.pii],
            ]
        )


def fingerprint(value: object) -> str:
    """32 hexadecimal digits of the SHA-256 of a value's JSON (RFC 8259, keys sorted); equal values give equal ones."""
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()[:32]
