"""How to reach S3, and as whom."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from quarterlake.domain.errors import UsageError


@dataclass(frozen=True, slots=True)
class S3Patience:
    """How long a request that fails is tried again (no more than four times), and how long the server may be silent in between, in seconds."""

    retry_seconds: int = 60
    silent_seconds: int = 60


PATIENT = S3Patience()
"""For work that should go on: a server may be restarted meanwhile."""
HASTY = S3Patience(retry_seconds=2, silent_seconds=10)
"""For answers that somebody waits for."""


@dataclass(frozen=True, slots=True)
class S3Options:
    """How to reach S3 and as whom; the secrets are left out of the representation.

    Attributes:
        endpoint: `http://…` or `https://…`; None is Amazon's for the region.
        access_key_id: None lets the client find credentials as Amazon's tools do (a role, a web identity).
        secret_access_key: goes with the access key.
        session_token: goes with temporary credentials.
        region: what requests are signed for.
        patience: how long the server is waited for.

    Raises:
        UsageError: the endpoint is no HTTP address, or holds credentials.
    """

    endpoint: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    region: str = "us-east-1"
    patience: S3Patience = PATIENT

    def __post_init__(self) -> None:
        address = urlsplit(self.endpoint or "https://")
        if address.scheme not in {"http", "https"} or "@" in address.netloc:
            raise UsageError(
                "The S3 endpoint (AWS_ENDPOINT_URL) must look like https://host:port, without credentials in it."
            )

    @property
    def allow_http(self) -> bool:
        """Whether the endpoint asks for plain HTTP."""
        return self.endpoint is not None and self.endpoint.lower().startswith("http://")
