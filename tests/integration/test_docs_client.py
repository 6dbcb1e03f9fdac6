"""The code in docs/client.md runs as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.conftest import LakeTarget
from tests.integration.lakes import Scene
from tests.integration.test_delivery import KEY, delivering, environment_of, keys

DOCUMENT = (Path(__file__).parents[2] / "docs" / "client.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"test_docs_client\.py -->\n```python\n(.*?)```", DOCUMENT, re.DOTALL)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    made = Scene(tmp_path, LakeTarget(str(tmp_path / "lake")), dataset="flights")
    for month in ("2013-01", "2013-02", "2013-03"):
        rows = [(f"{month}-{n:02d}T10:00:00Z", ("EWR", "JFK")[n % 2], n) for n in range(1, 21)]
        made.put(f"flights_{month}.csv", rows, ("flown_at", "origin", "delay"))
    made.run()
    return made


def test_every_block_runs(scene: Scene) -> None:
    assert len(BLOCKS) == 3
    with delivering(scene) as delivery:
        profile = scene.root / "forecasting.share"
        keys(scene, "create", "--name", "forecasting", "--profile", str(profile), "--url", delivery.url)
        for block in BLOCKS:
            code = block.replace("https://data.example.org", delivery.url).replace("ql_…", KEY)
            done = subprocess.run(
                [sys.executable, "-W", "ignore", "-c", code],
                env={
                    **environment_of(scene),
                    "XDG_CACHE_HOME": str(scene.root / "cache"),
                    "CROISSANT_CACHE": str(scene.root / "croissants"),
                },
                cwd=scene.root,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert done.returncode == 0, done.stderr[-2000:]
    assert list((scene.root / "data").glob("flights@2013-Q1.1/summary/*.parquet"))


def test_every_error_is_there() -> None:
    import quarterlake.client

    for name in quarterlake.client.__all__:
        if name.endswith("Error"):
            assert f"`{name}`" in DOCUMENT
