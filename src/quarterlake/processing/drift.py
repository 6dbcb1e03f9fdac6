"""Holding a file's columns to its contract: which column is which, where they differ, and what is done then."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from quarterlake.domain.column_types import ColumnType, Kind, casts_exactly
from quarterlake.domain.drift import Drift, DriftKind, DriftPolicy, refusal, row_reason
from quarterlake.domain.errors import UnreadableFileError
from quarterlake.processing.casts import is_null_token

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from quarterlake.domain.contract import Contract
    from quarterlake.domain.inference import Evidence
    from quarterlake.processing.relations import Relation, SourceColumn


_NUMBERED = re.compile(r"(?<=.)_\d+$")


class DriftError(UnreadableFileError):
    """A file that its contract refuses for what it differs in."""

    def __init__(self, name: str, drift: Drift) -> None:
        super().__init__(f"{name}: {refusal(drift)}.")
        self.drift = (drift,)


@dataclass(frozen=True, slots=True)
class RowRule:
    """A condition under which a record is rejected, and the drift that is the reason."""

    condition: str
    drift: Drift

    @property
    def reason(self) -> str:
        """Why, for people."""
        return row_reason(self.drift)


@dataclass(frozen=True, slots=True)
class Met:
    """A file's columns held to a contract.

    `matched` has the file's column for each of the contract's that it has, `unknown` the names of its others; `drift` is what differs, `rules` which records
    are rejected for it. `filled` are columns whose misfits become null.
    """

    matched: Mapping[str, SourceColumn]
    unknown: tuple[str, ...]
    drift: tuple[Drift, ...]
    rules: tuple[RowRule, ...]
    filled: frozenset[str]


def meet(name: str, relation: Relation, contract: Contract, *, ordered: bool) -> Met:
    """Hold a file's columns to its contract; `ordered` says whether its format gives them an order.

    Raises DriftError where the contract refuses the file, and UnreadableFileError where it has none of the contract's columns.
    """
    matched = match_columns(relation, contract)
    if not matched:
        raise nothing_matched(name, contract)
    found = list(_differences(relation, contract, matched, ordered=ordered))
    if refused := next((drift for drift in found if drift.policy is DriftPolicy.REJECT_FILE), None):
        raise DriftError(name, refused)
    for drift in found:
        if drift.kind is DriftKind.CASE and drift.policy is DriftPolicy.NULL_FILL:
            del matched[drift.column or ""]
    taken = {column.name for column in matched.values()}
    unknown = [column for column in relation.columns if column.name not in taken]
    return Met(
        matched=matched,
        unknown=tuple(column.name for column in unknown),
        drift=tuple(found),
        rules=tuple(_rule(drift, unknown) for drift in found if drift.policy is DriftPolicy.REJECT_ROW),
        filled=_filled(contract),
    )


def nothing_matched(name: str, contract: Contract) -> UnreadableFileError:
    """The error for a file with none of the contract's columns. It does not say the file's own: without a header they are its first record."""
    wanted = _some([column.source for column in contract.columns])
    return UnreadableFileError(
        f"{name} has none of the columns that the contract of {contract.dataset} names ({wanted}). Has it a header? "
        "`quarterlake inspect FILE` shows what is read as one; send it with these names, or correct the contract."
    )


def match_columns(relation: Relation, contract: Contract) -> dict[str, SourceColumn]:
    """The file's column for each of the contract's, by name and never by position; case decides only between two.

    A number that tells two apart is none of the file's: which of them has it may differ from file to file.
    """
    exact = {column.name: column for column in relation.columns}
    exact |= {column.spelled: column for column in reversed(relation.columns) if column.spelled}
    found = {c.name: exact[c.source] for c in contract.columns if c.source in exact}
    taken = {column.name for column in found.values()}
    for name, spelled in spelled_in_files(contract).items():
        if name not in found and spelled in exact and exact[spelled].name not in taken:
            found[name] = exact[spelled]
            taken.add(exact[spelled].name)
    free = {c.name.casefold(): c for c in relation.columns if c.name not in taken}
    for column in contract.columns:
        if column.name not in found and (alike := free.pop(column.source.casefold(), None)) is not None:
            found[column.name] = alike
    return {c.name: found[c.name] for c in contract.columns if c.name in found}


def spelled_in_files(contract: Contract) -> dict[str, str]:
    """How files spell the columns that have a number since only case tells them from another, as `ID_2` beside `id`."""
    sources = {column.source for column in contract.columns}
    folded = {source.casefold() for source in sources}
    bases = {c.name: _NUMBERED.sub("", c.source) for c in contract.columns if _NUMBERED.search(c.source)}
    return {name: base for name, base in bases.items() if base not in sources and base.casefold() in folded}


def type_drift(name: str, contract: Contract, misfits: Mapping[str, Evidence]) -> list[Drift]:
    """The columns some of whose values do not fit. Raises DriftError where the contract refuses the file for that."""
    policy = contract.policy(DriftKind.TYPE)
    found = [
        Drift(DriftKind.TYPE, policy, column, records=evidence.present)
        for column, evidence in sorted(misfits.items())
    ]
    if found and policy is DriftPolicy.REJECT_FILE:
        raise DriftError(name, found[0])
    # Of a key or a record time no null is made.
    kept = DriftPolicy.REJECT_ROW if policy is DriftPolicy.NULL_FILL else policy
    return [Drift(d.kind, kept, d.column, records=d.records) for d in found]


def without_misfits(met: Sequence[Drift], misfitting: Sequence[Drift]) -> list[Drift]:
    """What was met, less the columns of another type some of whose values turned out not to fit."""
    named = {drift.column for drift in misfitting}
    return [drift for drift in met if drift.kind is not DriftKind.TYPE or drift.column not in named]


def counted(found: Sequence[Drift], ruled: Mapping[int, int]) -> tuple[Drift, ...]:
    """The drift with the number of records that each rule rejected; `ruled` has it by the number of the rule."""
    numbers = iter(range(len(found)))
    return tuple(
        msgspec.structs.replace(drift, records=ruled.get(next(numbers), 0))
        if drift.policy is DriftPolicy.REJECT_ROW and drift.kind is not DriftKind.TYPE
        else drift
        for drift in found
    )


def still_missing(found: Sequence[Drift], contract: Contract, missing: Sequence[str]) -> tuple[Drift, ...]:
    """The drift of a file that is kept under a wider contract: as before, but for the columns that it lacks now; in the order of a fresh parse."""
    places = {column.name: place for place, column in enumerate(contract.columns)}
    lacking = [Drift(DriftKind.DROPPED, _dropped(contract, name), name) for name in missing]
    types = {column.name: column.type for column in contract.columns}
    kept = [
        drift
        for drift in found
        if drift.kind is not DriftKind.DROPPED
        and not (drift.kind is DriftKind.TYPE and drift.detail and _is_within(drift, types))
    ]

    def order(drift: Drift) -> tuple[int, int]:
        place = places.get(drift.column or "", 0)
        return _ORDER[drift.kind], place if drift.kind in {DriftKind.DROPPED, DriftKind.CASE} else 0

    return tuple(sorted([*kept, *lacking], key=order))


def _is_within(drift: Drift, types: Mapping[str, ColumnType]) -> bool:
    """Whether the type that a column has in a file lies within the contract's by now."""
    expected = types.get(drift.column or "")
    return expected is not None and not _is_other(ColumnType.parse(drift.detail), expected)


def _is_other(native: ColumnType, expected: ColumnType) -> bool:
    """Whether a file's type may hold what the contract's does not. Texts are read as in a file that has no types."""
    if native == expected or native.kind in {Kind.NULL, Kind.STRING} or expected.kind is Kind.NULL:
        return False
    if native.is_number and expected.is_number:
        narrow = native.kind is Kind.INT64 or expected.kind is Kind.FLOAT64
        return not narrow and not casts_exactly(native, expected)
    return not casts_exactly(native, expected)


_ORDER = {
    DriftKind.REORDERED: 0,
    DriftKind.DROPPED: 1,
    DriftKind.CASE: 1,
    DriftKind.ADDED: 2,
    DriftKind.TYPE: 3,
}


def _dropped(contract: Contract, name: str) -> DriftPolicy:
    """What is done where a file lacks a column: one that came with a later file is no duty."""
    policy = contract.policy(DriftKind.DROPPED)
    refusing = policy in {DriftPolicy.REJECT_FILE, DriftPolicy.REJECT_ROW}
    return DriftPolicy.NULL_FILL if refusing and name in contract.evolved else policy


def _filled(contract: Contract) -> frozenset[str]:
    if contract.policy(DriftKind.TYPE) is not DriftPolicy.NULL_FILL:
        return frozenset()
    needed = {contract.record_time, *(contract.key if contract.key_declared else ()), contract.sequence}
    return frozenset(column.name for column in contract.columns if column.name not in needed)


def _differences(
    relation: Relation, contract: Contract, matched: Mapping[str, SourceColumn], *, ordered: bool
) -> Iterator[Drift]:
    order = [c.name for c in relation.columns]
    common = [
        matched[c.name].name for c in contract.columns if c.name in matched and c.name not in contract.evolved
    ]
    there = sorted(common, key=order.index)
    if ordered and there != common:
        yield Drift(DriftKind.REORDERED, contract.policy(DriftKind.REORDERED), detail=_some([*there]))
    numbered = spelled_in_files(contract)
    for column in contract.columns:
        given = matched.get(column.name)
        if given is None:
            yield Drift(DriftKind.DROPPED, _dropped(contract, column.name), column.name)
        elif not {column.source, numbered.get(column.name)} & {given.name, given.spelled}:
            yield Drift(
                DriftKind.CASE, contract.policy(DriftKind.CASE), column.name, given.spelled or given.name
            )
    taken = {column.name for column in matched.values()}
    for extra in relation.columns:
        if extra.name not in taken:
            alike = _alike(extra, relation.columns)
            yield Drift(DriftKind.ADDED, contract.policy(DriftKind.ADDED), extra.spelled or extra.name, alike)
    for column in contract.columns:
        given = matched.get(column.name)
        native = given.native if given else None
        if native is not None and not column.format and _is_other(native, column.type):
            yield Drift(DriftKind.TYPE, DriftPolicy.EVOLVE, column.name, str(native))


def _alike(column: SourceColumn, columns: Sequence[SourceColumn]) -> str:
    """How another column of the file spells the same name in other case."""
    own = column.spelled or column.name
    others = [other.spelled or other.name for other in columns if other.name != column.name]
    return next((other for other in others if other.casefold() == own.casefold()), "")


def _rule(drift: Drift, unknown: Sequence[SourceColumn]) -> RowRule:
    if drift.kind is not DriftKind.ADDED:
        return RowRule("true", drift)
    texts = [c.text for c in unknown if drift.column == (c.spelled or c.name)]
    return RowRule(
        "(" + " OR ".join(f"{t} IS NOT NULL AND NOT {is_null_token(t)}" for t in texts) + ")", drift
    )


_SHOWN = 8


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
