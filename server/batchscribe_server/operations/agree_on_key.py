"""See, before anything is sealed or opened, that all who share a database can open what each of them seals."""

from __future__ import annotations

import structlog

from batchscribe_server.operations.access import Seal
from batchscribe_server.operations.store import InstallationStore

log = structlog.get_logger()

SEALING_KEY = "sealing_key"


class KeyDiffersError(Exception):
    """Credentials in the database were sealed with a key that this server does not have."""


async def agree_on_key(store: InstallationStore, seal: Seal, *, must_fit: bool) -> None:
    """Hold the server's keys against the one that the database was last used with, and note its own from now on.

    What was sealed with a key that is not here can't be opened any more: raises KeyDiffersError where the keys
    `must_fit`, and warns otherwise.
    """
    own = seal.marks[0]
    agreed = await store.agreed(SEALING_KEY, own)
    if agreed == own:
        return
    if agreed in seal.marks:
        log.info("secrets_key_rotated", mark=own, before=agreed)
    elif must_fit:
        raise KeyDiffersError(f"the key it was last used with has the mark {agreed}, this server's is {own}")
    else:
        log.warning("secrets_key_differs", mark=own, before=agreed)
    await store.agree(SEALING_KEY, own)
