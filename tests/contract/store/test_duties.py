"""Duties: what one server does for all that share the store."""

from __future__ import annotations

from batchscribe_server.operations.store import Store
from tests.contract.store.samples import Clock

LEASE_S = 30.0


async def test_a_duty_is_held_by_one_server_until_it_leaves_it(store: Store) -> None:
    assert await store.take_duties("one", ["scan a", "scan b"], LEASE_S) == {"scan a", "scan b"}
    assert await store.take_duties("two", ["scan a", "scan c"], LEASE_S) == {"scan c"}
    await store.leave_duties("two", ["scan a"])  # which is not its own
    assert await store.take_duties("two", ["scan a"], LEASE_S) == frozenset()

    await store.leave_duties("one", ["scan a"])
    assert await store.take_duties("two", ["scan a", "scan b"], LEASE_S) == {"scan a"}


async def test_a_duty_goes_to_another_server_once_its_lease_has_run_out(store: Store, clock: Clock) -> None:
    await store.take_duties("one", ["scan a", "scan b"], LEASE_S)
    clock.advance(20)
    assert await store.take_duties("one", ["scan a"], LEASE_S) == {"scan a"}  # which prolongs it
    clock.advance(20)
    assert await store.take_duties("two", ["scan a", "scan b"], LEASE_S) == {"scan b"}
    assert await store.take_duties("one", ["scan a", "scan b"], LEASE_S) == {"scan a"}
