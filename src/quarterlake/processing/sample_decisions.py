"""What samples of files say of each column: its type and format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterlake.domain.column_types import DATE, INT64, NULL, TIMESTAMP, ColumnType, Kind, join
from quarterlake.domain.forms import Decision
from quarterlake.domain.inference import Evidence, infer, infer_type
from quarterlake.domain.number_forms import has_decimal_commas, may_be_thousands

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quarterlake.processing.samples import Sample


def decisions_of(samples: Sequence[Sample]) -> dict[str, Decision]:
    """The type and format that samples give each column, by its name in the files."""
    evidence: dict[str, Evidence] = {}
    natives: dict[str, ColumnType] = {}
    spelling: dict[str, str] = {}
    for sample in samples:
        for given, found in sample.columns.items():
            source = spelling.setdefault(given.casefold(), given)
            evidence[source] = evidence.get(source, Evidence()) + found.formed()
            if given in sample.natives:
                natives[source] = join(natives.get(source, NULL), sample.natives[given])
    counted: dict[str, Evidence] = {}
    for sample in samples:
        for given, found in sample.columns.items():
            source = spelling[given.casefold()]
            own = Evidence() if given in sample.natives else found
            counted[source] = counted.get(source, Evidence()) + own
    return {
        source: _decision(source, found, counted[source], natives.get(source))
        for source, found in evidence.items()
    }


def by_name_of_file(source: str, found: Decision, samples: Sequence[Sample]) -> Decision:
    """A date that could be read in two ways is read in the one that puts all its values into the periods of their files' names."""
    fitting = []
    for form in found.alternatives:
        agreed = [s.times[source][form] for s in samples if form in s.times.get(source, {})]
        instants = sum(a.instants for a in agreed)
        if instants and instants == sum(a.in_name for a in agreed):
            fitting.append(form)
    if len(fitting) != 1:
        return found
    kind = TIMESTAMP if "H" in fitting[0] or "h" in fitting[0] else DATE
    return Decision(
        kind,
        fitting[0],
        f"read as {fitting[0]}, as only so its values lie in the periods of their files' names",
    )


def beside_commas(decisions: Mapping[str, Decision], samples: Sequence[Sample]) -> list[str]:
    """Columns of texts with three decimals at most after a point, where others have decimal commas: the points may separate thousands."""
    if not has_decimal_commas(found.format for found in decisions.values()):
        return []
    natives = {name.casefold() for sample in samples for name in sample.natives}
    return [
        source
        for source, found in decisions.items()
        if may_be_thousands(found.type, found.format)
        if source.casefold() not in natives
    ]


def _decision(name: str, found: Evidence, counted: Evidence, native: ColumnType | None) -> Decision:
    """Texts are decided by their forms; of types that the file itself gives only integers can be times."""
    if native is None:
        return infer(found, name)
    decided = infer(found, name)
    if native == INT64 and decided.type.kind in {Kind.DATE, Kind.TIMESTAMP}:
        return decided
    return Decision(join(infer_type(counted), native))
