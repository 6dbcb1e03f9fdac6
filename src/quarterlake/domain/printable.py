"""Text of other people's on a terminal: a file's name or a record may hold what a terminal obeys."""


def printable(text: str, *, lines: bool = False) -> str:
    """The text with every character that is not seen written as an escape: controls, directions, surrogates; with `lines` line ends stay."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or (lines and c == "\n") else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
