"""Drafting a contract from the first records of some files."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from quarterlake.domain.column_types import NULL, ColumnType, Kind, join
from quarterlake.domain.contract import RESERVED_COLUMNS, Column, Contract
from quarterlake.domain.inference import (
    Evidence,
    TimeCandidate,
    choose_record_time,
    infer_type,
    looks_like_key,
)
from quarterlake.processing.dialect import unique_names
from quarterlake.processing.parsing import stamp_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quarterlake.domain.landings import Landing, Manifest
    from quarterlake.domain.parsed import ParsedFile
    from quarterlake.processing.parsing import Parsing
    from quarterlake.processing.samples import Sample

_SAMPLED_RECORDS = 2_000


def draft_contract(
    parsing: Parsing, dataset: str, manifests: Sequence[Manifest], records: int
) -> Contract | None:
    """A contract from the first records of files: types, record time, key; None when none of them can be read."""
    stamped = [(manifest, stamp_of(manifest)) for manifest in manifests]
    samples = _related([s for s in parsing.engine.sample(stamped, records) if s.error is None])
    types = _types(samples)
    if not types:
        return None
    names = dict(zip(types, our_names(list(types)), strict=True))
    columns = tuple(Column(name=names[source], type=kind, source=source) for source, kind in types.items())
    time, why = choose_record_time(_time_candidates(samples, types, names))
    key = next(
        (
            names[s]
            for s in types
            if looks_like_key(s, dataset) and all(s in sample.unique for sample in samples if sample.rows)
        ),
        None,
    )
    notes = [why]
    if key is not None:
        notes.append(
            f"key: {key}, named like an identifier and unique in the sample; only equal rows are removed by it until a contract declares it"
        )
    return Contract(
        dataset=dataset,
        columns=columns,
        record_time=time,
        key=(key,) if key else (),
        inferred=True,
        notes=tuple(notes),
    )


def new_columns(
    parsing: Parsing, contract: Contract, landings: Sequence[Landing], parsed: Mapping[int, ParsedFile]
) -> list[Column]:
    """Columns that live files have and the contract lacks, with the types that these files' first records give."""
    strange = [
        landing.manifest
        for landing in landings
        if landing.is_live
        and landing.manifest.sequence in parsed
        and parsed[landing.manifest.sequence].unknown
        and parsed[landing.manifest.sequence].error is None
    ]
    if not strange:
        return []
    known = {c.source.casefold() for c in contract.columns}
    samples = [
        s
        for s in parsing.engine.sample([(m, stamp_of(m)) for m in strange], _SAMPLED_RECORDS)
        if s.error is None
    ]
    types = {source: kind for source, kind in _types(samples).items() if source.casefold() not in known}
    taken = [c.name for c in contract.columns]
    names = our_names([*taken, *types])[len(taken) :]
    return [
        Column(name=name, type=kind, source=source)
        for name, (source, kind) in zip(names, types.items(), strict=True)
    ]


def _related(samples: Sequence[Sample]) -> list[Sample]:
    """The samples that share a column with the commonest layout: a stray note among the data says nothing of its shape."""
    layouts = Counter(tuple(sorted(name.casefold() for name in sample.columns)) for sample in samples)
    ranked = sorted(layouts, key=lambda layout: (layouts[layout], len(layout)))
    usual = set(ranked[-1]) if ranked else set()
    return [sample for sample in samples if usual & {name.casefold() for name in sample.columns}]


def our_names(sources: Sequence[str]) -> tuple[str, ...]:
    """Column names of ours for those in files: the same, but for names that quarterlake keeps for itself."""
    return unique_names([f"{name}_" if name.casefold() in RESERVED_COLUMNS else name for name in sources])


def _types(samples: Sequence[Sample]) -> dict[str, ColumnType]:
    evidence: dict[str, Evidence] = {}
    natives: dict[str, ColumnType] = {}
    spelling: dict[str, str] = {}
    for sample in samples:
        for given, found in sample.columns.items():
            source = spelling.setdefault(given.casefold(), given)
            if given in sample.natives:
                natives[source] = join(natives.get(source, NULL), sample.natives[given])
            counted = Evidence() if given in sample.natives else found
            evidence[source] = evidence.get(source, Evidence()) + counted
    return {source: join(infer_type(found), natives.get(source, NULL)) for source, found in evidence.items()}


def _time_candidates(
    samples: Sequence[Sample], types: Mapping[str, ColumnType], names: Mapping[str, str]
) -> list[TimeCandidate]:
    candidates = []
    for source, kind in types.items():
        if kind.kind not in {Kind.DATE, Kind.TIMESTAMP}:
            continue
        agreements = [s.times[source] for s in samples if source in s.times]
        instants = sum(a.instants for a in agreements)
        shares = (
            (sum(a.in_name for a in agreements) / instants, sum(a.near_name for a in agreements) / instants)
            if instants
            else (None, None)
        )
        nulls = sum(s.columns[source].nulls for s in samples if source in s.columns)
        candidates.append(TimeCandidate(names[source], kind, nulls, *shares))
    return candidates
