"""Requests that come at once, against the application in this process: its store can be watched here."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import httpx

from quarterlake.delivery.app import create_app
from quarterlake.delivery.keystore import open_keystore
from quarterlake.lake.folder import FolderStore
from quarterlake.settings import read_settings
from tests.integration.conftest import LakeTarget
from tests.integration.lakes import Scene
from tests.integration.test_delivery import RELEASE
from tests.integration.test_service import QUARTER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class CrowdedStore(FolderStore):
    """Gives bytes only when three read at once or a moment has passed; `most` is how many read at once."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._crowd = threading.Condition()
        self._reading = self.most = 0

    def stream(self, key: str, start: int, end: int) -> Iterator[bytes]:
        """See Store."""
        with self._crowd:
            self._reading += 1
            self.most = max(self.most, self._reading)
            self._crowd.notify_all()
            self._crowd.wait_for(lambda: self.most > 2, 0.2)
        try:
            yield from super().stream(key, start, end)
        finally:
            with self._crowd:
                self._reading -= 1


def test_few_previews_are_read_at_once(tmp_path: Path) -> None:
    scene = Scene(tmp_path, LakeTarget(str(tmp_path / "lake")))
    scene.put_months(*QUARTER)
    scene.run()
    store = CrowdedStore(tmp_path / "lake" / "aggregated")
    keys = open_keystore(str(tmp_path / "keys.sqlite"))
    options = read_settings({"QUARTERLAKE_LAKE": scene.target.url}, {}).delivery
    app = create_app(store, options, keys, is_open=True)

    async def ask() -> list[int]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            answers = [client.get(f"/v1/releases/{RELEASE}/rows") for _ in range(6)]
            return [answer.status_code for answer in await asyncio.gather(*answers)]

    try:
        assert asyncio.run(ask()) == [200] * 6
        assert store.most == 2
    finally:
        app.state.parts.catalog.close()
        app.state.parts.keyring.close()
        keys.close()
