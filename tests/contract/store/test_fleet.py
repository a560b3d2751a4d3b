"""What the store knows of its replicas and of its queue."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from batchscribe_server.domain.errors import ReplicaNotFoundError
from batchscribe_server.domain.model import Model, ModelSource
from batchscribe_server.domain.replica import Capacity, ReplicaReport, ReplicaState
from batchscribe_server.operations.store import Store
from batchscribe_server.operations.wakeups import REPLICAS, Wakeups
from tests.contract.store.samples import TENANT, Clock, claim_one, new_job, scanned_batch, succeed


def report(replica_id: str = "one", **fields: Any) -> ReplicaReport:
    known: dict[str, Any] = {
        "host": "machine",
        "address": "0.0.0.0:50051",
        "version": "0.1.0",
        "state": ReplicaState.SERVING,
        "running_jobs": 0,
        "max_running_jobs": 4,
        "device": "cpu",
    }
    return ReplicaReport(id=replica_id, **(known | fields))


async def test_a_replica_is_known_by_its_heartbeats(store: Store, clock: Clock) -> None:
    assert not (await store.beat(report())).drain
    clock.advance(20)
    assert not (await store.beat(report("two"))).drain
    told = report(running_jobs=3, models=("base",), state=ReplicaState.NOT_SERVING)
    assert not (await store.beat(told)).drain

    first, second = await store.list_replicas()
    assert (first.report, second.report) == (told, report("two"))
    assert 20 <= (first.seen_time - first.start_time).total_seconds() < 21
    assert second.seen_time == second.start_time


async def test_a_replica_that_is_not_heard_of_is_silent_and_later_forgotten(store: Store, clock: Clock) -> None:
    await store.beat(report("hangs"))
    clock.advance(29)
    await store.beat(report("lives"))
    assert [replica.report.state for replica in await store.list_replicas()] == [ReplicaState.SERVING] * 2
    clock.advance(2)
    states = {replica.report.id: replica.report.state for replica in await store.list_replicas()}
    assert states == {"hangs": ReplicaState.SILENT, "lives": ReplicaState.SERVING}

    clock.advance(3_600)
    await store.beat(report("lives"))
    assert [replica.report.id for replica in await store.list_replicas()] == ["lives"]
    # It was only suspended: it is there again, as one that starts, and drains if it was to.
    assert not (await store.beat(report("hangs"))).drain
    assert (await store.beat(replace(report("drained"), state=ReplicaState.DRAINING))).drain
    assert (await store.beat(report("drained"))).drain
    await store.remove_replica("drained")
    assert {replica.report.id for replica in await store.list_replicas()} == {"hangs", "lives"}


async def test_a_wish_to_drain_is_told_with_the_heartbeat_and_wakes_at_once(store: Store, wakeups: Wakeups) -> None:
    await store.beat(report())
    await store.beat(report("two"))
    with wakeups.listening(REPLICAS) as woken:
        asked = await store.ask_to_drain("one", drain=True)
        assert woken.is_set()
    assert asked.drain_requested
    assert asked.report == report()
    assert (await store.beat(report())).drain
    assert not (await store.beat(report("two"))).drain
    assert not (await store.ask_to_drain("one", drain=False)).drain_requested
    assert not (await store.beat(report())).drain


async def test_a_replica_learns_how_much_the_others_run_at_once(store: Store, clock: Clock) -> None:
    """Those that serve and have room; itself is none of them."""
    assert (await store.beat(report("one"))).capacity_elsewhere.all == 0
    assert (await store.beat(report("two", max_running_jobs=32))).capacity_elsewhere.all == 4
    assert (await store.beat(report("full", running_jobs=9, max_running_jobs=8))).capacity_elsewhere.all == 36
    assert (await store.beat(report("drains", state=ReplicaState.DRAINING))).capacity_elsewhere.all == 36
    assert (await store.beat(report("one"))).capacity_elsewhere.all == 32
    clock.advance(31)
    assert (await store.beat(report("one"))).capacity_elsewhere.all == 0


async def test_a_replica_learns_which_models_the_others_have(store: Store, clock: Clock) -> None:
    base = Model("base", ModelSource.PACKAGE, "", 1, ("en", "de"), sha256="abc", window_margin_s=2.0)
    calls = Model("calls-de", ModelSource.PATH, "", 1, ("de",))
    assert (await store.beat(report("one", offered_models=(base,)))).models_elsewhere == ()
    full = {"running_jobs": 4, "offered_models": (base, calls)}
    assert (await store.beat(report("full", **full))).models_elsewhere == (base,)
    await store.beat(report("two", max_running_jobs=32, offered_models=(base,)))
    orders = await store.beat(report("one", offered_models=(base,)))
    assert set(orders.models_elsewhere) == {base, calls}
    assert orders.capacity_elsewhere == Capacity(32, {"base": 32})  # one has no room
    clock.advance(31)
    assert (await store.beat(report("one"))).models_elsewhere == ()


async def test_whoever_has_the_database_alone_may_forget_the_dead(store: Store) -> None:
    await store.beat(report("dead"))
    await store.forget_replicas()
    assert await store.list_replicas() == []


async def test_a_replica_that_left_is_gone(store: Store) -> None:
    await store.beat(report())
    await store.remove_replica("one")
    await store.remove_replica("one")
    assert await store.list_replicas() == []
    with pytest.raises(ReplicaNotFoundError):
        await store.ask_to_drain("one", drain=True)


async def test_an_empty_queue(store: Store) -> None:
    queue = await store.look_at_queue(10)
    assert (queue.queued, queue.running, queue.oldest_queue_time, queue.lines) == (0, 0, None, ())


async def test_the_queue_is_counted_by_line_longest_first(store: Store, clock: Clock) -> None:
    first = await store.create_job(new_job())
    await store.create_job(new_job(tenant="other"))
    await store.create_job(new_job(tenant="other"))
    clock.advance(60)
    batch, _ = await scanned_batch(store, 5)
    claims = await store.claim("one", 3, 30.0)
    by_line = {(claim.job.tenant, claim.job.batch_id): claim for claim in claims}
    assert set(by_line) == {(TENANT, ""), ("other", ""), (TENANT, batch.id)}

    queue = await store.look_at_queue(10)
    assert (queue.queued, queue.running) == (5, 3)
    lines = [(line.tenant, line.batch_id, line.queued, line.running) for line in queue.lines]
    assert lines == [(TENANT, batch.id, 4, 1), ("other", "", 1, 1)]
    assert queue.oldest_queue_time == queue.lines[1].oldest_queue_time
    assert (queue.time - queue.lines[1].oldest_queue_time).total_seconds() == pytest.approx(60, abs=1)
    assert (queue.time - queue.lines[0].oldest_queue_time).total_seconds() == pytest.approx(0, abs=1)

    # Given back, it waits from then on.
    await store.release(by_line[TENANT, ""])
    shortest = await store.look_at_queue(1)
    assert (shortest.queued, shortest.running) == (6, 2)
    assert [line.batch_id for line in shortest.lines] == [batch.id]
    assert first.tenant == TENANT


async def test_a_claim_tells_how_long_its_job_was_queued(store: Store, clock: Clock) -> None:
    await store.create_job(new_job())
    clock.advance(7)
    claim = await claim_one(store)
    assert claim.waited_s == pytest.approx(7, abs=0.1)
    clock.advance(100)
    await store.release(claim)
    clock.advance(3)
    again = await claim_one(store)
    assert again.waited_s == pytest.approx(3, abs=0.1)
    await succeed(store, again)


async def test_a_job_keeps_its_trace_and_those_of_a_batch_have_the_batchs(store: Store) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    job = await store.create_job(new_job(traceparent=trace))
    assert (await store.get_job(TENANT, job.id)).traceparent == trace
    batch, jobs = await scanned_batch(store, 2, traceparent=trace)
    assert (await store.get_batch(TENANT, batch.id)).traceparent == trace
    assert {each.traceparent for each in jobs} == {trace}
    assert (await store.create_job(new_job())).traceparent == ""
