"""How the bytes of delimited text are cut, as regular expressions: see `cutting` for the rules."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Cutting:
    """How bytes are cut: the delimiter, the quote (`b""` for none), its escape (the quote itself where it is doubled)."""

    delimiter: bytes
    quote: bytes = b'"'
    escape: bytes = b'"'
    lone_cr: bool = False

    @property
    def is_rfc_4180(self) -> bool:
        """Whether fields are quoted as RFC 4180 has it: by `"`, which is doubled within."""
        return self.quote == self.escape == b'"' and self.delimiter != b" "

    def has_quote(self, data: bytes) -> bool:
        """Whether a quote is in some bytes."""
        return bool(self.quote) and self.quote in data

    @property
    def patterns(self) -> Patterns:
        """What finds records and fields."""
        return _patterns(self)


class Patterns:
    """The rules as regular expressions; nothing in them is tried twice, so that no text makes them slow."""

    def __init__(self, cutting: Cutting) -> None:
        self._cutting = cutting
        self.end = self._compile(b"N")
        self.simple = self._compile(b"[^TQ]*+N" if cutting.quote else b"[^T]*+N")
        self.prefix = self._compile(b"(?:F(?:D))*+", stop=b"N")
        self.last_prefix = self._compile(b"(?:F(?:D))*+", stop=rb"N|\Z")
        self.record = self._compile(b"F(?:S)", stop=b"N")
        self.last_record = self._compile(rb"F(?:S)", stop=rb"N|\Z")
        self.field = self._compile(rb"F(D|\Z)", stop=rb"\Z")

    def run(self, fields: int) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
        """Records with so many fields, without a quote or, where RFC 4180 is kept, with well quoted ones; and one of them."""
        one = b"[^D\\r\\nQ]*+"
        if self._cutting.is_rfc_4180:
            one = b"(?>Q[^\\rQ]*+(?:QQ[^\\rQ]*+)*+Q|" + one + b")"
        record = b"(?:" + one + b"D){%d}" % (fields - 1) + one
        return self._compile(b"(?:" + record + b"N)++"), self._compile(b"(" + record + b")N")

    def _compile(self, form: bytes, stop: bytes = b"") -> re.Pattern[bytes]:
        """Letters stand for: Field, Delimiter, Quote, Escape, liNe end, Stop, Text's end (a class's members)."""
        cutting = self._cutting
        line_end, members = (rb"\r\n?|\n", rb"\r\n") if cutting.lone_cr else (rb"\r?\n", rb"\n")
        one, any_number = (b"", b"") if cutting.delimiter == b" " else (b"[ ]?", b"[ ]*+")
        inner = (
            b"[^Q]*+(?:QQ[^Q]*+)*+" if cutting.escape == cutting.quote else b"[^QE]*+(?:(?:E.|QQ)[^QE]*+)*+"
        )
        quoted = one + b"Q(" + inner + b")Q" + any_number + b"(?=D|S)" if cutting.quote else b"(?!)()"
        opening = b"(?!" + one + b"Q)" if cutting.quote else b""
        parts = {
            b"F": b"(?>" + quoted + b"|" + opening + b"([^DT]*+))",
            b"S": stop,
            b"N": b"(?:" + line_end + b")",
            b"T": members,
            b"D": b"".join(b"\\x%02x" % byte for byte in cutting.delimiter),
            b"Q": b"".join(b"\\x%02x" % byte for byte in cutting.quote),
            b"E": b"".join(b"\\x%02x" % byte for byte in cutting.escape),
        }
        for letter, part in parts.items():
            form = form.replace(letter, part)
        return re.compile(form, flags=re.DOTALL)


@lru_cache(maxsize=64)
def _patterns(cutting: Cutting) -> Patterns:
    return Patterns(cutting)
