"""What the distribution quarterlake-client holds: the client's part of the package `quarterlake`, as it lies in the checkout."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SHIPPED = (
    "quarterlake/__init__.py",
    "quarterlake/py.typed",
    "quarterlake/client/*.py",
    "quarterlake/domain/__init__.py",
    "quarterlake/domain/errors.py",
)
"""Patterns below src. They may import nothing that is not among them: the import linter and tests/integration/test_client_alone.py hold it."""


class ClientFiles(BuildHookInterface):  # type: ignore[type-arg] # hatchling's class is generic in what is not public
    """Puts the files below src into the source archive, and those of src into the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's
        """See BuildHookInterface. Raises FileNotFoundError where a pattern finds nothing."""
        folder = "src/" if self.target_name == "sdist" else ""
        for pattern in SHIPPED:
            found = sorted(_source(Path(self.root)).glob(pattern))
            if not found:
                raise FileNotFoundError(
                    f"There is no {pattern}: build from a whole checkout, or from a source archive."
                )
            for path in found:
                place = path.relative_to(_source(Path(self.root))).as_posix()
                build_data["force_include"][str(path)] = f"{folder}{place}"


def version() -> str:
    """The package's version, which quarterlake and its client share."""
    text = (_source(Path(__file__).parent) / "quarterlake" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'__version__ = "([^"]+)"', text)
    if found is None:
        raise ValueError("quarterlake/__init__.py names no version")
    return found[1]


def _source(root: Path) -> Path:
    """Where the package's files are: in the archive beside this file, in a checkout a folder up."""
    own = root / "src"
    return own if own.is_dir() else root.parent / "src"
