"""The folder of the user's contracts: the one of a data set, and the files there that are none's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from quarterlake.domain.errors import ContractError
from quarterlake.domain.naming import skip_reason
from quarterlake.domain.odcs import from_yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from quarterlake.domain.contract import Contract

_ENDING = ".odcs.yaml"


def declared_contract(directory: Path, dataset: str) -> Contract | None:
    """The user's contract `<dataset>.odcs.yaml`, None where there is none. Raises ContractError for one that does not read."""
    path = directory / f"{dataset}{_ENDING}"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as refused:
        raise ContractError(f"{path} cannot be read: {refused}. Mend or remove it.") from refused
    contract = from_yaml(text, str(path))
    if contract.dataset != dataset:
        raise ContractError(
            f"{path} is for the data set {contract.dataset}, not {dataset}. Name its schema {dataset}, or rename the file."
        )
    return msgspec.structs.replace(contract, inferred=False, notes=())


def idle_contracts(directory: Path, landed: Callable[[], Collection[str]]) -> list[str]:
    """What to say of each file in the folder that is in force for no data set; `landed` names those that there are.

    Backups, hidden files and texts in Markdown are not spoken of. A folder that cannot be listed holds nothing.
    """
    try:
        files = sorted(path for path in directory.iterdir() if _may_be_meant(path))
    except OSError:
        return []
    names = landed() if files else ()
    return [_idle(path, names) for path in files if not _is_of(path, names)]


def _may_be_meant(path: Path) -> bool:
    return skip_reason(path.name) is None and path.suffix.lower() != ".md" and path.is_file()


def _is_of(path: Path, datasets: Collection[str]) -> bool:
    return path.name.endswith(_ENDING) and path.name.removesuffix(_ENDING) in datasets


def _idle(path: Path, datasets: Collection[str]) -> str:
    if not path.name.endswith(_ENDING):
        return f"{path} is not read: a contract's name is <dataset>{_ENDING}. Rename it, or move it away."
    return (
        f"{path} is not in force: no data set {path.name.removesuffix(_ENDING)} has landed. "
        f"There are: {', '.join(datasets) or 'none'}."
    )
