"""Drafting a contract from the first records of some files."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from quarterlake.domain.column_roles import (
    TimeCandidate,
    choose_record_time,
    looks_like_key,
    looks_like_reference,
)
from quarterlake.domain.column_types import NULL, STRING, ColumnType, Kind
from quarterlake.domain.contract import RESERVED_COLUMNS, Column, Contract
from quarterlake.domain.drift import DriftKind, Evolution
from quarterlake.domain.inference import Evidence, infer
from quarterlake.domain.number_forms import has_decimal_commas, may_be_thousands, only_thousands
from quarterlake.processing.dialect import unique_names
from quarterlake.processing.draft_notes import (
    has_local_times,
    note_on,
    note_on_key,
    notes_on_encoding,
    notes_on_nulls,
)
from quarterlake.processing.parsing import stamp_of
from quarterlake.processing.sample_decisions import beside_commas, by_name_of_file, decisions_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from quarterlake.domain.landings import Landing, Manifest
    from quarterlake.domain.parsed import ParsedFile
    from quarterlake.processing.parsing import Parsing
    from quarterlake.processing.samples import Sample

_SAMPLED_RECORDS = 2_000


def draft_contract(
    parsing: Parsing, dataset: str, manifests: Sequence[Manifest], records: int, live: Sequence[Manifest] = ()
) -> Contract | None:
    """A contract from the first records of files: types, record time, key; None when none of them can be read.

    Columns whose format these do not tell are looked at in all records of the `live` files.
    """
    stamped = [(manifest, stamp_of(manifest)) for manifest in manifests]
    taken = zip(manifests, parsing.engine.sample(stamped, records), strict=True)
    # A file without columns, which has no records, says nothing of them.
    by_landing = {manifest.sequence: sample for manifest, sample in taken if sample.columns}
    samples = _related(list(by_landing.values()))
    draft = contract_of(dataset, samples, lambda unsure: parsing.engine.evidence(live, unsure))
    if draft is None:
        return None
    names = {
        number: {name.casefold() for name in sample.columns}
        for number, sample in by_landing.items()
        if sample in samples
    }
    having = {c.name: [n for n in names if c.source.casefold() in names[n]] for c in draft.columns}
    return msgspec.structs.replace(draft, evolution=came_later(draft.columns, having, min(names)))


def came_later(
    columns: Sequence[Column], having: Mapping[str, Sequence[int]], first: int
) -> tuple[Evolution, ...]:
    """The columns that came with later landings than the `first`, as if each had been looked at alone; `having` says which landings have each."""
    return tuple(
        Evolution(DriftKind.ADDED, column.name, landing, str(column.type))
        for column in columns
        if (landing := min(having[column.name], default=first)) > first
    )


def contract_of(
    dataset: str,
    samples: Sequence[Sample],
    evidence_of: Callable[[Sequence[str]], Mapping[str, Evidence]],
) -> Contract | None:
    """A contract from samples, and from the evidence of all values for columns whose format these do not tell; None for no columns."""
    decisions = decisions_of(samples)
    if not decisions:
        return None
    if unsure := [source for source, found in decisions.items() if found.note and found.type == STRING]:
        for source, evidence in evidence_of(unsure).items():
            decisions[source] = infer(evidence.formed(), source)
    if doubtful := beside_commas(decisions, samples):
        for source, evidence in evidence_of(doubtful).items():
            decisions[source] = only_thousands(evidence.formed().forms) or decisions[source]
    decisions = {source: by_name_of_file(source, found, samples) for source, found in decisions.items()}
    types = {source: found.type for source, found in decisions.items()}
    names = dict(zip(types, our_names(list(types)), strict=True))
    columns = tuple(
        Column(name=names[source], type=found.type, source=source, format=found.format)
        for source, found in decisions.items()
    )
    time, why = choose_record_time(
        _time_candidates(samples, types, {s: d.format for s, d in decisions.items()}, names)
    )
    unique = _unique(samples)
    key = next(
        (names[s] for s in types if looks_like_key(s, dataset) and s.casefold() in unique),
        None,
    )
    references = [names[s] for s in types if looks_like_reference(s) and s.casefold() in unique]
    notes = [why, note_on_key(key, references)]
    notes += [
        f"column {name}: {source} in the files, which is a name of quarterlake's own"
        for source, name in names.items()
        if source.casefold() in RESERVED_COLUMNS
    ]
    notes += [note_on(names[source], found) for source, found in decisions.items() if found.note]
    notes += notes_on_nulls(samples, types, names)
    notes += notes_on_encoding(samples)
    if has_local_times(samples, decisions):
        notes.append("times without an offset are read as UTC; set quarterlake.timezone if they are not")
    return Contract(
        dataset=dataset,
        columns=columns,
        record_time=time,
        key=(key,) if key else (),
        inferred=True,
        notes=tuple(notes),
    )


def _unique(samples: Sequence[Sample]) -> set[str]:
    """The columns, in lower case, whose values are no two records' in any of the samples."""
    filled = [{name.casefold() for name in sample.unique} for sample in samples if sample.rows]
    return set.intersection(*filled) if filled else {name.casefold() for s in samples for name in s.columns}


def refined(draft: Contract, evidence: Mapping[str, Evidence]) -> Contract:
    """The draft with the types that the evidence of all values gives some columns, by their names in the files."""
    columns, notes = [], list(draft.notes)
    commas = has_decimal_commas(column.format for column in draft.columns)
    for given in draft.columns:
        column = given
        if column.source in evidence:
            formed = evidence[column.source].formed()
            found = infer(formed, column.source)
            if commas and may_be_thousands(found.type, found.format):
                found = only_thousands(formed.forms) or found
            notes = [note for note in notes if not note.startswith(f"{column.name}: ")]
            if found.type == STRING and not found.note and column.type not in {STRING, NULL}:
                found = replace(found, note=f"text, since too many of its values do not fit {column.type}")
            notes += [note_on(column.name, found)] if found.note else []
            column = msgspec.structs.replace(column, type=found.type, format=found.format)
        columns.append(column)
    return _without_lost_time(msgspec.structs.replace(draft, columns=tuple(columns), notes=tuple(notes)))


def _without_lost_time(draft: Contract) -> Contract:
    """The draft with the file's name as record time, where the column that was has turned out to hold no times."""
    name = draft.record_time
    if name is None or draft.column(name).type.kind in {Kind.DATE, Kind.TIMESTAMP}:
        return draft
    notes = [note for note in draft.notes if not note.startswith("record time: ")]
    why = f"record time: the file's name, since {name}, which seemed to be it, is text; name another column in a contract if one is"
    return msgspec.structs.replace(draft, record_time=None, notes=(why, *notes))


def new_columns(
    parsing: Parsing, contract: Contract, landings: Sequence[Landing], parsed: Mapping[int, ParsedFile]
) -> list[Column]:
    """Columns that live files have and the contract lacks, with the types that these files' first records give."""
    strange = [
        landing.manifest
        for landing in landings
        if landing.is_live
        and landing.manifest.replay is None
        and landing.manifest.sequence in parsed
        and parsed[landing.manifest.sequence].unknown
        and parsed[landing.manifest.sequence].error is None
    ]
    if not strange:
        return []
    known = {c.source.casefold() for c in contract.columns}
    samples = [
        s
        for s in parsing.engine.sample(
            [(m, stamp_of(m)) for m in strange], _SAMPLED_RECORDS, contract.reading
        )
        if s.error is None
    ]
    found = {s: decided for s, decided in decisions_of(samples).items() if s.casefold() not in known}
    taken = [c.name for c in contract.columns]
    names = our_names([*taken, *found])[len(taken) :]
    return [
        Column(name=name, type=decided.type, source=source, format=decided.format)
        for name, (source, decided) in zip(names, found.items(), strict=True)
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


def _time_candidates(
    samples: Sequence[Sample],
    types: Mapping[str, ColumnType],
    formats: Mapping[str, str],
    names: Mapping[str, str],
) -> list[TimeCandidate]:
    candidates = []
    for source, kind in types.items():
        if kind.kind not in {Kind.DATE, Kind.TIMESTAMP}:
            continue
        form = formats.get(source, "")
        agreements = [s.times[source][form] for s in samples if form in s.times.get(source, {})]
        instants = sum(a.instants for a in agreements)
        shares = (
            (sum(a.in_name for a in agreements) / instants, sum(a.near_name for a in agreements) / instants)
            if instants
            else (None, None)
        )
        nulls = sum(s.columns[source].nulls for s in samples if source in s.columns)
        candidates.append(TimeCandidate(names[source], kind, nulls, *shares))
    return candidates
