"""The server's shutting down, as the RPCs see it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from batchscribe_server.domain.errors import DrainingError

Result = TypeVar("Result")


class Draining:
    """Starts once and never ends. Belongs to one event loop."""

    def __init__(self) -> None:
        self._started = asyncio.Event()

    def start(self) -> None:
        """From now on nothing new is taken."""
        self._started.set()

    @property
    def started(self) -> bool:
        """Whether nothing new is taken any more. Any thread may ask."""
        return self._started.is_set()

    def refuse(self) -> None:
        """Raises DrainingError once draining has started."""
        if self._started.is_set():
            raise DrainingError("this server is shutting down; try again, another one or its successor answers")

    async def cut_short(self, wait: Coroutine[Any, Any, Result]) -> Result:
        """The result of a wait that may take long. Raises DrainingError when draining starts first."""
        waiting = asyncio.ensure_future(wait)
        started = asyncio.ensure_future(self._started.wait())
        try:
            await asyncio.wait((waiting, started), return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                self.refuse()
            return await waiting
        finally:
            waiting.cancel()
            started.cancel()
