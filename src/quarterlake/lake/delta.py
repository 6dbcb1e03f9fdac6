"""Delta tables: one commit makes files visible, and says what they are.

Commits go through delta-rs with no retries of its own: with its default, two stale publishers of one quarter would
both succeed and double its rows. Nothing of a table is ever vacuumed, and its log is kept for ever.
"""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from quarterlake.domain.errors import (
    ConflictError,
    ContractError,
    DiskFullError,
    IntegrityError,
    StoreUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from deltalake import DeltaTable

    from quarterlake.lake.stores import Store

_RECENT = 4
_ENTRY = re.compile(r"[0-9]{20}\.json")
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_KEEP_FOR_EVER = {
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
    "delta.enableExpiredLogCleanup": "false",
}


@dataclass(frozen=True, slots=True)
class TableFile:
    """A file of a table: its path relative to the table, bytes, rows, and partition values."""

    path: str
    size: int
    rows: int
    partition: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Commit:
    """What one commit changes; `marks` are kept with it and can be found again with `version_marked`.

    `base` is the version that the change was worked out against, None when there was no table yet.
    """

    base: int | None
    columns: Sequence[tuple[str, str]]
    add: Sequence[TableFile]
    remove: Sequence[TableFile]
    marks: Mapping[str, str]
    partition_by: Sequence[str] = ()


def open_table(store: Store, prefix: str) -> DeltaTable | None:
    """The table at its newest version, None where there is none."""
    from deltalake import DeltaTable
    from deltalake.exceptions import TableNotFoundError

    with table_faults(store):
        try:
            return DeltaTable(store.table_uri(f"{prefix}/"), storage_options=store.table_options())
        except TableNotFoundError:
            return None


def commit(store: Store, prefix: str, change: Commit) -> int:
    """Commit a change against the table as it is now, made first where there is none; return the new version.

    Raises ConflictError when another process committed in between: look again, then decide.
    """
    found = open_table(store, prefix)
    table = found or _create(store, prefix, change)
    if table.version() != (0 if found is None else change.base):
        raise ConflictError(
            f"Another process committed to {store.url}/{prefix} in the meantime. Run the same command again."
        )
    with table_faults(store):
        columns = _merged(_columns(table), change.columns)
        if columns == _columns(table):
            _append(store, prefix, table, change)
        else:
            _append_with_schema(store, prefix, table, change, columns)
        table.update_incremental()
        version = version_marked(table, change.marks)
    if version is None:
        raise IntegrityError(
            f"The commit just made to {store.url}/{prefix} is not in its log. Check who else writes there."
        )
    return version


def _append(store: Store, prefix: str, table: DeltaTable, change: Commit) -> None:
    from deltalake import CommitProperties
    from deltalake.exceptions import CommitFailedError
    from deltalake.transaction import AddAction, RemoveAction

    adds = [AddAction(stats=_stats(f), **_add(f)) for f in change.add]
    removes = [RemoveAction(**_remove(f)) for f in change.remove]
    try:
        table.create_write_transaction(
            [*adds, *removes],
            "append",
            _schema(change.columns),
            partition_by=list(change.partition_by),
            commit_properties=CommitProperties(custom_metadata=dict(change.marks), max_commit_retries=0),
        )
    except CommitFailedError as conflict:
        raise ConflictError(
            f"Another process committed to {store.url}/{prefix} at the same time. Run the same command again."
        ) from conflict


def _append_with_schema(
    store: Store, prefix: str, table: DeltaTable, change: Commit, columns: Sequence[tuple[str, str]]
) -> None:
    """Put the log entry ourselves: delta-rs changes a schema only together with the removal of every file.

    One create-only PUT holds metadata, removals and additions, so that no reader sees the one without the others.
    """
    _schema(columns)  # raises for what is no schema, before it would stand in the log for good
    metadata = table.metadata()
    described = {
        "id": str(metadata.id),
        "name": metadata.name,
        "description": metadata.description,
        "format": {"provider": "parquet", "options": {}},
        "schemaString": _schema_json(columns),
        "partitionColumns": metadata.partition_columns,
        "createdTime": metadata.created_time,
        "configuration": metadata.configuration,
    }
    info = {"operation": "WRITE", "operationParameters": {"mode": "Append"}, "engineInfo": "quarterlake"}
    entries: list[dict[str, Any]] = [{"commitInfo": info | dict(change.marks)}, {"metaData": described}]
    entries += [{"remove": _camel(_remove(f)) | {"extendedFileMetadata": True}} for f in change.remove]
    entries += [{"add": _camel(_add(f)) | {"stats": _stats(f)}} for f in change.add]
    body = "\n".join(json.dumps(entry) for entry in entries) + "\n"
    if not store.create(f"{prefix}/_delta_log/{table.version() + 1:020d}.json", body.encode()):
        raise ConflictError(
            f"Another process changed {store.url}/{prefix} at the same time. Run the same command again."
        )


def _add(file: TableFile) -> dict[str, Any]:
    placed = {"path": file.path, "size": file.size, "partition_values": dict(file.partition)}
    return placed | {"modification_time": 0, "data_change": True}


def _remove(file: TableFile) -> dict[str, Any]:
    placed = {"path": file.path, "size": file.size, "partition_values": dict(file.partition)}
    return placed | {"deletion_timestamp": 0, "data_change": True}


def _stats(file: TableFile) -> str:
    return json.dumps({"numRecords": file.rows})


def _camel(action: dict[str, Any]) -> dict[str, Any]:
    """The names that the protocol gives an action's fields."""
    return {
        re.sub(r"_([a-z])", lambda found: found[1].upper(), name): value for name, value in action.items()
    }


def live_files(table: DeltaTable) -> list[TableFile]:
    """The files that an unpartitioned table shows."""
    actions = table.get_add_actions(flatten=True)
    return [
        TableFile(str(path), int(size), int(rows or 0), {})
        for path, size, rows in zip(
            *(actions.column(name).to_pylist() for name in ("path", "size_bytes", "num_records")), strict=True
        )
    ]


@dataclass(frozen=True, slots=True)
class History:
    """All that a table's log has ever said: the paths of its files in any version, and each commit's marks."""

    paths: frozenset[str]
    commits: Sequence[Mapping[str, Any]]

    def marks(self, key: str) -> set[str]:
        """The values that commits carry under a mark."""
        return {str(commit[key]) for commit in self.commits if key in commit}


def history(store: Store, prefix: str) -> History:
    """The history of a table, empty where there is none."""
    log = f"{prefix}/_delta_log/"
    entries = [item.key for item in store.list(log) if _ENTRY.fullmatch(item.key.removeprefix(log))]
    paths, commits = set(), []
    for data in store.get_many(entries):
        for action in map(json.loads, filter(None, data.splitlines())):
            for kind in ("add", "remove"):
                if kind in action:
                    paths.add(unquote(action[kind]["path"]))
            if "commitInfo" in action:
                commits.append(action["commitInfo"])
    return History(frozenset(paths), commits)


def version_marked(table: DeltaTable, marks: Mapping[str, str]) -> int | None:
    """The newest version whose commit carries all these marks, None where none does."""
    for entry in _history(table):
        if all(entry.get(key) == value for key, value in marks.items()):
            return int(entry["version"])
    return None


def newest_mark(table: DeltaTable, key: str) -> str | None:
    """The value of a mark in the newest commit that carries it."""
    return next((str(entry[key]) for entry in _history(table) if key in entry), None)


@contextmanager
def table_faults(store: Store) -> Iterator[None]:
    """Raise StoreUnavailableError for what delta-rs says when it cannot reach the store, DiskFullError where a disk is full."""
    from deltalake.exceptions import TableNotFoundError

    try:
        yield
    except TableNotFoundError:
        raise
    except OSError as fault:
        said = " ".join(_ANSI.sub("", str(fault)).split())
        if "os error 28" in said or "No space left" in said:
            raise DiskFullError(
                f"There is no room left in {store.url}. Free some space, then run the same command again."
            ) from fault
        raise StoreUnavailableError(
            f"Cannot use the table in {store.url}: {said[:300]}. Check the store, then run the same command again."
        ) from fault


def _history(table: DeltaTable) -> Iterator[Mapping[str, Any]]:
    """The table's commits, newest first; a few are read before all."""
    recent = table.history(_RECENT)
    yield from recent
    if len(recent) == _RECENT:
        yield from table.history()[_RECENT:]


def _schema(columns: Sequence[tuple[str, str]]) -> Any:
    from deltalake import Schema

    return Schema.from_json(_schema_json(columns))


def _columns(table: DeltaTable) -> list[tuple[str, str]]:
    return [(field["name"], field["type"]) for field in json.loads(table.schema().to_json())["fields"]]


def _merged(held: Sequence[tuple[str, str]], wanted: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The table's columns with the wanted types, and the wanted columns that it lacks: none is ever dropped.

    Raises ContractError for a column whose name differs from the table's in case only, which no reader could tell apart.
    """
    types = dict(wanted)
    spelled = {name.casefold(): name for name, _ in held}
    for name in types:
        if spelled.get(name.casefold(), name) != name:
            raise ContractError(
                f"The column {name} is published as {spelled[name.casefold()]}; case does not tell columns apart. "
                "Give it the published name (`physicalName` holds the one in the files)."
            )
    return [(name, types.get(name, kind)) for name, kind in held] + [
        (name, kind) for name, kind in wanted if name.casefold() not in spelled
    ]


def _schema_json(columns: Sequence[tuple[str, str]]) -> str:
    fields = [{"name": name, "type": kind, "nullable": True, "metadata": {}} for name, kind in columns]
    return json.dumps({"type": "struct", "fields": fields})


def _create(store: Store, prefix: str, change: Commit) -> DeltaTable:
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    uri, options = store.table_uri(f"{prefix}/"), store.table_options()
    with table_faults(store):
        try:
            return DeltaTable.create(
                uri,
                _schema(change.columns),
                partition_by=list(change.partition_by),
                configuration=_KEEP_FOR_EVER,
                storage_options=options,
            )
        except DeltaError:  # another process made it first
            return DeltaTable(uri, storage_options=options)
