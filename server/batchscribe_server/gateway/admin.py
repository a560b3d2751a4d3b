"""What the gateway asks of Envoy, over its admin port."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress

from batchscribe_server.gateway.errors import GatewayError
from batchscribe_server.gateway.listener import STAT_PREFIX

_TIMEOUT_S = 5.0
_POLL_S = 0.1
_OK = 200


class EnvoyAdmin:
    """The admin port of a running Envoy, at `address`, HOST:PORT. Its calls raise OSError where nothing answers."""

    def __init__(self, address: str) -> None:
        self.address = address

    async def is_ready(self) -> bool:
        """Its listeners are open."""
        status, _ = await self._asked("GET", "/ready")
        return status == _OK

    async def fail_health_checks(self) -> None:
        """From now on its health path answers 503."""
        await self._told("/healthcheck/fail")

    async def begin_drain(self) -> None:
        """Answers ask clients to connect elsewhere next time; after `--drain-time-s` the port is closed."""
        await self._told("/drain_listeners?graceful")

    async def active_requests(self) -> int:
        """How many calls and streams are open at the edge."""
        return await self._stat(f"http.{STAT_PREFIX}.downstream_rq_active")

    async def calls_ended(self) -> None:
        """Wait until no call and no stream is open."""
        await _until(self._is_idle)

    async def port_closed(self) -> None:
        """Wait until it takes no new connection: a drain has run its time."""
        await _until(self._is_closed)

    async def _is_idle(self) -> bool:
        return not await self.active_requests()

    async def _is_closed(self) -> bool:
        return bool(await self._stat("listener_manager.listener_stopped"))

    async def _stat(self, name: str) -> int:
        pattern = name.replace(".", "\\.")
        _, body = await self._asked("GET", f"/stats?filter=^{pattern}$&format=json")
        return sum(int(stat["value"]) for stat in json.loads(body)["stats"] if stat.get("name") == name)

    async def _told(self, path: str) -> None:
        status, body = await self._asked("POST", path)
        if status != _OK:
            raise GatewayError(f"Envoy refused {path}: {status} {body.decode(errors='replace')[:200]}")

    async def _asked(self, method: str, path: str) -> tuple[int, bytes]:
        return await asyncio.to_thread(self._exchange, method, path)

    def _exchange(self, method: str, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self.address, timeout=_TIMEOUT_S)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except http.client.HTTPException as error:
            raise ConnectionError(f"Envoy's admin port answers no HTTP: {error!r}") from error
        finally:
            connection.close()


async def _until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Ask until it holds: Envoy calls nobody back. One that is slow to answer, or gone, is asked again."""
    while True:
        with suppress(OSError):
            if await holds():
                return
        await asyncio.sleep(_POLL_S)
