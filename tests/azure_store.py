"""A real server of Azure's blob protocol (Azurite) for tests: checks keys, SAS tokens and their permissions."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.storage.blob import (
    AccountSasPermissions,
    ContainerSasPermissions,
    ResourceTypes,
    generate_account_sas,
    generate_container_sas,
)
from azure.storage.blob.aio import BlobServiceClient

from tests.listening import free_port, wait_until_it_answers

ACCOUNT = "spoken"
KEY = "b25seSBmb3IgdGVzdHMsIG9ubHkgZm9yIHRlc3RzLCBvbmx5IGZvciB0ZXN0cy4="
WRONG_KEY = "bm90IHRoZSBrZXksIG5vdCB0aGUga2V5LCBub3QgdGhlIGtleSwgbm90IGl0Lg=="

_INSTALLED = Path(__file__).parent.parent / ".build" / "azurite" / "node_modules" / ".bin" / "azurite-blob"
_FOUND = str(_INSTALLED) if _INSTALLED.exists() else shutil.which("azurite-blob")
AZURITE = _FOUND if shutil.which("node") else None

needs_azurite = pytest.mark.skipif(
    AZURITE is None, reason="Azurite is not installed: run `make azurite` (it needs Node.js)"
)


@contextmanager
def azure_store(folder: Path) -> Iterator[str]:
    """The URL of a server that holds everything in memory and logs to `folder`; its accounts lie below."""
    assert AZURITE is not None, "mark tests that need it with `needs_azurite`"
    port = free_port()
    with (folder / "azurite.log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(AZURITE, "--blobHost", "127.0.0.1", "--blobPort", str(port), "--inMemoryPersistence"),
                *("--skipApiVersionCheck", "--disableTelemetry", "--silent"),
            ],
            stdout=log,
            stderr=log,
            env={**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"},
        )
    try:
        endpoint = f"http://127.0.0.1:{port}"
        wait_until_it_answers(endpoint, process, folder / "azurite.log")
        yield endpoint
    finally:
        process.kill()
        process.wait()


def account_url(endpoint: str) -> str:
    """The URL of the one account there is."""
    return f"{endpoint}/{ACCOUNT}"


@asynccontextmanager
async def azure_client(endpoint: str) -> AsyncIterator[BlobServiceClient]:
    """The SDK's own client with all rights. It writes in blocks of 1 MiB: of larger bodies aiohttp warns."""
    credential = {"account_name": ACCOUNT, "account_key": KEY}
    async with BlobServiceClient(
        account_url(endpoint), credential=credential, max_single_put_size=1024**2, max_block_size=1024**2
    ) as client:
        yield client


def account_sas(permissions: str, valid_for: timedelta = timedelta(hours=1)) -> str:
    """A token for the whole account; `permissions` in Azure's letters: r(ead), l(ist), w(rite), c(reate), d(elete)."""
    return generate_account_sas(
        ACCOUNT,
        KEY,
        ResourceTypes(container=True, object=True),
        AccountSasPermissions.from_string(permissions),
        start=datetime.now(UTC) - timedelta(days=1),
        expiry=datetime.now(UTC) + valid_for,
    )


def container_sas(container: str, permissions: str) -> str:
    """A token for one container."""
    return generate_container_sas(
        ACCOUNT,
        container,
        KEY,
        permission=ContainerSasPermissions.from_string(permissions),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )
