"""A raw file as plain bytes: what it is, decompressed and in UTF-8."""

from __future__ import annotations

import codecs
import gzip
import io
import re
import tempfile
import zlib
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO

import zstandard

from quarterlake.domain.errors import UnreadableFileError
from quarterlake.domain.reading import EVIDENCE, Reading
from quarterlake.processing.encodings import Encoding, Recoding, find_encoding
from quarterlake.processing.json_forms import form_of_objects, goes_on_in_objects
from quarterlake.processing.json_wrappers import unwrapped
from quarterlake.processing.markup import markup_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_CHUNK = 1 << 20
_HEAD = 1 << 16
_NUL_EVERY = 1_000
"""A text has no more than one NUL in so many bytes, if any; it is part of a value."""
_HELD = 1 << 18
"""A delimited file of no more bytes is read once and held; others are opened for each look at them."""
_ZSTD_CHUNK = 1 << 14  # small, since a chunk is unpacked at once and may hold 10,000 times its size
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_PARQUET = b"PAR1"
_SMALLEST_PARQUET = 12
_NO_TABLES = {
    b"PK\x03\x04": "a ZIP archive, as xlsx, docx and OpenDocument files are",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an old Office document, as xls and doc files are",
    b"%PDF-": "a PDF document",
    b"\xfd7zXZ\x00": "packed with xz",
    b"7z\xbc\xaf\x27\x1c": "packed with 7-Zip",
    b"SQLite format 3\x00": "an SQLite database",
    b"Obj\x01": "an Avro file",
}
"""How files begin that are no tables, or of formats that are not read."""
_NO_CONTROLS = bytes({*range(256)} - {*range(1, 9), *range(14, 32), 127})
_KINDS = 5
_TEXT_PER_CONTROL = 32


class Format(StrEnum):
    """What a file's content is; its name has no say."""

    DELIMITED = "delimited"
    NDJSON = "ndjson"
    JSON_ARRAY = "json array"
    JSON_VALUES = "json values"
    """One after another, each over as many lines as it likes."""
    PARQUET = "parquet"


@dataclass(frozen=True, slots=True)
class PlainSource:
    """A local, uncompressed file (UTF-8 when it is text), `name` as the user knows it.

    `encoding` is what the text was in, and `recoding` knows where in that its bytes were. `anew` is where the records
    of JSON may be written anew meanwhile; `said` is what was found out about its form. `held` are the bytes of a small delimited file.
    """

    name: str
    path: Path
    format: Format
    compression: str
    encoding: Encoding
    recoding: Recoding = field(default_factory=lambda: Recoding("utf-8"))
    anew: Path = field(default=Path(), compare=False)
    said: Mapping[str, str] = field(default_factory=dict)
    held: bytes | None = field(default=None, compare=False, repr=False)

    def open(self) -> BinaryIO:
        """Its bytes, from the first."""
        return self.path.open("rb") if self.held is None else io.BytesIO(self.held)


@contextmanager
def plain_source(
    name: str, path: Path, scratch: Path, reading: Reading = EVIDENCE, *, dataset: str
) -> Iterator[PlainSource]:
    """The file at `path`, one of a data set, as plain bytes; what had to be decompressed or re-encoded lies in `scratch` meanwhile.

    `reading` may say its encoding, and where in a JSON object the records are. Constant memory. Raises UnreadableFileError for a file that is empty, cut off, broken or binary, or without a list there.
    """
    with ExitStack() as cleanup:
        start = _start(path)
        compression = next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), "none")
        if compression != "none":
            with path.open("rb") as packed:
                path = cleanup.enter_context(_written(_unpack(name, packed, compression), scratch))
            start = _start(path)
        if what := next((what for magic, what in _NO_TABLES.items() if start.startswith(magic)), None):
            raise _no_table(name, what)
        encoding = _encoding(path, start, reading)
        recoding = Recoding(encoding.name)
        if not encoding.is_utf8:
            path = cleanup.enter_context(_written(_recode(name, path, recoding), scratch))
            recoding.path = path
            start = _start(path)
        form = _format(name, path, start[:_HEAD])
        broken_first = form is Format.DELIMITED and _is_json_but_for_its_first_line(start, reading)
        if broken_first:
            form = Format.NDJSON
        said: dict[str, str] = {}
        if form in {Format.NDJSON, Format.JSON_ARRAY} and start.startswith(codecs.BOM_UTF8):
            path = cleanup.enter_context(_written(_without_mark(path), scratch))
        if form is Format.NDJSON and not broken_first:
            found = form_of_objects(name, path, dataset, reading.records)
            said = found.described()
            if found.wrapper is not None:
                form = Format.JSON_ARRAY
                path = cleanup.enter_context(_written(unwrapped(path, found.wrapper), scratch))
            elif not found.by_line:
                form = Format.JSON_VALUES
        anew = path
        if form in {Format.NDJSON, Format.JSON_ARRAY, Format.JSON_VALUES}:
            anew = cleanup.enter_context(_written(iter(()), scratch))
        held = start if form is Format.DELIMITED and len(start) <= _HELD else None
        yield PlainSource(name, path, form, compression, encoding, recoding, anew, said, held)


def _start(path: Path) -> bytes:
    """The file's first bytes: all of them, or more than are held."""
    with path.open("rb") as file:
        return file.read(_HELD + 1)


def _format(name: str, path: Path, head: bytes) -> Format:
    if head.startswith(_PARQUET):
        _check_footer(name, path)
        return Format.PARQUET
    text = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if not text:
        raise UnreadableFileError(
            f"{name} is empty. Send it again, or correct it with a file under the same name."
        )
    if head.count(0) * _NUL_EVERY > len(head) or _is_noise(head):
        raise _no_table(name, "binary")
    if text.startswith(b"<") and (what := markup_of(text, _tail(path))):
        raise _no_table(name, what)
    if re.match(rb'\[\s*([{\]\["]|-?[0-9]|(true|false|null)\b|$)', text):
        return Format.JSON_ARRAY
    return Format.NDJSON if re.match(rb'\{\s*["}]', text) else Format.DELIMITED


def _is_json_but_for_its_first_line(start: bytes, reading: Reading) -> bool:
    """Whether what begins like a table goes on as NDJSON, unless its contract says how the table is written."""
    said = (reading.delimiter, reading.quote, reading.escape, reading.header, reading.preamble)
    return said == (None,) * len(said) and goes_on_in_objects(start[:_HEAD], whole=len(start) <= _HEAD)


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, io.SEEK_END) - _HEAD))
        return file.read()


def _no_table(name: str, what: str) -> UnreadableFileError:
    return UnreadableFileError(
        f"{name} is {what}, no table that quarterlake reads. Send CSV, TSV, JSON or Parquet, plain or packed with gzip or zstd."
    )


def _is_noise(head: bytes) -> bool:
    """Whether bytes hold controls as no text does: many, and of many kinds, since some texts are delimited by one or two."""
    found = Counter(head.translate(None, _NO_CONTROLS))
    return len(found) >= _KINDS and found.total() * _TEXT_PER_CONTROL > len(head)


def _check_footer(name: str, path: Path) -> None:
    with path.open("rb") as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(max(0, size - len(_PARQUET)))
        if size < _SMALLEST_PARQUET or file.read() != _PARQUET:
            raise UnreadableFileError(
                f"{name} begins like Parquet but has no footer: it was cut off. Send it again."
            )


def _unpack(name: str, packed: IO[bytes], compression: str) -> Iterator[bytes]:
    try:
        yield from _gzip_chunks(packed) if compression == "gzip" else _zstd_chunks(packed)
    except (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError) as broken:
        raise UnreadableFileError(f"{name} is broken {compression}: {broken}. Send it again.") from broken


def _gzip_chunks(packed: IO[bytes]) -> Iterator[bytes]:
    unpacked = gzip.GzipFile(fileobj=packed)
    while chunk := unpacked.read(_CHUNK):
        yield chunk


def _zstd_chunks(packed: IO[bytes]) -> Iterator[bytes]:
    """Frame by frame, since zstandard's stream reader takes a cut-off last frame for the end of the file."""
    frame = None
    rest = b""
    while data := rest or packed.read(_ZSTD_CHUNK):
        frame = frame or zstandard.ZstdDecompressor().decompressobj()
        yield frame.decompress(data)
        rest, frame = (frame.unused_data, None) if frame.eof else (b"", frame)
    if frame is not None:
        raise EOFError("it ends within a frame")


def _encoding(path: Path, start: bytes, reading: Reading) -> Encoding:
    if start.startswith(_PARQUET):
        return Encoding("utf-8", "Parquet has its own")
    with io.BytesIO(start) if len(start) <= _HELD else path.open("rb") as stream:
        return find_encoding(stream, reading.encoding)


def _recode(name: str, path: Path, recoding: Recoding) -> Iterator[bytes]:
    try:
        with path.open("rb") as source:
            yield from recoding.chunks(source)
    except UnicodeError as broken:
        raise UnreadableFileError(
            f"{name} begins like {recoding.encoding.upper()} but is not: {broken}. Send it as UTF-8."
        ) from broken


def _without_mark(path: Path) -> Iterator[bytes]:
    """The file with blanks for its byte order mark, which no JSON reader takes: every other byte keeps its place."""
    with path.open("rb") as file:
        yield b" " * len(file.read(len(codecs.BOM_UTF8)))
        while chunk := file.read(_CHUNK):
            yield chunk


@contextmanager
def _written(chunks: Iterator[bytes], scratch: Path) -> Iterator[Path]:
    with tempfile.NamedTemporaryFile(dir=scratch, suffix=".plain") as file:
        for chunk in chunks:
            file.write(chunk)
        file.flush()
        yield Path(file.name)
