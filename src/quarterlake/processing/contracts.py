"""Which contract is in force: the user's, else the newest inferred one, widened by what new files show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from quarterlake.domain.column_roles import choose_dimensions
from quarterlake.domain.column_types import FLOAT64, ColumnType, Kind
from quarterlake.domain.contract import fingerprint
from quarterlake.domain.drift import DriftKind, DriftPolicy, Evolution
from quarterlake.domain.errors import ConflictError
from quarterlake.domain.inference import TYPED_SHARE, infer_type, plain, widened
from quarterlake.domain.number_forms import has_decimal_commas, may_be_thousands
from quarterlake.domain.odcs import from_yaml
from quarterlake.domain.odcs_writing import to_yaml
from quarterlake.lake import keys
from quarterlake.processing.draft_notes import without_key
from quarterlake.processing.drafts import (
    came_later,
    draft_contract,
    new_columns,
    refined,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quarterlake.domain.contract import Column, Contract
    from quarterlake.domain.landings import Landing
    from quarterlake.domain.parsed import ParsedFile
    from quarterlake.processing.parsing import Parsing

_SAMPLED_FILES = 8
_SAMPLED_RECORDS = 2_000
_ROUNDS = 8
_MOST_VALUES = 200


@dataclass(frozen=True, slots=True)
class Settled:
    """The contract in force with every file parsed under it, by landing sequence, corrected ones too."""

    contract: Contract
    parsed: Mapping[int, ParsedFile]


@dataclass(frozen=True, slots=True)
class Line:
    """The contracts of a data set that follow each other in the lake, numbered from 1: inferred ones, or what files made of a declared one."""

    parsing: Parsing
    dataset: str
    declared: Contract | None = None

    def newest(self) -> tuple[int, Contract] | None:
        """The last one with its number; a declared contract itself is number 0."""
        store = self.parsing.lake.curated
        listed = [item.key for item in store.list(self._prefix) if item.key.endswith(".odcs.yaml")]
        if not listed:
            return None if self.declared is None else (0, self.declared)
        text = store.get(listed[-1]) or b""
        number = int(listed[-1].rsplit("/", 1)[1].split(".")[0])
        return number, from_yaml(text.decode(), f"{store.url}/{listed[-1]}")

    def numbered(self, number: int) -> Contract | None:
        """One of them, None where there is none of this number."""
        if number <= 0:
            return self.declared if number == 0 else None
        key = keys.contract(self._prefix, number)
        text = self.parsing.lake.curated.get(key)
        return None if text is None else from_yaml(text.decode(), key)

    def store(self, number: int, contract: Contract) -> None:
        """Put the next one, which is never changed."""
        base = f"1.{number - 1}.0" if self.declared is None else f"{self.declared.version}+{number}"
        text = to_yaml(msgspec.structs.replace(contract, version=base))
        self.parsing.lake.curated.create(keys.contract(self._prefix, number), text.encode())

    @property
    def _prefix(self) -> str:
        if self.declared is None:
            return keys.ours(self.dataset, "contracts")
        return keys.ours(self.dataset, f"evolved/{fingerprint(self.declared)}")


def newest_inferred(parsing: Parsing, dataset: str) -> tuple[int, Contract] | None:
    """The number and the text of the newest inferred contract in the lake."""
    return Line(parsing, dataset).newest()


def in_force(parsing: Parsing, dataset: str, declared: Contract | None) -> Contract | None:
    """The contract in force as far as it is known: the user's, as files may have changed it, else the newest inferred one."""
    if declared is not None and not declared.follows:
        return declared
    newest = Line(parsing, dataset, declared).newest()
    return newest[1] if newest else None


def settle(
    parsing: Parsing, dataset: str, landings: Sequence[Landing], declared: Contract | None
) -> Settled | None:
    """Parse every live file under the contract in force, inferring it first where it is not the user's, and widening it where it follows its files.

    None when there is nothing that a contract could be inferred from.
    """
    if declared is not None and not declared.follows:
        return Settled(declared, parsing.parse_all(dataset, declared, landings))
    line = Line(parsing, dataset, declared)
    for _ in range(_ROUNDS):
        newest = line.newest()
        if newest is None:
            first = infer(parsing, dataset, landings)
            if first is None:
                return None
            line.store(1, first)
            continue
        number, contract = newest
        parsed = parsing.parse_all(dataset, contract, landings, line.numbered(number - 1))
        if declared is None and not any(file.accepted for file in parsed.values()):
            # What no record has ever met says nothing: the first file may have been no more than a header, or a letter.
            anew = infer(parsing, dataset, landings)
            if anew is None or _is_same(anew, contract):
                return Settled(contract, parsed)
            line.store(number + 1, anew)
            continue
        wider = _widen(parsing, contract, landings, of_live(landings, parsed))
        if wider == contract:
            return Settled(contract, parsed)
        line.store(number + 1, wider)
    raise ConflictError(
        f"The contract of {dataset} kept changing while it was being settled. Run the same command again."
    )


def _is_same(one: Contract, other: Contract) -> bool:
    """Whether contracts say the same, whatever their versions."""
    return to_yaml(msgspec.structs.replace(one, version=other.version)) == to_yaml(other)


def of_live(landings: Sequence[Landing], parsed: Mapping[int, ParsedFile]) -> dict[int, ParsedFile]:
    """The parsed files of the landings that count."""
    live = [landing.manifest.sequence for landing in landings if landing.is_live]
    return {number: parsed[number] for number in live if number in parsed}


def infer(parsing: Parsing, dataset: str, landings: Sequence[Landing]) -> Contract | None:
    """The contract that the live files give, every value of them looked at; None when no file can be read."""
    landings = [landing for landing in landings if landing.manifest.replay is None]
    live = [landing.manifest for landing in landings if landing.is_live]
    step = max(1, -(-len(live) // _SAMPLED_FILES))
    sampled = live[::step] if len(live) > step else live
    draft = draft_contract(parsing, dataset, sampled, _SAMPLED_RECORDS, live)
    if draft is None:
        return None
    looked_at: set[str] = set()
    for _ in range(_ROUNDS):
        parsed = of_live(landings, parsing.parse_all(dataset, draft, landings))
        refined = _refined(parsing, draft, landings, parsed, looked_at)
        if refined == draft:
            break
        draft = refined
    return _finished(parsing, draft, parsed)


def _refined(
    parsing: Parsing,
    draft: Contract,
    landings: Sequence[Landing],
    parsed: Mapping[int, ParsedFile],
    looked_at: set[str],
) -> Contract:
    """The draft with the types that all values give, for columns that the sample misjudged, and with columns it had not seen.

    Columns with misfits that some format might read are looked at too, once: their names go into `looked_at`.
    """
    readable = [file for file in parsed.values() if file.error is None]
    misjudged = [
        c.name
        for c in draft.columns
        if _widened_type(c, readable) != c.type
        or _mostly_misfits(c, readable)
        or (c.name not in looked_at and _may_have_format(c, readable))
    ]
    if misjudged:
        looked_at.update(misjudged)
        live = [landing.manifest for landing in landings if landing.is_live]
        sources = [c.source for c in draft.columns if c.name in misjudged]
        draft = refined(draft, parsing.engine.evidence(live, sources))
    added = new_columns(parsing, draft, landings, parsed)
    if not added:
        return draft
    # Which file brought them is told when all are parsed; here only that they have no place in the order of the others.
    evolution = (*draft.evolution, *(Evolution(DriftKind.ADDED, column.name, 0) for column in added))
    return msgspec.structs.replace(draft, columns=(*draft.columns, *added), evolution=evolution)


def _finished(parsing: Parsing, draft: Contract, parsed: Mapping[int, ParsedFile]) -> Contract:
    """The draft with what only parsed records tell: which columns have nulls or came later, what to group by, whether the key holds."""
    by_landing = {number: file for number, file in parsed.items() if file.error is None}
    readable = list(by_landing.values())
    columns = tuple(msgspec.structs.replace(c, nullable=_has_nulls(c, readable)) for c in draft.columns)
    key = draft.key if not any(c.nullable for c in columns if c.name in draft.key) else ()
    groupable = [
        c.name
        for c in columns
        if c.type.kind in {Kind.STRING, Kind.BOOLEAN} and c.name not in key and c.name != draft.record_time
    ]
    distinct = parsing.engine.distinct(readable, groupable, _MOST_VALUES)
    dimensions = choose_dimensions(distinct, sum(file.accepted for file in readable))
    having = {c.name: [n for n, file in by_landing.items() if c.name not in file.missing] for c in columns}
    evolution = came_later(columns, having, min(by_landing, default=0))
    return msgspec.structs.replace(
        without_key(draft) if draft.key and not key else draft,
        columns=columns,
        dimensions=dimensions,
        evolution=evolution,
    )


def _mostly_misfits(column: Column, parsed: Sequence[ParsedFile]) -> bool:
    misfits = sum(file.misfits[column.name].present for file in parsed if column.name in file.misfits)
    values = sum(file.accepted + file.rejected - file.nulls.get(column.name, 0) for file in parsed)
    return misfits > values * (1 - TYPED_SHARE)


def _may_have_format(column: Column, parsed: Sequence[ParsedFile]) -> bool:
    return any(file.misfits[column.name].forms for file in parsed if column.name in file.misfits)


def _has_nulls(column: Column, parsed: Sequence[ParsedFile]) -> bool:
    return any(file.nulls.get(column.name, 0) or column.name in file.missing for file in parsed)


def _widen(
    parsing: Parsing, contract: Contract, landings: Sequence[Landing], parsed: Mapping[int, ParsedFile]
) -> Contract:
    """The contract as its files make it, in what it follows them."""
    readable = {number: file for number, file in parsed.items() if file.error is None}
    files = list(readable.values())
    columns, evolution = [], [*contract.evolution]
    commas = has_decimal_commas(column.format for column in contract.columns)
    for column in contract.columns:
        kind = column.type
        if contract.policy(DriftKind.TYPE) is DriftPolicy.EVOLVE:
            kind = _widened_type(column, files)
        exact = column.type.kind in {Kind.DECIMAL, Kind.INT64}
        if commas and column.type.kind is Kind.INT64 and may_be_thousands(kind, column.format):
            kind = column.type
        if kind == FLOAT64 and exact and not _fit_doubles(parsing, column, landings):
            kind = column.type
        if kind != column.type:
            first = next(n for n, file in readable.items() if column.name in file.misfits)
            evolution.append(Evolution(DriftKind.TYPE, column.name, first, f"{column.type} to {kind}"))
        nullable = column.nullable or _may_lack(contract, column, files)
        columns.append(msgspec.structs.replace(column, type=kind, nullable=nullable))
    if contract.policy(DriftKind.ADDED) is DriftPolicy.EVOLVE:
        for column in new_columns(parsing, contract, landings, parsed):
            columns.append(column)
            first = next((n for n, file in readable.items() if _has_unknown(file, column.source)), 0)
            evolution.append(Evolution(DriftKind.ADDED, column.name, first, str(column.type)))
    return msgspec.structs.replace(contract, columns=tuple(columns), evolution=tuple(evolution))


def _fit_doubles(parsing: Parsing, column: Column, landings: Sequence[Landing]) -> bool:
    """Whether all values of an exact column survive as doubles: else those would be rejects, to take in what is none."""
    live = [landing.manifest for landing in landings if landing.is_live and landing.manifest.replay is None]
    found = parsing.engine.evidence(live, [column.source]).get(column.source)
    return found is not None and infer_type(plain(found, column.format)) == FLOAT64


def _may_lack(contract: Contract, column: Column, files: Sequence[ParsedFile]) -> bool:
    if contract.inferred:
        return _has_nulls(column, files)
    follows = contract.policy(DriftKind.DROPPED) is DriftPolicy.EVOLVE
    return follows and any(column.name in file.missing for file in files)


def _has_unknown(file: ParsedFile, source: str) -> bool:
    return source.casefold() in {name.casefold() for name in file.unknown}


def _widened_type(column: Column, parsed: Sequence[ParsedFile]) -> ColumnType:
    kind = column.type
    if column.format and not kind.is_number:
        return kind
    for file in parsed:
        misfits = file.misfits.get(column.name)
        if misfits is not None:
            good = file.accepted - file.nulls.get(column.name, 0)
            kind = widened(kind, good, plain(misfits, column.format))
    return kind
