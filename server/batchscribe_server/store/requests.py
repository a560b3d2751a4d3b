"""Request ids already seen: a repeated Create gives what the first one created."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, select

from batchscribe_server.domain.errors import FieldViolation, InvalidArgumentError
from batchscribe_server.operations.store import IdempotencyKey
from batchscribe_server.store import tables
from batchscribe_server.store.dialect import insert_if_absent
from batchscribe_server.store.ledger import Ledger

KEPT = timedelta(hours=24)
"""How long a repeat is recognised."""


def first_answer(ledger: Ledger, tenant: str, collection: str, key: IdempotencyKey, resource_id: str) -> str | None:
    """The id of what an earlier request created under this key; None when this is the first, for `resource_id`.

    Raises InvalidArgumentError when the earlier request had another body.
    """
    row = {"tenant": tenant, "collection": collection, "request_id": key.request_id}
    new = row | {"body_digest": key.body_digest, "resource_id": resource_id, "create_time": ledger.now}
    if insert_if_absent(ledger.connection, tables.idempotency, new):
        return None
    columns = tables.idempotency.c
    query = select(columns.body_digest, columns.resource_id).filter_by(**row)
    body_digest, first_id = ledger.connection.execute(query).one()
    if body_digest != key.body_digest:
        raise InvalidArgumentError(
            [FieldViolation("request_id", "It was used for another request: a new request needs a new id.")]
        )
    return str(first_id)


def forget_old_requests(ledger: Ledger) -> None:
    """Drop the ids that are no longer recognised."""
    ledger.connection.execute(delete(tables.idempotency).where(tables.idempotency.c.create_time < ledger.now - KEPT))
