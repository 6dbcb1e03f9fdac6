"""What callers ask of tables, read leniently where the protocol lets servers ignore it and strictly elsewhere."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from quarterlake.delivery.problems import Problem

if TYPE_CHECKING:
    from quarterlake.delivery.sharing.history import TableHistory, Version

_LARGEST = 2**63 - 1
_WHOLE = re.compile(r"[0-9]{1,19}")


class Query(msgspec.Struct, rename="camel", frozen=True):
    """The body of a query. Predicates are hints, which a server may ignore, as this one does."""

    limit_hint: int | None = None
    version: int | None = None
    timestamp: str | None = None
    starting_version: int | None = None
    ending_version: int | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """The numbers of a first and a last version, both included."""

    first: int
    last: int


def read_query(body: bytes) -> Query:
    """A query's body, where an empty one asks for everything. Raises Problem 400."""
    try:
        query = msgspec.json.decode(body or b"{}", type=Query)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as wrong:
        raise Problem(400, f"The body of a query is a JSON object: {wrong}.") from wrong
    except RecursionError:
        raise Problem(400, "The body of a query is nested too deeply.") from None
    numbers = (query.limit_hint, query.version, query.starting_version, query.ending_version)
    if any(number is not None and not 0 <= number <= _LARGEST for number in numbers):
        raise Problem(400, "Versions and limitHint are whole numbers from 0 on.")
    if sum(each is not None for each in (query.version, query.timestamp, query.starting_version)) > 1:
        raise Problem(400, "Give one of version, timestamp and startingVersion.")
    return query


def wanted_version(query: Query, history: TableHistory) -> Version:
    """The version that a query is about. Raises UnknownVersionError, and Problem 400."""
    if query.version is not None:
        return history.at(query.version)
    if query.timestamp is not None:
        return history.as_of(milliseconds(query.timestamp, "timestamp"))
    return history.latest


def wanted_span(
    history: TableHistory,
    starting_version: str | int | None,
    starting_timestamp: str | None,
    ending_version: str | int | None,
    ending_timestamp: str | None,
) -> Span:
    """The versions between a start and an end, which is the latest unless it is given. Raises UnknownVersionError, and Problem 400."""
    if (starting_version is None) == (starting_timestamp is None):
        raise Problem(400, "Give one of startingVersion and startingTimestamp.")
    if ending_version is not None and ending_timestamp is not None:
        raise Problem(400, "Give one of endingVersion and endingTimestamp.")
    if starting_timestamp is not None:
        first = history.since(milliseconds(starting_timestamp, "startingTimestamp")).number
    else:
        first = history.at(_number(starting_version, "startingVersion")).number
    if first == history.versions[0].number and not history.is_whole:
        raise Problem(
            400,
            f"What version {first} changed is not known, since earlier releases were dropped. Begin after it.",
        )
    last = history.latest.number
    if ending_timestamp is not None:
        last = history.as_of(milliseconds(ending_timestamp, "endingTimestamp")).number
    elif ending_version is not None:
        last = min(last, _number(ending_version, "endingVersion"))
    if last < first:
        raise Problem(400, f"The end, version {last}, lies before the start, version {first}.")
    return Span(first, last)


def milliseconds(text: str, what: str) -> int:
    """An instant as ISO 8601 writes it, in UTC unless it says otherwise, in milliseconds since 1970. Raises Problem 400."""
    try:
        found = datetime.fromisoformat(text.strip())
        instant = found.replace(tzinfo=UTC) if found.tzinfo is None else found
        return round(instant.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise Problem(
            400, f"{what}: {text[:50]!r} is no instant; give one in UTC, such as 2022-01-01T00:00:00Z."
        ) from None


def _number(given: str | int | None, what: str) -> int:
    if isinstance(given, int):
        return given
    if given is None or not _WHOLE.fullmatch(given) or int(given) > _LARGEST:
        raise Problem(400, f"{what} is a whole number from 0 on.")
    return int(given)


def wants_delta(capabilities: str | None) -> bool:
    """Whether the header `delta-sharing-capabilities` asks for answers in the format delta and in no other."""
    for capability in (capabilities or "").casefold().split(";"):
        name, _, values = capability.partition("=")
        if name.strip() == "responseformat":
            formats = {value.strip() for value in values.split(",")}
            return "delta" in formats and "parquet" not in formats
    return False
