"""What the server signs for itself: the URLs of its own downloads, and the sessions of its pages."""

from __future__ import annotations

import hashlib
import hmac


class Signer:
    """HMAC-SHA256 under the server's secret, with a purpose so that nothing signed for one is taken for another."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def sign(self, purpose: str, *parts: object) -> str:
        """The signature of some parts, in hexadecimal."""
        text = "".join(f"{len(part)}:{part}" for part in (purpose, *map(str, parts)))
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()

    def holds(self, signature: str, purpose: str, *parts: object) -> bool:
        """Whether a signature is that of these parts."""
        return hmac.compare_digest(self.sign(purpose, *parts).encode(), signature.encode())
