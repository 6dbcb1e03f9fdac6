"""Who works beside whom: several at a time, or one alone."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Turns:
    """Lets threads work beside each other until one asks to be alone: that waits for those at work, and the others for it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._working = 0
        self._reserved = False

    @contextmanager
    def beside_others(self) -> Iterator[None]:
        """Work while nobody is alone, nor waits to be."""
        with self._changed:
            self._changed.wait_for(lambda: not self._reserved)
            self._working += 1
        try:
            yield
        finally:
            with self._changed:
                self._working -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Work while nobody else does. Not to be asked for from within a turn beside others, which would be waited for."""
        with self._changed:
            self._changed.wait_for(lambda: not self._reserved)
            self._reserved = True
        try:
            with self._changed:
                self._changed.wait_for(lambda: not self._working)
            yield
        finally:
            with self._changed:
                self._reserved = False
                self._changed.notify_all()
