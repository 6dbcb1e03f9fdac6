"""What a contract says about how its files are written, in place of what their bytes show."""

import codecs
from typing import Annotated, Literal

import msgspec

from quarterlake.domain.errors import ContractError

_Count = Annotated[int, msgspec.Meta(ge=0)]


class Reading(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, rename="camel"):
    """Overrides of what is decided from evidence; None leaves a decision to it.

    `encoding` is a name that Python knows; `delimiter`, `quote` and `escape` are single ASCII characters, `quote` empty for
    none, and `escape` the quote itself where it is doubled. `header` says whether the table begins with one. `preamble` is the number of lines before
    the table, `footer` that of records after it. `repeated_headers` and `tables` keep what looks like a header in the middle, or like
    another table, as records. `records` is the path of the list of records in a JSON file that is one object, its keys parted by dots; empty where the object is the record. Raises ContractError for what cannot be.
    """

    encoding: str | None = None
    delimiter: str | None = None
    quote: str | None = None
    escape: str | None = None
    header: bool | None = None
    preamble: _Count | None = None
    footer: _Count | None = None
    repeated_headers: Literal["reject", "keep"] = "reject"
    tables: Literal["first", "all"] = "first"
    records: str | None = None

    def __post_init__(self) -> None:
        if self.encoding is not None:
            try:
                codecs.lookup(self.encoding)
                "".encode(self.encoding)
            except (LookupError, UnicodeError) as unknown:
                raise ContractError(
                    f"quarterlake.reading: there is no text encoding {self.encoding!r}. Use a name such as utf-8, windows-1252 or utf-16."
                ) from unknown
        for name, value in (("delimiter", self.delimiter), ("quote", self.quote), ("escape", self.escape)):
            single = value is None or (len(value) == 1 and value.isascii() and value not in "\r\n\0")
            if not single and not (name == "quote" and value == ""):
                raise ContractError(
                    f"quarterlake.reading: {name} is {value!r}; it must be one ASCII character and no line end."
                )
        if self.delimiter is not None and self.delimiter in {self.quote, self.escape}:
            raise ContractError(
                "quarterlake.reading: the delimiter cannot be the quote or the escape as well."
            )


EVIDENCE = Reading()
"""Nothing is said: all is decided from the bytes."""
