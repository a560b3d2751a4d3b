"""Fixtures of the client's tests: a script, and a server that follows it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from batchscribe import AsyncClient
from tests.integration.client.scripted_service import Script, serving


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def address(script: Script) -> Iterator[str]:
    with serving(script) as address:
        yield address


@pytest.fixture
async def client(address: str) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(address, timeout_s=5, retry_s=5, reconnect_s=5) as client:
        yield client
