"""Manifests, and which landings are live: corrections replace, duplicates count once."""

from collections.abc import Callable, Iterable

import msgspec


class Replay(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a replay stands for: records of one original file that were rejected, and that a person repaired or discarded.

    `source`, `sha256` and `key` name the original. `repairs` has the places in it of the records that take others' place, in the order of the
    replay's own lines, `lines` their lines in it where it has any; `discards` those of the records that a person took away, on the lines that follow. A place is `b` and a byte offset, or `r` and a
    record's number. `edited_sha256` and `edited_key` name the file that the person handed in last.
    """

    source: str
    sha256: str
    key: str
    edited_sha256: str
    edited_key: str
    repairs: tuple[str, ...] = ()
    lines: tuple[int | None, ...] = ()
    discards: tuple[str, ...] = ()


class Manifest(msgspec.Struct, frozen=True, omit_defaults=True):
    """The record of one landing, written last and create-only.

    `sequence` numbers a data set's landings without gaps from 1 and is their order; `source` is the path below the
    source folder, `key` where the bytes lie in the raw zone, `landed_at` an ISO 8601 instant in UTC. A replay's `source` is made from that
    of the file that it repairs.
    """

    dataset: str
    sequence: int
    source: str
    key: str
    sha256: str
    size: int
    landed_at: str
    replay: Replay | None = None

    @property
    def named_after(self) -> str:
        """The path whose name says when the records are from: that of the original for a replay."""
        return self.source if self.replay is None else self.replay.source


class Landing(msgspec.Struct, frozen=True):
    """A manifest with what the others make of it.

    `replaced_by` is the sequence of the landing that corrected this one, `duplicate_of` the path of the live
    landing that brought the same bytes first. `repairs` is the sequence of the live landing some of whose rejects a replay repairs.
    """

    manifest: Manifest
    replaced_by: int | None = None
    duplicate_of: str | None = None
    repairs: int | None = None

    @property
    def is_live(self) -> bool:
        """Whether its records count."""
        return self.replaced_by is None and self.duplicate_of is None


def resolve(
    manifests: Iterable[Manifest], time_in_name: Callable[[Manifest], object] | None = None
) -> tuple[Landing, ...]:
    """All landings of one data set in their order: the newest of a path wins, the first of equal bytes counts.

    Where the file's name gives the record time, `time_in_name` does: equal bytes for two times are two records. Of the replays of
    one content the newest counts, and only as long as that content does: a corrected file has no use for repairs of what it was.
    """

    def content(manifest: Manifest) -> tuple[str, object]:
        sha256 = manifest.sha256 if manifest.replay is None else manifest.replay.sha256
        return sha256, time_in_name(manifest) if time_in_name else None

    ordered = sorted(manifests, key=lambda m: m.sequence)
    files = [m for m in ordered if m.replay is None]
    replays = [m for m in ordered if m.replay is not None]
    newest = {m.source: m.sequence for m in files}
    first_with_bytes: dict[tuple[str, object], Manifest] = {}
    landings = []
    for manifest in files:
        if newest[manifest.source] != manifest.sequence:
            landings.append(Landing(manifest, replaced_by=newest[manifest.source]))
            continue
        first = first_with_bytes.setdefault(content(manifest), manifest)
        landings.append(Landing(manifest, duplicate_of=None if first is manifest else first.source))
    last = {content(m): m.sequence for m in replays}
    for manifest in replays:
        original = first_with_bytes.get(content(manifest))
        if last[content(manifest)] != manifest.sequence:
            landings.append(Landing(manifest, replaced_by=last[content(manifest)]))
        elif original is None:
            landings.append(
                Landing(manifest, replaced_by=newest.get(manifest.named_after, manifest.sequence))
            )
        else:
            landings.append(Landing(manifest, repairs=original.sequence))
    return tuple(sorted(landings, key=lambda landing: landing.manifest.sequence))
