"""The ledger: where every record went."""

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec
from msgspec import UNSET, UnsetType

from quarterlake.domain.errors import LedgerError


class Repairs(msgspec.Struct, frozen=True):
    """The file whose rejects a replay repairs, and the places and lines in it of the records that the replay's own stand for, in their order."""

    source: str
    sha256: str
    places: tuple[str, ...]
    lines: tuple[int | None, ...] = ()


class FileEntry(msgspec.Struct, frozen=True):
    """Where the records of one landed file went: `records = accepted + rejected + superseded`.

    `records` is counted from the file's bytes, by other code than the parser's. `superseded` are records that a newer
    version, an equal record, a newer landing of the file (rejects among them) or a repair replaced: `repaired` and `discarded` of them are rejects that a replay
    repaired or took away. A replay itself says in `repairs` which file's records it holds. A file that could not be read has an
    `error` and no records; one whose bytes had landed before has `duplicate_of` and none either.
    """

    dataset: str
    source: str
    sha256: str
    size: int
    records: int = 0
    accepted: int = 0
    rejected: int = 0
    superseded: int = 0
    duplicate_of: str | None = None
    error: str | None = None
    repaired: int | UnsetType = UNSET
    discarded: int | UnsetType = UNSET
    repairs: Repairs | UnsetType = UNSET

    def check(self) -> None:
        """Raise LedgerError when the counts do not balance."""
        if (
            self.records != self.accepted + self.rejected + self.superseded
            or min(self.accepted, self.rejected, self.superseded) < 0
        ):
            raise LedgerError(
                f"{self.dataset}: the ledger of {self.source} does not balance: {self.records} records counted in its bytes, but "
                f"{self.accepted} accepted + {self.rejected} rejected + {self.superseded} superseded. The file is left out of every "
                "build until this is understood; please report it with the file.",
            )


class ReleaseEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One file's part in a release: `records = accepted + accepted_elsewhere + rejected + superseded`.

    Rejects have no trustworthy record time, so they count in every release that uses the file. `no_data` of them are footers and
    repeated headers. `repairs` traces a replay's records to the lines of the file that they come from.
    """

    source: str
    sha256: str
    records: int
    accepted: int
    accepted_elsewhere: int
    rejected: int
    superseded: int
    repairs: Repairs | None = None
    no_data: int = 0

    @property
    def balances(self) -> bool:
        """Whether every record is accounted for."""
        parts = (self.accepted, self.accepted_elsewhere, self.rejected, self.superseded)
        return self.records == sum(parts) and min(parts) >= 0


def totals(entries: Iterable[FileEntry]) -> dict[str, int]:
    """The sums of the counts of file entries, and how many files there are."""
    sums: Counter[str] = Counter(files=0, records=0, accepted=0, rejected=0, superseded=0)
    for entry in entries:
        sums.update(
            files=1,
            records=entry.records,
            accepted=entry.accepted,
            rejected=entry.rejected,
            superseded=entry.superseded,
        )
    return dict(sums)


def release_entry(
    entry: FileEntry, accepted_by_month: Mapping[str, int], months: Iterable[str], no_data: int = 0
) -> ReleaseEntry:
    """The part of a file in a release of some months, from its own entry and its accepted records by month; `no_data` of its rejects are none."""
    here = sum(accepted_by_month.get(month, 0) for month in months)
    return ReleaseEntry(
        source=entry.source,
        sha256=entry.sha256,
        records=entry.records,
        accepted=here,
        accepted_elsewhere=entry.accepted - here,
        rejected=entry.rejected,
        superseded=entry.superseded,
        repairs=None if entry.repairs is UNSET else entry.repairs,
        no_data=no_data,
    )
