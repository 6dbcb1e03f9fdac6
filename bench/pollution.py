"""How readers of delimited text read polluted files: a table by kind of pollution, the mean, and the mean weighted by frequency."""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.pollution.pollutions import Polluted, pollutions
from tests.pollution.readers import READERS
from tests.pollution.scoring import score

Scores = list[tuple[Polluted, float]]


def main() -> None:
    """Read every file with every reader, and print the table as Markdown."""
    warnings.simplefilter("ignore")
    sys.unraisablehook = lambda _: None  # pyarrow's handler of bad records meets bytes that are no UTF-8
    files = list(pollutions())
    found: dict[str, Scores] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        for number, polluted in enumerate(files):
            path = Path(folder, f"file_{number}.csv")
            path.write_bytes(polluted.data)
            for name, reader in READERS.items():
                found[name].append((polluted, score(polluted, reader(path))))
    names = [
        name if name in {"quarterlake", "csv"} else f"{name} {version(name.lower())}" for name in READERS
    ]
    print("| pollution (files) | " + " | ".join(names) + " |")
    print("| --- |" + " ---: |" * len(names))
    for kind in dict.fromkeys(one.kind for one in files):
        count = sum(one.kind == kind for one in files)
        print(
            _line(
                f"{kind} ({count})",
                [_mean([x for x in scores if x[0].kind == kind]) for scores in found.values()],
            )
        )
    print(_line(f"**mean ({len(files)})**", [_mean(scores) for scores in found.values()], digits=3))
    print(_line("**mean weighted by frequency**", [_weighted(scores) for scores in found.values()], digits=3))


def _mean(scores: Scores) -> float:
    return sum(points for _, points in scores) / len(scores)


def _weighted(scores: Scores) -> float:
    total = sum(polluted.weight for polluted, _ in scores)
    return sum(polluted.weight * points for polluted, points in scores) / total


def _line(name: str, values: list[float], digits: int = 2) -> str:
    return f"| {name} | " + " | ".join(f"{value:.{digits}f}" for value in values) + " |"


if __name__ == "__main__":
    main()
