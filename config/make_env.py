"""Writes .env from .env.example with random secrets; an existing .env is left alone."""

from __future__ import annotations

import base64
import os
import re
import secrets
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_SPECIAL = {
    "AIRFLOW_FERNET_KEY": lambda: base64.urlsafe_b64encode(os.urandom(32)).decode(),
    "AIRFLOW_PASSWORD": lambda: secrets.token_urlsafe(12),
    "QUARTERLAKE_DELIVERY_KEY": lambda: f"ql_{secrets.token_hex(6)}_{secrets.token_hex(32)}",
    "MINIO_KMS_SECRET_KEY": lambda: f"quarterlake:{base64.b64encode(os.urandom(32)).decode()}",
}


def filled(example: str) -> str:
    """The example with a random value for every secret."""
    return re.sub(r"(?m)^([A-Z0-9_]+)=(.*)$", _line, example)


def _line(match: re.Match[str]) -> str:
    name, value = match[1], match[2]
    if name in _SPECIAL:
        return f"{name}={_SPECIAL[name]()}"
    if value.startswith("change-me"):
        return f"{name}={secrets.token_hex(20 if 'ACCESS_KEY' in name else 40)}"
    return match[0]


def main() -> None:
    """Write the file, for its owner alone."""
    target = ROOT / ".env"
    try:
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        sys.exit(
            ".env is there already and was left alone; move it away to make another. Its secrets belong to the volumes."
        )
    with os.fdopen(handle, "w") as file:
        file.write(filled((ROOT / ".env.example").read_text()))
    print("wrote .env with random secrets; Airflow's password is in it")


if __name__ == "__main__":
    main()
