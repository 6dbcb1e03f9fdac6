"""One run of a data set at a time."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Holder(msgspec.Struct, frozen=True):
    """Who holds a data set; `dataset` is None for all of them."""

    run: str
    stage: str
    dataset: str | None
    since: str
    caller: str | None = None


@dataclass(slots=True)
class Holds:
    """The runs at work. A run of all data sets and one of a single data set exclude each other too."""

    _holders: list[Holder] = field(default_factory=list)
    _freed: asyncio.Event = field(default_factory=asyncio.Event)

    def holder_of(self, dataset: str | None) -> Holder | None:
        """Who holds a data set, or any of them for None."""
        for holder in self._holders:
            if dataset is None or holder.dataset in {None, dataset}:
                return holder
        return None

    @asynccontextmanager
    async def hold(self, holder: Holder, wait: float) -> AsyncIterator[Holder | None]:
        """Hold a data set. Gives None when it is held, and after `wait` seconds the other who holds it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                while self.holder_of(holder.dataset) is not None:
                    await self._freed.wait()
        other = self.holder_of(holder.dataset)
        if other is not None:
            yield other
            return
        self._holders.append(holder)
        try:
            yield None
        finally:
            self._holders.remove(holder)
            self._freed.set()
            self._freed = asyncio.Event()
