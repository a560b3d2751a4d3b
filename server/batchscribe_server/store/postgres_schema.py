"""The schema of a database that replicas share: brought up to date once, by whoever comes first."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from batchscribe_server.store.commit_marks import forget_old_marks
from batchscribe_server.store.dialect import database_now
from batchscribe_server.store.errors import StoreError
from batchscribe_server.store.migrate import upgrade

log = structlog.get_logger()

WAIT_S = 600.0
"""How long a replica waits for another one's migrations."""

LOOK_S = 0.25
LOCK_WAIT_S = 2.0
"""How long a migration queues for a table, and all who use it behind it, before it stands back and tries again."""

UPGRADE_LOCK = 0x62617463  # any number that all replicas take for the same purpose
_LOCK_NOT_AVAILABLE = "55P03"


async def bring_up_to_date(engine: AsyncEngine) -> None:
    """Apply the migrations that are missing. Raises DatabaseTooNewError, and StoreError where it takes too long."""
    give_up_s = time.monotonic() + WAIT_S
    while True:
        try:
            async with engine.begin() as connection:
                await _take_turn(connection, give_up_s)
                # Migrations may take as long as they need, but not keep others waiting for their turn at a table.
                await connection.execute(text("SET LOCAL statement_timeout = 0"))
                await connection.execute(text(f"SET LOCAL lock_timeout = {round(LOCK_WAIT_S * 1000)}"))
                await connection.run_sync(upgrade)
                now = await connection.run_sync(database_now)
                await connection.run_sync(forget_old_marks, now)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", "") != _LOCK_NOT_AVAILABLE:
                raise
            if time.monotonic() > give_up_s:
                raise StoreError(
                    f"For {timedelta(seconds=WAIT_S)} a table of the database was never free for long enough to be "
                    "upgraded: see who holds it."
                ) from None
            log.warning("schema_upgrade_stands_back", waited_s=LOCK_WAIT_S)
            await asyncio.sleep(LOCK_WAIT_S)
        else:
            return


async def _take_turn(connection: AsyncConnection, give_up_s: float) -> None:
    """Hold the lock that all replicas upgrade under, to the end of the transaction."""
    waiting = False
    while not (
        await connection.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": UPGRADE_LOCK})
    ).scalar_one():
        if not waiting:
            log.info("waiting_for_schema_upgrade")
            waiting = True
        if time.monotonic() > give_up_s:
            raise StoreError(
                f"Another replica has been upgrading the database for {timedelta(seconds=WAIT_S)}: see what it does."
            )
        await asyncio.sleep(LOOK_S)
