"""Which encoding a text file is in, by the evidence of its bytes, and the same text as UTF-8."""

from __future__ import annotations

import codecs
import re
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CHUNK = 1 << 20
_RECODED = 1 << 16
_WIDEST = 4
"""One byte of an encoding becomes at most so many of UTF-8."""
_HEAD = 1 << 12
_COUNTED = 1 << 22
"""How many bytes of chunks that are no UTF-8 are looked at closely: enough to see which of two encodings they are in."""
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8"),
)
_SEQUENCE = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}", flags=re.DOTALL
)
_HIGH = re.compile(rb"[\x80-\xff]")
_NO_WINDOWS = re.compile(rb"[\x81\x8d\x8f\x90\x9d\xfe\xff]")
"""What Windows-1252 does not define, and two letters so rare that such a byte speaks for damage."""
_WINDOWS_ONLY = re.compile(rb"[\x80-\x9f]")
_PLAUSIBLE = 0.9
_WIDE = frozenset({"utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"})


SINGLE_BYTE = frozenset({"windows-1252", "latin-1"})
"""Encodings, by their labels, that a text is taken to be in which may as well be in another of one byte a character."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """A text's encoding, as Python names it, and why it is taken for that."""

    name: str
    why: str

    @property
    def label(self) -> str:
        """The name that people know it by."""
        return {"cp1252": "windows-1252", "iso8859-1": "latin-1"}.get(self.name, self.name)

    @property
    def is_utf8(self) -> bool:
        """Whether the bytes can be read as they are."""
        return self.name == "utf-8"


def find_encoding(file: BinaryIO, declared: str | None = None) -> Encoding:
    """The encoding of a text file: what is `declared`, a byte order mark, the place of zero bytes, or what its other bytes are.

    Bytes that are no UTF-8 speak for a single-byte encoding only when they outnumber the sequences that are, and are such
    as text has; a few damaged bytes among good UTF-8 stay what they are, and their records are rejected.
    """
    if declared is not None:
        return Encoding(codecs.lookup(declared).name.removesuffix("-sig"), "the contract says so")
    head = file.read(_HEAD)
    for mark, name in _MARKS:
        if head.startswith(mark):
            return Encoding(name, "byte order mark")
    if wide := _without_mark(head):
        return wide
    file.seek(0)
    return _single_or_utf8(file)


def _without_mark(head: bytes) -> Encoding | None:
    """UTF-16 or UTF-32 without a byte order mark: most of the upper bytes of its characters are zero."""
    if b"\x00" not in head:
        return None
    for name, width, at in (
        ("utf-32-le", 4, 0),
        ("utf-32-be", 4, 3),
        ("utf-16-le", 2, 0),
        ("utf-16-be", 2, 1),
    ):
        whole = head[: len(head) - len(head) % width]
        units = [whole[place::width] for place in range(width)]
        text = units.pop(at)
        zeros = sum(unit.count(0) for unit in units)
        if text and not text.count(0) and zeros > 0.7 * sum(map(len, units)):
            return Encoding(name, "no byte order mark, but zero bytes where this encoding has them")
    return None


def _single_or_utf8(file: BinaryIO) -> Encoding:
    decoder = codecs.getincrementaldecoder("utf-8")()
    broken, valid, ascii_only = bytearray(), 0, True
    while chunk := file.read(_CHUNK):
        if chunk.isascii() and not decoder.getstate()[0]:
            continue
        ascii_only = False
        try:
            valid += len(chunk) - len(decoder.decode(chunk))
        except UnicodeDecodeError:
            broken += chunk
            decoder.reset()
            if len(broken) > _COUNTED:
                break
    if decoder.getstate()[0]:
        broken += decoder.getstate()[0]
    if not broken:
        why = "every byte is ASCII" if ascii_only else "every byte beyond ASCII is part of a valid sequence"
        return Encoding("utf-8", why)
    return _by_counts(bytes(broken), valid)


def _by_counts(data: bytes, valid: int) -> Encoding:
    sequences = len(_SEQUENCE.findall(data)) + valid
    rest = _SEQUENCE.sub(b"", data)
    lone = len(_HIGH.findall(rest))
    text = lone - len(_NO_WINDOWS.findall(rest))
    if lone <= sequences or text < _PLAUSIBLE * lone:
        return Encoding(
            "utf-8",
            f"{sequences} valid sequences beyond ASCII; {lone} bytes that are none look like damage, and their records are rejected; a contract can name another encoding",
        )
    seen = f"{lone} bytes are no UTF-8 and {sequences} sequences are"
    if found := len(_WINDOWS_ONLY.findall(rest)):
        return Encoding(
            "cp1252",
            f"{seen}; {found} of them lie between 0x80 and 0x9F, which Windows-1252 alone uses for text",
        )
    return Encoding(
        "latin-1",
        f"{seen}; ambiguous: Latin-1 and Windows-1252 read these bytes alike, other single-byte encodings do not",
    )


@dataclass(slots=True)
class Recoding:
    """A text that was written anew as UTF-8: which byte of the original each of its bytes came from."""

    encoding: str
    path: Path | None = None
    _plain: list[int] = field(default_factory=lambda: [0])
    _original: list[int] = field(default_factory=lambda: [0])

    def chunks(self, source: BinaryIO) -> Iterator[bytes]:
        """The text as UTF-8. What the encoding does not define stays as it is, so that no UTF-8 reader takes it for text.

        Raises UnicodeError when UTF-16 or UTF-32 ends within a character.
        """
        errors = "surrogatepass" if self.encoding in _WIDE else "surrogateescape"
        decoder = codecs.getincrementaldecoder(self.encoding)(errors)
        read = written = 0
        while chunk := source.read(_RECODED):
            text = decoder.decode(chunk).encode("utf-8", errors)
            read += len(chunk)
            written += len(text)
            self._plain.append(written)
            self._original.append(read - len(decoder.getstate()[0]))
            yield text
        yield decoder.decode(b"", final=True).encode("utf-8", errors)

    def plain(self, offset: int, text: bytes) -> int | None:
        """The place in the UTF-8 text of a `text` that begins at a place in the original; None where it is not that text."""
        if self.path is None:
            return offset
        base = self._plain[bisect_right(self._original, offset) - 1]
        with self.path.open("rb") as file:
            file.seek(base)
            near = file.read(_WIDEST * _RECODED + len(text))
        at = near.find(text)
        while at >= 0 and self.original(base + at) != offset:
            at = near.find(text, at + 1)
        return base + at if at >= 0 else None

    def original(self, offset: int) -> int:
        """The place in the original of the character that begins at a place in the UTF-8 text."""
        if self.path is None:
            return offset
        at = bisect_right(self._plain, offset) - 1
        with self.path.open("rb") as file:
            file.seek(self._plain[at])
            before = file.read(offset - self._plain[at])
        errors = "surrogatepass" if self.encoding in _WIDE else "surrogateescape"
        name = {"utf-16": "utf-16-le", "utf-32": "utf-32-le"}.get(self.encoding, self.encoding)
        mark = (2 if self.encoding == "utf-16" else 4) if at == 0 and name != self.encoding else 0
        return self._original[at] + mark + len(before.decode("utf-8", errors).encode(name, errors))
