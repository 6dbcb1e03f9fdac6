"""Parsing the live files of a data set, each once: memoised by bytes, contract and parser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from quarterlake.domain.naming import NameTimestamp, timestamp_in
from quarterlake.domain.parsed import ParsedFile, origin_of, parsed_id, reusable
from quarterlake.domain.periods import Period, PeriodKind
from quarterlake.lake import documents, keys
from quarterlake.processing.drift import still_missing
from quarterlake.processing.engines.port import ParseRequest
from quarterlake.processing.ledgers import stood_for
from quarterlake.processing.refusals import is_all_rejected
from quarterlake.processing.replays import nothing_of, standing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quarterlake.domain.contract import Contract
    from quarterlake.domain.landings import Landing, Manifest
    from quarterlake.domain.progress import Progress
    from quarterlake.lake.location import Lake
    from quarterlake.processing.engines.port import Engine

_LONGEST_DAYS = {PeriodKind.MONTH: 31, PeriodKind.QUARTER: 92, PeriodKind.YEAR: 366}

_WRITTEN_AT_ONCE = 128
_MANY = 10_000
"""A file with so many records is noted as soon as it is parsed, so that a killed run need not parse it again."""


@dataclass(frozen=True, slots=True)
class Parsing:
    """What parsing a data set needs. `ingest` bounds how vague a file name's timestamp may be and still be a record time."""

    lake: Lake
    engine: Engine
    progress: Progress
    ingest: PeriodKind

    def parse_all(
        self, dataset: str, contract: Contract, landings: Sequence[Landing], before: Contract | None = None
    ) -> dict[int, ParsedFile]:
        """The parsed file of each landing, by its sequence; what was parsed `before` is kept where that is the same.

        Corrected landings are parsed too, since the ledger counts their records; duplicates are not.
        """
        counted = [landing for landing in landings if landing.duplicate_of is None]
        files = [landing.manifest for landing in counted if landing.manifest.replay is None]
        wanted = {manifest.sequence: self._id(manifest, contract) for manifest in files}
        found = self.known(dataset, wanted)
        missing = [manifest for manifest in files if manifest.sequence not in found]
        if before is not None and missing:
            found |= self._reuse(dataset, missing, contract, before)
            missing = [manifest for manifest in missing if manifest.sequence not in found]
        found |= self._parse(dataset, [self._request(manifest, contract) for manifest in missing])
        found = _named(found, files)
        # Which lines of a replay count is seen when its original is parsed.
        replays = [landing for landing in counted if landing.manifest.replay is not None]
        return found | self._replays(dataset, replays, contract, found, parse=True)

    def known_of(
        self, dataset: str, contract: Contract, landings: Sequence[Landing]
    ) -> dict[int, ParsedFile]:
        """What of the landings has been parsed under a contract, live or not, by their sequence."""
        files = [landing.manifest for landing in landings if landing.manifest.replay is None]
        known = self.known(dataset, {manifest.sequence: self._id(manifest, contract) for manifest in files})
        found = _named(known, files)
        replays = [landing for landing in landings if landing.manifest.replay is not None]
        return found | self._replays(dataset, replays, contract, found, parse=False)

    def _replays(
        self,
        dataset: str,
        replays: Sequence[Landing],
        contract: Contract,
        found: Mapping[int, ParsedFile],
        *,
        parse: bool,
    ) -> dict[int, ParsedFile]:
        stands = {
            landing.manifest.sequence: standing(
                self.engine,
                landing,
                None if landing.repairs is None else found.get(landing.repairs),
                contract,
                self._deciding_time(landing.manifest, contract),
            )
            for landing in replays
        }
        manifests = {landing.manifest.sequence: landing.manifest for landing in replays}
        parsed = {
            number: nothing_of(manifests[number], stand, contract)
            for number, stand in stands.items()
            if not stand.repaired
        }
        read = {number: stand for number, stand in stands.items() if stand.repaired}
        parsed |= self.known(dataset, {number: stand.id for number, stand in read.items()})
        if parse:
            requests = [
                ParseRequest(
                    stand.id,
                    stand.origin,
                    manifests[number],
                    self.name_time(manifests[number]),
                    contract,
                    stand.withheld,
                )
                for number, stand in read.items()
                if number not in parsed
            ]
            parsed |= self._parse(dataset, requests)
        return {number: stands[number].of(file) for number, file in parsed.items()}

    def known(self, dataset: str, wanted: Mapping[int, str]) -> dict[int, ParsedFile]:
        """Those documents, by sequence, that are there already."""
        store = self.lake.curated
        there = {item.key for item in store.list(keys.ours(dataset, "parsed"))} if wanted else set()
        held = {
            sequence: key
            for sequence, identity in wanted.items()
            if (key := keys.parsed(dataset, identity, "json")) in there
        }
        return dict(zip(held, documents.read_many(store, list(held.values()), ParsedFile), strict=True))

    def name_time(self, manifest: Manifest) -> str | None:
        """The instant that the file's name gives, where it is no vaguer than an ingest period."""
        stamp = self._placing_stamp(manifest)
        return None if stamp is None else stamp.start.isoformat()

    def named_periods(self, landings: Sequence[Landing], parsed: Mapping[int, ParsedFile]) -> frozenset[str]:
        """The ingest periods that the names of files say: of those with records, and of those that never had any, each by itself though they are alike."""
        replayed = stood_for(landings, parsed)
        had_records = {
            landing.manifest.source
            for landing in landings
            if (file := parsed.get(landing.manifest.sequence)) is not None and file.accepted
        }
        said: list[Manifest] = []
        without_records: set[str] = set()
        for landing in landings:
            manifest, file = landing.manifest, parsed.get(landing.manifest.sequence)
            if landing.duplicate_of is not None and manifest.sha256 in without_records:
                said.append(manifest)
            if not landing.is_live or file is None or file.error is not None:
                continue
            if file.accepted:
                said.append(manifest)
            elif not is_all_rejected(file, replayed.get(manifest.sequence, 0)):
                without_records.add(manifest.sha256)
                said.append(manifest)
        stamps = {
            self._placing_stamp(manifest)
            for manifest in said
            if manifest.sha256 not in without_records or manifest.source not in had_records
        }
        return frozenset(Period.of(stamp.start, self.ingest).name for stamp in stamps if stamp is not None)

    def _placing_stamp(self, manifest: Manifest) -> NameTimestamp | None:
        """The timestamp of the file's name, where it is no vaguer than an ingest period."""
        stamp = stamp_of(manifest)
        if stamp is None or (stamp.end - stamp.start).days > _LONGEST_DAYS[self.ingest]:
            return None
        return stamp

    def _id(self, manifest: Manifest, contract: Contract) -> str:
        return parsed_id(manifest.sha256, contract.parse_id, self._deciding_time(manifest, contract))

    def _origin(self, manifest: Manifest, contract: Contract) -> str:
        return origin_of(manifest.sha256, self._deciding_time(manifest, contract))

    def _deciding_time(self, manifest: Manifest, contract: Contract) -> str | None:
        """The file name's timestamp where that is the record time, or is held against the order of its days and months."""
        if contract.doubtful_time and manifest.replay is None and (stamp := stamp_of(manifest)) is not None:
            return f"{stamp.start.isoformat()}/{stamp.end.isoformat()}"
        return None if contract.record_time else self.name_time(manifest)

    def _reuse(
        self, dataset: str, manifests: Sequence[Manifest], contract: Contract, before: Contract
    ) -> dict[int, ParsedFile]:
        old = self.known(dataset, {manifest.sequence: self._id(manifest, before) for manifest in manifests})
        kept = {}
        for manifest in manifests:
            parsed = old.get(manifest.sequence)
            if parsed is not None and reusable(parsed, contract):
                present = {column.name for column in parsed.columns}
                missing = tuple(c.name for c in contract.columns if c.name not in present)
                again = msgspec.structs.replace(
                    parsed,
                    id=self._id(manifest, contract),
                    origin=self._origin(manifest, contract),
                    parse_id=contract.parse_id,
                    missing=missing,
                    drift=still_missing(parsed.drift, contract, missing),
                )
                documents.write_once(self.lake.curated, keys.parsed(dataset, again.id, "json"), again)
                kept[manifest.sequence] = again
        return kept

    def _request(self, manifest: Manifest, contract: Contract) -> ParseRequest:
        return ParseRequest(
            self._id(manifest, contract),
            self._origin(manifest, contract),
            manifest,
            self.name_time(manifest),
            contract,
        )

    def _parse(self, dataset: str, requests: Sequence[ParseRequest]) -> dict[int, ParsedFile]:
        if not requests:
            return {}
        by_id: dict[str, ParsedFile] = {}
        names = {request.id: request.manifest.source for request in requests}
        waiting: dict[str, ParsedFile] = {}
        # The same bytes may have landed twice, others between them.
        once = {request.id: request for request in requests}
        self.progress.start(f"parse {dataset}", len(once))
        for parsed in self.engine.parse(once.values()):
            by_id[parsed.id] = waiting[keys.parsed(dataset, parsed.id, "json")] = parsed
            if len(waiting) >= _WRITTEN_AT_ONCE or parsed.records >= _MANY:
                documents.write_all_once(self.lake.curated, waiting)
                waiting.clear()
            self.progress.step(names[parsed.id])
        documents.write_all_once(self.lake.curated, waiting)
        return {request.manifest.sequence: by_id[request.id] for request in requests}


def _named(parsed: Mapping[int, ParsedFile], manifests: Sequence[Manifest]) -> dict[int, ParsedFile]:
    """The parsed files, whose errors name the file that each was parsed as first, as those that they are now."""
    sources = {manifest.sequence: manifest.source for manifest in manifests}
    return {
        number: msgspec.structs.replace(
            file, error=file.error.replace(file.named, sources[number]), named=sources[number]
        )
        if file.error is not None and file.named and number in sources
        else file
        for number, file in parsed.items()
    }


def stamp_of(manifest: Manifest) -> NameTimestamp | None:
    """The timestamp in a landed file's name."""
    return timestamp_in(manifest.named_after.rpartition("/")[2])
