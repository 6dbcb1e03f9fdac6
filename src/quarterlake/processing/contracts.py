"""Which contract is in force: the user's, else the newest inferred one, widened by what new files show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from quarterlake.domain.column_types import ColumnType, Kind
from quarterlake.domain.errors import ConflictError, ContractError
from quarterlake.domain.inference import TYPED_SHARE, choose_dimensions, infer_type, widened
from quarterlake.domain.odcs import from_yaml, to_yaml
from quarterlake.lake import keys
from quarterlake.processing.drafts import draft_contract, new_columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

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


def declared_contract(directory: Path, dataset: str) -> Contract | None:
    """The user's contract `<dataset>.odcs.yaml`, None where there is none. Raises ContractError for one that does not read."""
    path = directory / f"{dataset}.odcs.yaml"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as refused:
        raise ContractError(f"{path} cannot be read: {refused}. Mend or remove it.") from refused
    contract = from_yaml(text, str(path))
    if contract.dataset != dataset:
        raise ContractError(
            f"{path} is for the data set {contract.dataset}, not {dataset}. Name its schema {dataset}, or rename the file."
        )
    return msgspec.structs.replace(contract, inferred=False, notes=())


def newest_inferred(parsing: Parsing, dataset: str) -> tuple[int, Contract] | None:
    """The number and the text of the newest inferred contract in the lake."""
    store = parsing.lake.curated
    listed = [
        item.key for item in store.list(keys.ours(dataset, "contracts")) if item.key.endswith(".odcs.yaml")
    ]
    if not listed:
        return None
    text = store.get(listed[-1]) or b""
    number = int(listed[-1].rsplit("/", 1)[1].split(".")[0])
    return number, from_yaml(text.decode(), f"{store.url}/{listed[-1]}")


def settle(
    parsing: Parsing, dataset: str, landings: Sequence[Landing], declared: Contract | None
) -> Settled | None:
    """Parse every live file under the contract in force, inferring or widening it first where it is not the user's.

    None when there is nothing that a contract could be inferred from.
    """
    if declared is not None:
        return Settled(declared, parsing.parse_all(dataset, declared, landings))
    for _ in range(_ROUNDS):
        newest = newest_inferred(parsing, dataset)
        if newest is None:
            first = infer(parsing, dataset, landings)
            if first is None:
                return None
            _store(parsing, dataset, 1, first)
            continue
        number, contract = newest
        before = _numbered(parsing, dataset, number - 1)
        parsed = parsing.parse_all(dataset, contract, landings, before)
        wider = _widen(parsing, contract, landings, of_live(landings, parsed))
        if wider == contract:
            return Settled(contract, parsed)
        _store(parsing, dataset, number + 1, msgspec.structs.replace(wider, version=f"1.{number}.0"))
    raise ConflictError(
        f"The contract of {dataset} kept changing while it was being settled. Run the same command again."
    )


def of_live(landings: Sequence[Landing], parsed: Mapping[int, ParsedFile]) -> dict[int, ParsedFile]:
    """The parsed files of the landings that count."""
    live = [landing.manifest.sequence for landing in landings if landing.is_live]
    return {number: parsed[number] for number in live if number in parsed}


def infer(parsing: Parsing, dataset: str, landings: Sequence[Landing]) -> Contract | None:
    """The contract that the live files give, every value of them looked at; None when no file can be read."""
    live = [landing.manifest for landing in landings if landing.is_live]
    step = max(1, -(-len(live) // _SAMPLED_FILES))
    draft = draft_contract(parsing, dataset, live[::step] if len(live) > step else live, _SAMPLED_RECORDS)
    if draft is None:
        return None
    for _ in range(_ROUNDS):
        parsed = of_live(landings, parsing.parse_all(dataset, draft, landings))
        refined = _refined(parsing, draft, landings, parsed)
        if refined == draft:
            break
        draft = refined
    return _finished(parsing, draft, list(parsed.values()))


def _refined(
    parsing: Parsing, draft: Contract, landings: Sequence[Landing], parsed: Mapping[int, ParsedFile]
) -> Contract:
    """The draft with the types that all values give, for columns that the sample misjudged, and with columns it had not seen."""
    readable = [file for file in parsed.values() if file.error is None]
    columns = {c.name: c for c in draft.columns}
    misjudged = [
        c.name for c in draft.columns if _widened_type(c, readable) != c.type or _mostly_misfits(c, readable)
    ]
    if misjudged:
        live = [landing.manifest for landing in landings if landing.is_live]
        sources = {columns[name].source: name for name in misjudged}
        for source, evidence in parsing.engine.evidence(live, list(sources)).items():
            column = columns[sources[source]]
            columns[column.name] = msgspec.structs.replace(column, type=infer_type(evidence))
    added = new_columns(parsing, draft, landings, parsed)
    return msgspec.structs.replace(draft, columns=(*columns.values(), *added))


def _finished(parsing: Parsing, draft: Contract, parsed: Sequence[ParsedFile]) -> Contract:
    """The draft with what only parsed records tell: which columns have nulls, what to group by, whether the key holds."""
    readable = [file for file in parsed if file.error is None]
    columns = tuple(msgspec.structs.replace(c, nullable=_has_nulls(c, readable)) for c in draft.columns)
    key = draft.key if not any(c.nullable for c in columns if c.name in draft.key) else ()
    groupable = [
        c.name
        for c in columns
        if c.type.kind in {Kind.STRING, Kind.BOOLEAN} and c.name not in key and c.name != draft.record_time
    ]
    distinct = parsing.engine.distinct(readable, groupable, _MOST_VALUES)
    dimensions = choose_dimensions(distinct, sum(file.accepted for file in readable))
    return msgspec.structs.replace(draft, columns=columns, key=key, dimensions=dimensions)


def _mostly_misfits(column: Column, parsed: Sequence[ParsedFile]) -> bool:
    misfits = sum(file.misfits[column.name].present for file in parsed if column.name in file.misfits)
    values = sum(file.accepted + file.rejected - file.nulls.get(column.name, 0) for file in parsed)
    return misfits > values * (1 - TYPED_SHARE)


def _has_nulls(column: Column, parsed: Sequence[ParsedFile]) -> bool:
    return any(file.nulls.get(column.name, 0) or column.name in file.missing for file in parsed)


def _widen(
    parsing: Parsing, contract: Contract, landings: Sequence[Landing], parsed: Mapping[int, ParsedFile]
) -> Contract:
    readable = [file for file in parsed.values() if file.error is None]
    columns = []
    for column in contract.columns:
        kind = _widened_type(column, readable)
        columns.append(
            msgspec.structs.replace(
                column, type=kind, nullable=column.nullable or _has_nulls(column, readable)
            )
        )
    return msgspec.structs.replace(
        contract, columns=(*columns, *new_columns(parsing, contract, landings, parsed))
    )


def _widened_type(column: Column, parsed: Sequence[ParsedFile]) -> ColumnType:
    kind = column.type
    for file in parsed:
        misfits = file.misfits.get(column.name)
        if misfits is not None:
            kind = widened(kind, file.accepted - file.nulls.get(column.name, 0), misfits)
    return kind


def _numbered(parsing: Parsing, dataset: str, number: int) -> Contract | None:
    text = parsing.lake.curated.get(keys.contract(dataset, number)) if number > 0 else None
    return None if text is None else from_yaml(text.decode(), keys.contract(dataset, number))


def _store(parsing: Parsing, dataset: str, number: int, contract: Contract) -> None:
    parsing.lake.curated.create(keys.contract(dataset, number), to_yaml(contract).encode())
