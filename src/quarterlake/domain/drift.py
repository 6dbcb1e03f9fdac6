"""Drift: where a file leaves its contract, and what the contract says is done then."""

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from quarterlake.domain.errors import ContractError
from quarterlake.domain.wording import count_of


class DriftKind(StrEnum):
    """How a file's columns may differ from the contract's.

    REORDERED: the same columns in another order. ADDED: a column that the contract lacks. DROPPED: a column of the contract that the file lacks.
    CASE: a column whose name differs in case alone. TYPE: values that do not fit a column's type, or a column that has another type in
    the file though all its values fit.
    """

    REORDERED = "reordered"
    ADDED = "added"
    DROPPED = "dropped"
    CASE = "case"
    TYPE = "type"


class DriftPolicy(StrEnum):
    """What is done.

    EVOLVE: the data is taken as it comes, and the contract follows where it has to. NULL_FILL: the contract's shape holds: what a file
    lacks is null, what it has beyond it is left out. REJECT_ROW: the records that it touches are rejected. REJECT_FILE: the file is refused.
    """

    EVOLVE = "evolve"
    REJECT_FILE = "reject_file"
    REJECT_ROW = "reject_row"
    NULL_FILL = "null_fill"


class DriftPolicies(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A policy for each kind; None leaves it to the default. Raises ContractError for what cannot be."""

    reordered: DriftPolicy | None = None
    added: DriftPolicy | None = None
    dropped: DriftPolicy | None = None
    case: DriftPolicy | None = None
    type: DriftPolicy | None = None

    def __post_init__(self) -> None:
        if self.reordered is DriftPolicy.NULL_FILL:
            raise ContractError(
                "quarterlake.drift: reordered cannot be null_fill, since nothing is missing. Use evolve (columns are read by their names), "
                "reject_row or reject_file."
            )

    def of(self, kind: DriftKind, *, inferred: bool) -> DriftPolicy:
        """The policy in force: an inferred contract evolves, a person's holds."""
        chosen: DriftPolicy | None = getattr(self, kind.value)
        if chosen is not None:
            return chosen
        return DriftPolicy.EVOLVE if inferred else _DECLARED[kind]

    def deciding(self) -> dict[str, str]:
        """The policies that decide how bytes become records; the others only say whether the contract follows."""
        found = {kind: getattr(self, kind.value) for kind in DriftKind}
        return {
            kind.value: policy.value
            for kind, policy in found.items()
            if policy is not None and policy not in _SAME_RECORDS[kind]
        }


_DECLARED = {
    DriftKind.REORDERED: DriftPolicy.EVOLVE,
    DriftKind.ADDED: DriftPolicy.NULL_FILL,
    DriftKind.DROPPED: DriftPolicy.NULL_FILL,
    DriftKind.CASE: DriftPolicy.EVOLVE,
    DriftKind.TYPE: DriftPolicy.REJECT_ROW,
}
_SAME_RECORDS = {
    DriftKind.REORDERED: {DriftPolicy.EVOLVE},
    DriftKind.ADDED: {DriftPolicy.EVOLVE, DriftPolicy.NULL_FILL},
    DriftKind.DROPPED: {DriftPolicy.EVOLVE, DriftPolicy.NULL_FILL},
    DriftKind.CASE: {DriftPolicy.EVOLVE},
    DriftKind.TYPE: {DriftPolicy.EVOLVE, DriftPolicy.REJECT_ROW},
}
"""The policies of a kind under which a file gives the same records as under its default."""

NO_POLICIES = DriftPolicies()


class Drift(msgspec.Struct, frozen=True, omit_defaults=True):
    """One way in which one file left its contract, and what was done.

    `records` is the number of records that it touched, 0 for all of the file; `detail` what the file has instead.
    """

    kind: DriftKind
    policy: DriftPolicy
    column: str | None = None
    detail: str = ""
    records: int = 0

    @property
    def rejects(self) -> bool:
        """Whether records were rejected for it."""
        misfits = self.kind is DriftKind.TYPE and not self.detail and self.policy is DriftPolicy.EVOLVE
        return misfits or self.policy is DriftPolicy.REJECT_ROW

    @property
    def text(self) -> str:
        """What happened and what was done, for people."""
        if self.policy is DriftPolicy.REJECT_FILE:
            return f"{_what(self)}; the file is refused"
        return f"{_what(self)}; {_done(self)}"


class Evolution(msgspec.Struct, frozen=True, omit_defaults=True):
    """A change that a file made to its contract: `kind` is ADDED or TYPE, `detail` the type, or both types.

    `landing` numbers the landing of the file.
    """

    kind: DriftKind
    column: str
    landing: int
    detail: str = ""

    @property
    def text(self) -> str:
        """What changed, for people."""
        if self.kind is DriftKind.ADDED:
            return f"column {self.column} is new ({self.detail}); the contract took it in"
        return f"values of {self.column} did not fit its type; the contract widened it: {self.detail}"


class FileDrift(msgspec.Struct, frozen=True):
    """A drift as reports show it; `text` begins with the file's path."""

    source: str
    kind: DriftKind
    policy: DriftPolicy
    column: str | None
    records: int
    text: str


def refusal(drift: Drift) -> str:
    """Why a file is refused, for a message that begins with its name."""
    return (
        f"{_what(drift)}, and its contract refuses such files (quarterlake.drift: {drift.kind}: reject_file)"
    )


def _what(drift: Drift) -> str:
    match drift.kind:
        case DriftKind.REORDERED:
            return f"its columns come as {drift.detail}, which is another order than the contract's"
        case DriftKind.ADDED:
            alike = f" and differs from {drift.detail} in case only" if drift.detail else ""
            return f"column {drift.column} is not in the contract{alike}"
        case DriftKind.DROPPED:
            return f"column {drift.column} is missing"
        case DriftKind.CASE:
            return f"column {drift.column} is spelled {drift.detail}"
        case DriftKind.TYPE if drift.detail:
            return (
                f"column {drift.column} is {drift.detail} in the file, which is not its type in the contract"
            )
        case DriftKind.TYPE:
            return f"{count_of(drift.records, 'value')} of {drift.column} {'does' if drift.records == 1 else 'do'} not fit its type"


def _done(drift: Drift) -> str:
    if drift.rejects:
        return _rejected(drift)
    match drift.kind:
        case DriftKind.REORDERED:
            return "they are read by their names"
        case DriftKind.ADDED:
            return "it is left out"
        case DriftKind.DROPPED:
            return "null in its records"
        case DriftKind.CASE if drift.policy is DriftPolicy.NULL_FILL:
            return f"only that spelling counts, so it is null in its records and {drift.detail} is left out"
        case DriftKind.CASE:
            return "they are one column"
        case DriftKind.TYPE if drift.detail:
            return "all its values fit"
        case DriftKind.TYPE:
            return f"null in {'its record' if drift.records == 1 else 'their records'}"


def _rejected(drift: Drift) -> str:
    match drift.kind:
        case DriftKind.TYPE:
            return "its record is rejected" if drift.records == 1 else "their records are rejected"
        case DriftKind.ADDED if drift.records == 1:
            return "the record that has a value there is rejected"
        case DriftKind.ADDED:
            return f"the {drift.records} records that have a value there are rejected"
        case _:
            return "all of its records are rejected"


def row_reason(drift: Drift) -> str:
    """Why a record is rejected for drift."""
    match drift.kind:
        case DriftKind.ADDED:
            return f"a value in the column {drift.column}, which is not in the contract"
        case DriftKind.DROPPED:
            return f"its file lacks the column {drift.column}"
        case DriftKind.CASE:
            return f"its file spells the column {drift.column} as {drift.detail}"
        case _:
            return "its file has its columns in another order than the contract"


def evolved_columns(evolution: Iterable[Evolution]) -> dict[str, int]:
    """The columns that came with later files, each with the landing that brought it; before it no file lacks it."""
    return {change.column: change.landing for change in evolution if change.kind is DriftKind.ADDED}
