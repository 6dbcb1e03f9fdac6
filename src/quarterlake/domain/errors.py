"""The errors that quarterlake raises on purpose.

They split by what a caller should do: a *terminal* error says that the data, the configuration or the user
is wrong, so trying again gives the same answer; a *transient* one says that the environment failed, so the
same call may succeed later. Each message says what was wrong with what, and what to do next.
"""

from __future__ import annotations


class QuarterlakeError(Exception):
    """Anything that quarterlake raises on purpose."""

    exit_code = 1


class TerminalError(QuarterlakeError):
    """The data, the configuration or the user is wrong: do not retry."""


class UsageError(TerminalError):
    """The command or a setting is wrong; the message names it."""

    exit_code = 2


class ContractError(TerminalError):
    """A contract cannot be read or contradicts itself."""

    exit_code = 2


class AggregateError(TerminalError):
    """A user's aggregate SQL cannot be used; the message names file, line and column."""

    exit_code = 2


class UnreadableFileError(TerminalError):
    """A source file cannot be read as data at all, or cannot be taken from where it lies."""


class MisreadError(UnreadableFileError):
    """A reader refused a file, or did not read it right; another may do better. `cause` says why in a few words."""

    def __init__(self, message: str, cause: str) -> None:
        super().__init__(message)
        self.cause = cause


class LedgerError(TerminalError):
    """Records went missing or appeared from nowhere: the counts of a file or a release do not balance."""


class GateError(TerminalError):
    """A gate said no."""


class UnknownReleaseError(TerminalError):
    """No release has this name."""

    exit_code = 2


class UnknownDatasetError(TerminalError):
    """No data set has this name, or it has no release."""

    exit_code = 2


class UnknownKeyError(TerminalError):
    """No API key has this id."""

    exit_code = 2


class IntegrityError(TerminalError):
    """Stored bytes are not those that were recorded."""


class TransientError(QuarterlakeError):
    """The environment failed: the same call may succeed later."""

    exit_code = 3


class StoreUnavailableError(TransientError):
    """The object store cannot be reached, refuses the credentials, or lacks the bucket."""


class KeysUnavailableError(TransientError):
    """The database of API keys cannot be reached or used."""


class DiskFullError(TransientError):
    """A disk has no room left."""


class MachineError(TransientError):
    """The machine refused something: too many open files, a disk that cannot be read, a folder that is gone."""


class ConflictError(TransientError):
    """Another process changed the same thing at the same time."""


class EngineMemoryError(TransientError):
    """The engine's memory does not suffice for what it does, as it does it."""


class EngineUnavailableError(TransientError):
    """The engine's server cannot be reached, was lost, or did not finish its work."""
