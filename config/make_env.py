"""Writes .env from .env.example with random secrets; an old .env is given what it lacks, and is else left alone."""

from __future__ import annotations

import base64
import os
import re
import secrets
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_SPECIAL = {
    "AIRFLOW_FERNET_KEY": lambda: base64.urlsafe_b64encode(os.urandom(32)).decode(),
    "AIRFLOW_PASSWORD": lambda: secrets.token_urlsafe(12),
    "QUARTERLAKE_DELIVERY_KEY": lambda: f"ql_{secrets.token_hex(6)}_{secrets.token_hex(32)}",
    "MINIO_KMS_SECRET_KEY": lambda: f"quarterlake:{base64.b64encode(os.urandom(32)).decode()}",
}

_OF_THE_DATA = frozenset({"MINIO_KMS_SECRET_KEY"})
_SETTING = re.compile(r"([A-Z0-9_]+)=(.*)")


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


def lacking(example: str, existing: str) -> dict[str, str]:
    """The settings of the example that an old file lacks: each with its explanation, a secret with a random value.

    What encrypts data stays as the example has it, for there may be data without.
    """
    held = set(re.findall(r"(?m)^([A-Z0-9_]+)=", existing))
    found, comment = {}, ""
    for line in example.splitlines():
        match = _SETTING.fullmatch(line)
        if match is None:
            comment = f"{comment}{line}\n" if line.startswith("# ") else ""
        elif match[1] not in held:
            found[match[1]] = comment + (line if match[1] in _OF_THE_DATA else _line(match))
    return found


def main() -> None:
    """Write the file, for its owner alone."""
    target = ROOT / ".env"
    example = (ROOT / ".env.example").read_text()
    try:
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        new = lacking(example, target.read_text())
        with target.open("a") as file:
            file.writelines(f"\n{text}\n" for text in new.values())
        print(f".env is there; added to it: {', '.join(new) or 'nothing'}")
        return
    with os.fdopen(handle, "w") as file:
        file.write(filled(example))
    print("wrote .env with random secrets; Airflow's password is in it")


if __name__ == "__main__":
    main()
