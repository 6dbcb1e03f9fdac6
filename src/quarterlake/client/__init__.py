"""What an application imports to load releases: `from quarterlake.client import Client`.

It knows the delivery API and nothing else of quarterlake: no engine, no server, no store.
"""

from quarterlake.client.answers import PublishedFile, PublishedRelease
from quarterlake.client.client import Client
from quarterlake.client.errors import (
    BadAnswerError,
    ClientError,
    DamagedFileError,
    KeyRefusedError,
    MissingExtraError,
    NotPublishedError,
    UnavailableError,
    WrongUseError,
)

__all__ = [
    "BadAnswerError",
    "Client",
    "ClientError",
    "DamagedFileError",
    "KeyRefusedError",
    "MissingExtraError",
    "NotPublishedError",
    "PublishedFile",
    "PublishedRelease",
    "UnavailableError",
    "WrongUseError",
]
