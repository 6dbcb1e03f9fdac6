"""Lay out a larger demonstration: TPC-H at scale factor 1, as monthly CSV files.

6,001,215 line items by ship date and 1,500,000 orders by order date, made by tpchgen-cli, line for line as
it writes them. The data stream through: memory does not grow with the scale.

    python demo/lay_out_tpch.py data_source_large [SCALE]
"""

from __future__ import annotations

import filecmp
import subprocess
import sys
import sysconfig
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

DATE_COLUMNS = {"lineitem": b"l_shipdate", "orders": b"o_orderdate"}
BUFFER_BYTES = 1 << 17


def generated_lines(table: str, scale: str) -> Iterator[bytes]:
    """The lines of a table's CSV, header first, always in the same order.

    Raises:
        subprocess.CalledProcessError: the generator failed.
    """
    generator = Path(sysconfig.get_path("scripts")) / "tpchgen-cli"
    command = [str(generator), "csv", "--scale-factor", scale, "--tables", table, "--stdout", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=1 << 20) as process:
        assert process.stdout is not None  # noqa: S101 - for the type checker: PIPE was asked for
        yield from process.stdout
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)


def split_by_month(lines: Iterator[bytes], date_column: bytes, folder: Path, table: str) -> int:
    """Write each line to its month's unfinished file; the number of lines, without the header."""
    header = next(lines)
    position = header.rstrip().split(b",").index(date_column)
    files: dict[bytes, BinaryIO] = {}
    rows = 0
    with ExitStack() as stack:
        for line in lines:
            # The columns before the date are never quoted, and so hold no comma.
            month = line.split(b",", position + 1)[position][:7]
            if month not in files:
                path = folder / f"{table}_{month.decode()}.csv.part"
                files[month] = stack.enter_context(path.open("wb", buffering=BUFFER_BYTES))
                files[month].write(header)
            files[month].write(line)
            rows += 1
    return rows


def keep_changed(folder: Path) -> tuple[int, int]:
    """Give unfinished files their names, except where the same bytes are there; (files, written)."""
    unfinished = sorted(folder.glob("*.part"))
    written = 0
    for part in unfinished:
        path = part.with_suffix("")
        if path.exists() and filecmp.cmp(part, path, shallow=False):
            part.unlink()
        else:
            part.replace(path)
            written += 1
    return len(unfinished), written


def main(target: Path, scale: str = "1") -> None:
    """Lay out both tables below `target`."""
    for table, date_column in DATE_COLUMNS.items():
        folder = target / table
        folder.mkdir(parents=True, exist_ok=True)
        for left_over in folder.glob("*.part"):
            left_over.unlink()
        rows = split_by_month(generated_lines(table, scale), date_column, folder, table)
        files, written = keep_changed(folder)
        print(
            f"{folder}: {rows:,} rows in {files} CSV files ({written} written, {files - written} already there)"
        )


if __name__ == "__main__":
    if len(sys.argv) not in {2, 3}:
        sys.exit("usage: lay_out_tpch.py FOLDER [SCALE]")
    main(Path(sys.argv[1]), *sys.argv[2:])
