"""Take the screenshots that README.md shows: the demo's lake, served, in Debian's Chromium.

python demo/take_screenshots.py lake docs/images
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

RELEASE = "/releases/flights@2013-Q3.1"
SHOTS = (
    ("catalog", "/datasets/flights", "light", 1200, 900),
    ("release", RELEASE, "light", 1200, 900),
    ("columns", f"{RELEASE}#columns", "dark", 1200, 900),
    ("lineage", f"{RELEASE}#lineage", "light", 1200, 420),
    ("phone", RELEASE, "dark", 360, 740),
)
"""Name, path, colour scheme, width and height of each."""


@contextmanager
def served(lake: Path) -> Iterator[str]:
    """The address of a server over a lake that asks for no key."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {
            "QUARTERLAKE_DELIVERY_DATABASE": str(Path(folder, "keys.sqlite")),
            "QUARTERLAKE_DELIVERY_URL": "http://127.0.0.1:8080",
        }
        command = [
            sys.executable,
            "-m",
            "quarterlake.cli",
            "serve",
            "--lake",
            str(lake),
            "--open",
            "--port",
            "0",
        ]
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
            try:
                yield address_of(process)
            finally:
                process.terminate()


def address_of(process: subprocess.Popen[bytes]) -> str:
    """Where it listens, as it says itself."""
    for line in process.stderr or ():
        said = json.loads(line)
        if said["message"] == "listening":
            return str(said["address"])
    raise SystemExit("the server did not start")


def main() -> None:
    """Take them all."""
    lake, target = map(Path, sys.argv[1:])
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("chromium is not installed: apt-get install chromium")
    target.mkdir(parents=True, exist_ok=True)
    with served(lake) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        )
        for name, path, scheme, width, height in SHOTS:
            page = browser.new_page(
                viewport={"width": width, "height": height},
                color_scheme="dark" if scheme == "dark" else "light",
                reduced_motion="reduce",
            )
            page.goto(address + path)
            page.screenshot(path=target / f"{name}.png")
            print(target / f"{name}.png")
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
