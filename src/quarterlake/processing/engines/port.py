"""What an engine must do for the stages of processing. Each call is a function of its arguments' hashes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from quarterlake.domain.curation import MonthInput, month_id
from quarterlake.domain.reading import EVIDENCE, Reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from quarterlake.domain.contract import Contract
    from quarterlake.domain.curation import CuratedFile, CuratedMonth
    from quarterlake.domain.inference import Evidence
    from quarterlake.domain.landings import Manifest
    from quarterlake.domain.naming import NameTimestamp
    from quarterlake.domain.parsed import ParsedFile
    from quarterlake.domain.profiles import TableProfile
    from quarterlake.domain.releases import Aggregate, Build
    from quarterlake.processing.rejects import Reject
    from quarterlake.processing.samples import Sample
    from quarterlake.processing.user_sql import UserAggregate


@dataclass(frozen=True, slots=True)
class ParseRequest:
    """A landed file to parse under a contract; `id` is what the result is memoised by, `origin` what it is made from.

    `withheld` are the lines, counted from 0, of a replay that are not read.
    """

    id: str
    origin: str
    manifest: Manifest
    name_time: str | None
    contract: Contract
    withheld: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class CurateInput:
    """A parsed file with what a month needs to know of its landing."""

    manifest: Manifest
    parsed: ParsedFile


@dataclass(frozen=True, slots=True)
class CurateRequest:
    """A month to curate from the live parsed files that hold records of it.

    `contract` is restricted to the columns that these files have, `ranked_by` to those of its rivals' too. `rivals` are the months that share declared keys
    with it, with their files. `path` is where the result lies below the curated table: a file, or for an engine that writes
    several, a folder of that name.
    """

    dataset: str
    month: str
    id: str
    contract: Contract
    ranked_by: Contract
    inputs: Sequence[CurateInput]
    rivals: dict[str, Sequence[CurateInput]]
    key_id: str | None
    key_range: tuple[str, str] | None
    path: str

    @property
    def records(self) -> int:
        """How many records the month's own files hold of it."""
        return sum(given.parsed.months[self.month] for given in self.inputs)

    @property
    def landings(self) -> list[int]:
        """The month's own landings, in their order."""
        return sorted(given.manifest.sequence for given in self.inputs)

    def content(self, losing: str) -> str:
        """Identifies the month's rows: its own inputs, the contract, and which of its rows lose (`losing`); not why they do."""
        origins = {given.manifest.sequence: given.parsed.origin for given in self.inputs}
        inputs = [(self.month, origins[landing]) for landing in self.landings]
        return month_id(self.month, inputs, self.contract.content_id + losing)

    def accepted(self, lost: Mapping[int, int]) -> tuple[MonthInput, ...]:
        """Each input's part in the month; `lost` are the records of each landing that lose."""
        return tuple(
            MonthInput(
                source=given.manifest.source,
                sha256=given.manifest.sha256,
                origin=given.parsed.origin,
                landing=given.manifest.sequence,
                records=given.parsed.months[self.month],
                accepted=given.parsed.months[self.month] - lost.get(given.manifest.sequence, 0),
            )
            for given in self.inputs
        )


@dataclass(frozen=True, slots=True)
class PeriodView:
    """The curated records of a period: its months' files under the contract restricted to their columns."""

    dataset: str
    period: str
    period_column: str
    contract: Contract
    months: Sequence[CuratedMonth]

    @property
    def files(self) -> list[CuratedFile]:
        """The files of all months, in their order."""
        return [file for month in self.months for file in month.files]


class Engine(Protocol):
    """Runs the SQL of processing over a lake. Every output is a new file; what exists is never changed."""

    name: str

    def sample(
        self,
        manifests: Sequence[tuple[Manifest, NameTimestamp | None]],
        records: int,
        written: Reading = EVIDENCE,
    ) -> Iterator[Sample]:
        """The first records of files, each with its name's timestamp, for inference; files that cannot be read give a sample that says so.

        What `written` says of delimited files is so.
        """

    def evidence(self, manifests: Sequence[Manifest], columns: Sequence[str]) -> dict[str, Evidence]:
        """Evidence over every value of some columns (by their names in the files)."""

    def parse(self, requests: Iterable[ParseRequest]) -> Iterator[ParsedFile]:
        """Parse files in any order; their Parquet is in place when a document is yielded."""

    def distinct(self, parsed: Sequence[ParsedFile], columns: Sequence[str], limit: int) -> dict[str, int]:
        """The number of distinct values of columns, at most about `limit`, over all accepted records."""

    def key_ranges(
        self, contract: Contract, months: Mapping[str, Sequence[CurateInput]]
    ) -> dict[str, tuple[str, str] | None]:
        """For each month the least and the greatest value of the key's first column, as text; None when all are null."""

    def shares_keys(
        self,
        contract: Contract,
        left: tuple[str, Sequence[CurateInput]],
        right: tuple[str, Sequence[CurateInput]],
    ) -> bool:
        """Whether two months' records have a key in common."""

    def curate(self, requests: Iterable[CurateRequest]) -> Iterator[CuratedMonth]:
        """Write months, in their order: typed, deduplicated, sorted."""

    def profile(self, view: PeriodView) -> tuple[TableProfile, dict[str, int]]:
        """The profile of a period's curated records, and their number by day of the record time where it is a column."""

    def aggregate(self, view: PeriodView, build: str, aggregate: UserAggregate | None) -> Aggregate:
        """Write one aggregate of a period; None is the zero-config summary."""

    def profile_aggregate(self, aggregate: Aggregate) -> TableProfile:
        """The profile of a staged aggregate."""

    def recount(self, build: Build) -> tuple[int, int]:
        """Rows in a build's staged files, and those of them that belong to another period."""

    def rejects(self, parsed: Sequence[ParsedFile]) -> Iterator[tuple[ParsedFile, Reject]]:
        """The rejects of parsed files, file by file, in each file's order."""

    def close(self) -> None:
        """Let go of what the engine holds."""
