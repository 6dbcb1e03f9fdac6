"""YAML from outside, read without its traps: no aliases, no key twice, no great length or depth, no types but YAML's own."""

from __future__ import annotations

from typing import Any, NoReturn

import yaml

from quarterlake.domain.errors import ContractError

MAX_BYTES = 1 << 20
"""A longer document is refused."""
MAX_DEPTH = 64
"""A document nested deeper than this is refused: the parser's recursion has no limit of its own."""

_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load(text: str, where: str) -> object:
    """The values of a YAML document that has no aliases, no key twice, and neither great length nor depth.

    An empty document is None.

    Raises:
        ContractError: the text is no such document; the message begins with `where`, which names the file, and says
            the line and column, from 1, where they are known.
    """
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise ContractError(
            f"{where}: longer than {MAX_BYTES:,} bytes. A contract describes one data set; look whether this is one."
        )
    try:
        _refuse_traps(text, where)
        loader = _LOADER(text)
        try:
            node = loader.get_single_node()
            _refuse_double_keys(node, where)
            return None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as refused:
        _refuse(refused.problem_mark, refused.problem or "not YAML", where, refused)
    except (yaml.YAMLError, ValueError) as refused:
        raise ContractError(
            f"{where}: not YAML: {' '.join(str(refused).split())}. Mend the file."
        ) from refused


def _refuse_traps(text: str, where: str) -> None:
    """Look at the events before anything is built from them: that neither expands aliases nor recurses."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent):
            _refuse(event.start_mark, "aliases (*name) are not read; write the value out", where)
        if depth > MAX_DEPTH:
            _refuse(event.start_mark, f"nested more than {MAX_DEPTH} deep", where)


def _refuse_double_keys(root: yaml.Node | None, where: str) -> None:
    waiting = [] if root is None else [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, yaml.SequenceNode):
            waiting.extend(node.value)
        elif isinstance(node, yaml.MappingNode):
            seen = set()
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode) and key.value in seen:
                    _refuse(key.start_mark, f"key {key.value!r} is given twice; keep one", where)
                seen.add(key.value if isinstance(key, yaml.ScalarNode) else None)
                waiting += [key, value]


def _refuse(mark: Any, what: str, where: str, cause: Exception | None = None) -> NoReturn:
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
    raise ContractError(f"{where}: {place}{what}. Mend the file.") from cause
