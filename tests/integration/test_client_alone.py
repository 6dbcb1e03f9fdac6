"""The distribution quarterlake-client: built from the checkout and from its source archive, it loads with nothing of quarterlake beside it."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from quarterlake import __version__
from tests.integration.conftest import LakeTarget
from tests.integration.lakes import Scene
from tests.integration.test_delivery import KEY, delivering
from tests.integration.test_service import QUARTER

if TYPE_CHECKING:
    from collections.abc import Iterable

CHECKOUT = Path(__file__).parents[2]
PROJECT = tomllib.loads((CHECKOUT / "client" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ALONE = """\
import importlib, pkgutil, sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
import quarterlake
from quarterlake.client import Client

site = Path(quarterlake.__file__).parents[1]
assert site == Path(sys.argv[1]), site
for module in pkgutil.walk_packages(quarterlake.__path__, "quarterlake."):
    importlib.import_module(module.name)
with Client(sys.argv[2], sys.argv[3], cache=site / "cache") as client:
    assert sum(client.load("sales")["count"].to_pylist()) == 60
for name in ("duckdb", "deltalake", "obstore", "sqlglot", "typer", "rich", "yaml", "fastapi", "pandas"):
    try:
        importlib.import_module(name)
    except ImportError:
        continue
    raise SystemExit(f"{name} can be imported, so this proves nothing")
try:
    client.pandas("sales")
except quarterlake.client.MissingExtraError as missing:
    print(missing)
"""


def run(*command: object, cwd: Path) -> str:
    """What a program prints."""
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def built(source: Path, into: Path) -> Path:
    """The wheel of a checkout's folder or of a source archive, built without the network."""
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index")
    run(*pip, "--disable-pip-version-check", "--wheel-dir", into, source, cwd=into.parent)
    (wheel,) = into.glob("*.whl")
    return wheel


def needed(names: Iterable[str]) -> set[str]:
    """Distributions and all that they need, by name; extras are left out."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        wanted = (text for text in importlib.metadata.requires(name) or () if ";" not in text)
        waiting += [match[0] for text in wanted if (match := re.match(r"[\w.-]+", text))]
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(CHECKOUT / "client", tmp_path_factory.mktemp("client") / "wheel")


def test_it_loads_a_release_where_nothing_else_of_quarterlake_is(wheel: Path, tmp_path: Path) -> None:
    scene = Scene(tmp_path, LakeTarget(str(tmp_path / "lake")))
    scene.put_months(*QUARTER)
    scene.run()
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    # Its dependencies' files, and nothing else of this environment.
    for name in needed(re.findall(r"^[\w-]+", text)[0] for text in PROJECT["dependencies"]):
        files = importlib.metadata.files(name) or []
        for top in {file.parts[0] for file in files} - {"..", "__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(Path(str(importlib.metadata.distribution(name).locate_file(top))))
    program = tmp_path / "alone.py"
    program.write_text(ALONE, encoding="utf-8")
    with delivering(scene) as delivery:
        # Without site-packages, and without what the environment adds.
        said = run(sys.executable, "-I", "-S", program, site, delivery.url, KEY, cwd=tmp_path)
    assert "pip install pandas" in said


def test_the_source_archive_makes_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    build = "import sys; from hatchling.build import build_sdist; print(build_sdist(sys.argv[1]))"
    name = run(sys.executable, "-c", build, tmp_path, cwd=CHECKOUT / "client").split()[-1]
    assert name == f"quarterlake_client-{__version__}.tar.gz"
    again = built(tmp_path / name, tmp_path / "wheel")
    assert again.name == wheel.name == f"quarterlake_client-{__version__}-py3-none-any.whl"
    assert again.read_bytes() == wheel.read_bytes()


def test_it_holds_the_files_of_the_checkout_and_the_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.startswith("quarterlake/"):
                assert archive.read(name) == (CHECKOUT / "src" / name).read_bytes()
        (licence,) = (name for name in archive.namelist() if name.endswith("/LICENSE"))
        assert archive.read(licence) == (CHECKOUT / "LICENSE").read_bytes()


def test_it_asks_for_what_the_extra_of_the_whole_asks_for() -> None:
    whole = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = {*whole["dependencies"], *whole["optional-dependencies"]["client"]}
    assert set(PROJECT["dependencies"]) <= asked
