"""The commands in docs/rejects.md print what the page says they do."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/rejects.md"
_HERE_DOCUMENT = "<<'END'"


def steps() -> list[tuple[str, str]]:
    """Each command of the page with what it prints."""
    found: list[tuple[str, str]] = []
    for block in re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            end = part.index("\nEND\n") + 5 if _HERE_DOCUMENT in part else part.index("\n") + 1
            found.append((part[:end], part[end:]))
    return found


def test_the_walk_is_what_happens(tmp_path: Path) -> None:
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
    }
    for command, shown in steps():
        done = subprocess.run(
            ["/bin/bash", "-c", command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            check=False,
            text=True,
        )
        pattern = ".*".join(map(re.escape, shown.split("…")))
        assert re.fullmatch(pattern, done.stdout), f"{command}{done.stdout}{done.stderr}"
