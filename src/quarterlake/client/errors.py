"""What can go wrong for a client: terminal where the same call fails again, transient where it may succeed later."""

from __future__ import annotations

from quarterlake.domain.errors import QuarterlakeError, TerminalError, TransientError


class ClientError(QuarterlakeError):
    """Anything that the client raises on purpose."""


class WrongUseError(ClientError, TerminalError):
    """An argument cannot be meant: a malformed address or name, an aggregate that the release lacks."""

    exit_code = 2


class MissingExtraError(ClientError, TerminalError):
    """A package that only this call needs is not installed."""

    exit_code = 2


class KeyRefusedError(ClientError, TerminalError):
    """The key is missing, wrong, expired or revoked, or has no scope for what was asked."""

    exit_code = 2


class NotPublishedError(ClientError, TerminalError):
    """There is no such data set, period or release."""

    exit_code = 2


class BadAnswerError(ClientError, TerminalError):
    """The server answered what cannot be used: not its API, a name that would leave the folder, more bytes than were promised."""

    exit_code = 1


class DamagedFileError(ClientError, TerminalError):
    """What was downloaded, twice, is not what the release recorded."""

    exit_code = 1


class UnavailableError(ClientError, TransientError):
    """The server or the store cannot be reached, or kept failing: try again later."""

    exit_code = 3
