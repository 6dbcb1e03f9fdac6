"""JSON documents in a store: written once, never changed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import msgspec

from quarterlake.domain.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quarterlake.lake.stores import Store

T = TypeVar("T", bound=msgspec.Struct)
_WRITERS = 8


def write_once(store: Store, key: str, document: msgspec.Struct) -> bool:
    """Put a document where nothing is; True when this call made it, False when there was one already."""
    return store.create(
        key, msgspec.json.format(msgspec.json.encode(document, order="deterministic"), indent=1)
    )


def write_all_once(store: Store, written: Mapping[str, msgspec.Struct]) -> None:
    """Put many documents where nothing is, several at a time: most of a small one's time is waiting for the disk or the network."""
    with ThreadPoolExecutor(_WRITERS) as pool:
        list(pool.map(lambda item: write_once(store, *item), written.items()))


def read(store: Store, key: str, kind: type[T]) -> T | None:
    """The document at a key, None where there is none. Raises IntegrityError for one that does not read."""
    data = store.get(key)
    return None if data is None else _decode(store, key, data, kind)


def read_many(store: Store, keys: Sequence[str], kind: type[T]) -> list[T]:
    """The documents at these keys, in their order; all must exist."""
    return [_decode(store, key, data, kind) for key, data in zip(keys, store.get_many(keys), strict=True)]


def read_all(store: Store, prefix: str, kind: type[T]) -> list[T]:
    """All JSON documents below a prefix, sorted by key."""
    return read_many(store, [item.key for item in store.list(prefix) if item.key.endswith(".json")], kind)


def _decode(store: Store, key: str, data: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError) as broken:
        raise IntegrityError(
            f"{key} in {store.url} is not the document that was written there ({broken}). Restore it from a backup."
        ) from broken
