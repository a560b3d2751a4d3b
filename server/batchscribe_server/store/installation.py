"""What all servers that share a database are to agree on, by name."""

from __future__ import annotations

from functools import partial

from sqlalchemy import select

from batchscribe_server.store import tables
from batchscribe_server.store.database import Database
from batchscribe_server.store.dialect import insert_if_absent, put
from batchscribe_server.store.ledger import Ledger

_facts = tables.installation.c


class SqlInstallationStore:
    """The InstallationStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def agreed(self, name: str, proposed: str) -> str:
        """Read what is agreed on, or agree on what is proposed."""
        return await self._database.write(partial(_agreed, name=name, proposed=proposed))

    async def agree(self, name: str, value: str) -> None:
        """Agree on something else."""
        await self._database.write(partial(_agree, name=name, value=value))


def _agreed(ledger: Ledger, name: str, proposed: str) -> str:
    insert_if_absent(ledger.connection, tables.installation, {"name": name, "value": proposed})
    value: str = ledger.connection.execute(select(_facts.value).where(_facts.name == name)).scalar_one()
    return value


def _agree(ledger: Ledger, name: str, value: str) -> None:
    put(ledger.connection, tables.installation, {"name": name, "value": value})
