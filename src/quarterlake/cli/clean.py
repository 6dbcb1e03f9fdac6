"""The verb that removes what came to nothing."""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta
from typing import Annotated

import typer

from quarterlake.cli.context import DebugOption, JsonOption, LakeOption, opened, print_json

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def clean(
    dataset: Annotated[str | None, typer.Argument(help="Only this data set.", show_default=False)] = None,
    older_than: Annotated[
        str, typer.Option("--older-than", help="Leave alone what is younger, such as 90m, 24h or 7d.")
    ] = "24h",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; remove nothing.")] = False,
    lake: LakeOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Remove what runs that came to nothing left behind; no release and no version of a table loses anything."""
    from quarterlake.cleaning import clean as clean_lake
    from quarterlake.domain.releases import checked_dataset_name

    age = duration(older_than)
    with opened(lake, None, None) as pipeline:
        wanted = checked_dataset_name(dataset) if dataset else None
        removed = clean_lake(pipeline.lake, pipeline.now - age, wanted, dry_run=dry_run)
    if json:
        print_json({"dry_run": dry_run, "removed": removed})
        return
    counts, sizes = Counter(item.kind for item in removed), Counter[str]()
    for item in removed:
        sizes[item.kind] += item.size
    verb = "would go" if dry_run else "removed"
    for kind, count in counts.items():
        print(f"{kind}: {count} objects, {sizes[kind]:,} bytes {verb}")
    if not removed:
        print("nothing to clean")


def duration(text: str) -> timedelta:
    """`24h` as a duration. Raises UsageError for what does not read as one."""
    from quarterlake.domain.errors import UsageError

    match = re.fullmatch(r"([0-9]{1,5})([smhd])", text)
    if match is None:
        raise UsageError(f"--older-than {text} is no duration. Use a number with s, m, h or d, such as 24h.")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})
