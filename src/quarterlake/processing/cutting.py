"""Cutting delimited text into records, one by one, whatever its quotes do: the careful path's only idea of a record.

- A record ends with LF or CRLF; with `lone_cr` also with a CR alone, which is text otherwise.
- A quote opens a quoted field at the field's start, where one space may come before it, and only if it is closed again: by a
  quote that, after any spaces, a delimiter, a line end or the file's end follows. In between, two quotes or an escape
  and a quote stand for one, and line ends are text.
- A quote at a field's start that is not so closed spoils its record, which goes on to the end of the line
  that the quote is on, and no further.
- Quotes count within the first 2,000,000 bytes of a record. A longer record goes on to the next line end.

`careful_count` counts records by the same rules with other code.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from quarterlake.processing.record_survey import count_newlines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from quarterlake.processing.cut_patterns import Cutting, Patterns

LONGEST = 2_000_000
"""A record may have this many bytes, its line end included."""
KEPT = 64 << 10
"""At most this much of a longer one is kept."""
_CHUNK = 4 << 20
_RUN = 64 << 10
_SHORTEST_RUN = 1 << 10
_LINE = re.compile(rb"([^\r\n]*)(?:\r\n?|\n)")


class Cut(NamedTuple):
    """A record, or a blank line, as it lies in its file.

    Attributes:
        start: Its first byte's place, from 0.
        line: The physical line on which it starts, from 1.
        raw: Its bytes without the line end; of one that is too long only the first.
        quoted: Whether a quote is in it, so that its fields must be looked for.
        problem: Why it has no fields, if so.
    """

    start: int
    line: int
    raw: bytes
    quoted: bool
    problem: str | None


class Run(NamedTuple):
    """Records that follow each other, each with as many fields as was asked for.

    Attributes:
        start: The first one's first byte, from 0.
        line: The physical line on which it starts, from 1.
        data: Their bytes, line ends included.
        records: How many they are.
        lines: How many physical lines they are on.
        one: What matches one of them; its first group is the record without the line end.
        quoted: Whether some fields are quoted; then each is as RFC 4180 has it, by `"` that is doubled within, nothing beside it and no CR in it.
    """

    start: int
    line: int
    data: bytes
    records: int
    lines: int
    one: re.Pattern[bytes]
    quoted: bool

    def cuts(self) -> Iterator[Cut]:
        """The records one by one."""
        line = self.line
        for found in self.one.finditer(self.data):
            raw = found[1]
            yield Cut(self.start + found.start(), line, raw, self.quoted and b'"' in raw, problem=None)
            line += 1 + (raw.count(b"\n") if self.lines > self.records else 0)

    def last(self) -> Cut:
        """The last record."""
        *_, last = self.cuts()
        return last


TOO_LONG = "a record longer than the reader's limit"
STRAY = "text after a closing quote, or a quote that is never closed"


@lru_cache(maxsize=64)
def _run_patterns(cutting: Cutting, fields: int) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    return cutting.patterns.run(fields)


class _Runs:
    """Finds runs of records of so many fields: by what is left of some lines without their text, else by the pattern."""

    def __init__(self, cutting: Cutting, fields: int) -> None:
        (self._several, self._one), self._cutting = _run_patterns(cutting, fields), cutting
        self._text = bytes(set(range(256)) - {*cutting.delimiter, *b"\r\n"})
        between = cutting.delimiter * (fields - 1)
        self._bare = {end: between + end for end in (b"\n", b"\r\n")}
        self._window = self._reach = _RUN  # of the one way, and of the other

    def match(self, data: bytes, at: int, start: int, line: int, longest: int) -> Run | None:
        """The run that begins at `at` in what is in memory; in the file that is the byte `start`, on physical line `line`."""
        limit, quote = at + min(self._window, longest), self._cutting.quote
        quoted = data.find(quote, at, limit) if quote else -1
        stop = data.rfind(b"\n", at, limit if quoted < 0 else quoted) + 1
        if stop > at:
            bare = data[at:stop].translate(None, self._text)
            for end, one in self._bare.items():
                records, rest = divmod(len(bare), len(one))
                if not rest and bare == one * records and data.count(end, at, stop) == records:
                    self._window = min(2 * self._window, _RUN)
                    return Run(start, line, data[at:stop], records, records, _LINE, quoted=False)
        reach = at + min(self._reach, longest)
        found = self._several.match(data, at, reach)
        stop = found.end() if found else at
        # Text whose records differ is not looked through to the end for each of them, nor what follows a stray quote.
        if 2 * (stop - at) > reach - at:
            self._window, self._reach = min(2 * self._window, _RUN), min(2 * self._reach, _RUN)
        else:
            self._window = max(self._window // 2, _SHORTEST_RUN)
            self._reach = max(self._reach // 2, _SHORTEST_RUN)
        if found is None:
            return None
        run = data[at : stop + (data[stop - 1 : stop + 1] == b"\r\n")]
        lines = count_newlines(run)
        if not self._cutting.has_quote(run):
            return Run(start, line, run, lines, lines, _LINE, quoted=False)
        within = sum(text.count(b"\n") for text in run.replace(2 * quote, b"").split(quote)[1::2])
        return Run(start, line, run, lines - within, lines, self._one, quoted=True)


def cut(
    stream: BinaryIO, cutting: Cutting, *, start: int = 0, line: int = 1, longest: int = LONGEST
) -> Iterator[Cut]:
    """The records of a stream from the one that begins at `start`, on physical line `line`; blank lines too.

    Memory: some times the longest record, and no more for a longer one.
    """
    for one in cut_in_runs(stream, cutting, 0, start=start, line=line, longest=longest):
        if isinstance(one, Cut):
            yield one


def cut_in_runs(
    stream: BinaryIO, cutting: Cutting, fields: int, *, start: int = 0, line: int = 1, longest: int = LONGEST
) -> Iterator[Cut | Run]:
    """The same, but records of so many `fields` may come in runs: some thirty times as fast."""
    patterns, ahead = cutting.patterns, _Ahead(stream, start)
    runs = _Runs(cutting, fields) if fields > 1 else None
    at = 0
    while at < len(ahead.data) or not ahead.ended:
        if len(ahead.data) - at <= longest and not ahead.ended:
            ahead.read_on(at, longest)
            at = 0
            continue
        data = ahead.data
        if runs and (run := runs.match(data, at, ahead.offset + at, line, longest)):
            yield run
            line += run.lines
            at += len(run.data)
            continue
        simple = patterns.simple.match(data, at)
        if simple is not None and simple.end() - at <= longest:
            raw = _bare(simple[0])
            yield Cut(ahead.offset + at, line, raw, quoted=False, problem=None)
            line += 1 + (raw.count(b"\r") if b"\r" in raw else 0)
            at = simple.end()
            continue
        stop, problem = _end(patterns, data, at, longest, ended=ahead.ended)
        raw = data[at:stop] if problem != TOO_LONG else data[at : at + KEPT]
        offset, newlines = ahead.offset + at, count_newlines(data[at:] if stop < 0 else data[at:stop])
        if stop < 0:
            newlines += ahead.skip_to(patterns.end)
            stop = 0
        yield Cut(offset, line, _bare(raw), problem is None and cutting.has_quote(raw), problem)
        line += newlines
        at = stop


def one_by_one(found: Iterable[Cut | Run]) -> Iterator[Cut]:
    """The records of cuts and runs, in their order."""
    for each in found:
        if isinstance(each, Run):
            yield from each.cuts()
        else:
            yield each


def fields(raw: bytes, cutting: Cutting) -> list[tuple[bytes, bool]]:
    """The fields of a record without a problem, each with whether it was quoted."""
    field, found, at = cutting.patterns.field, [], 0
    while match := field.match(raw, at):
        quoted, text, stop = match.groups()
        found.append((text, False) if quoted is None else (_unescaped(quoted, cutting), True))
        if not stop:
            return found
        at = match.end()
    raise ValueError("a record that is not well formed has no fields")


def _unescaped(inner: bytes, cutting: Cutting) -> bytes:
    quote, escape = cutting.quote, cutting.escape
    if escape != quote and escape in inner:
        return re.sub(
            re.escape(escape)
            + b"("
            + re.escape(escape)
            + b"|"
            + re.escape(quote)
            + b")|"
            + re.escape(quote * 2),
            lambda found: found[1] or quote,
            inner,
        )
    return inner.replace(quote * 2, quote)


def _end(patterns: Patterns, data: bytes, at: int, longest: int, *, ended: bool) -> tuple[int, str | None]:
    """Where the record that begins at `at` ends, its line end included, and what is wrong with it; -1 for an end that is not in memory."""
    window = min(at + longest, len(data))
    last = ended and window == len(data)
    prefix = (patterns.last_prefix if last else patterns.prefix).match(data, at, window)
    opened = prefix.end() if prefix else at
    if good := (patterns.last_record if last else patterns.record).match(data, opened, window):
        stop = good.end()
        # The window may end between the two bytes of a CRLF.
        return stop + (data[stop - 1 : stop + 1] == b"\r\n"), None
    line_end = patterns.end.search(data, opened)
    if line_end is None and not ended:
        return -1, TOO_LONG
    stop = line_end.end() if line_end else len(data)
    return stop, TOO_LONG if stop - at > longest else STRAY


def _bare(raw: bytes) -> bytes:
    """Bytes without the line end at their end."""
    raw = raw.removesuffix(b"\n")
    return raw.removesuffix(b"\r")


class _Ahead:
    """What is in memory of a stream. It never ends between the two bytes of a CRLF."""

    def __init__(self, stream: BinaryIO, start: int) -> None:
        stream.seek(start)
        self._stream = stream
        self.data, self.offset, self.ended = b"", start, False

    def read_on(self, at: int, least: int) -> None:
        """Forget what lies before `at`, and read on."""
        more = self._chunk(max(_CHUNK, least))
        self.data, self.offset = self.data[at:] + more, self.offset + at

    def skip_to(self, end: re.Pattern[bytes]) -> int:
        """Go to the next line end's end; return how many line ends were passed."""
        passed = 0
        self.offset += len(self.data)
        self.data = b""
        while chunk := self._chunk(_CHUNK):
            found = end.search(chunk)
            stop = found.end() if found else len(chunk)
            passed += count_newlines(chunk[:stop])
            self.offset += stop
            if found:
                self.data = chunk[stop:]
                break
        return passed

    def _chunk(self, size: int) -> bytes:
        chunk = self._stream.read(size)
        while chunk.endswith(b"\r") and (more := self._stream.read(1)):
            chunk += more
        self.ended = not chunk
        return chunk
