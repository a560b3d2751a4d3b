"""The running of jobs: the order of the queue, claims, leases, results and what becomes of lost runs."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from batchscribe_server.domain.errors import LeaseLostError, Reason
from batchscribe_server.domain.event import JobProgressed, SegmentHeard, StateChanged
from batchscribe_server.domain.job import Failure, OutputFile, State
from batchscribe_server.domain.party import Party
from batchscribe_server.domain.recognition import RecognitionConfig, TranscriptFormat
from batchscribe_server.domain.replica import Capacity
from batchscribe_server.domain.speakers import SpeakerTurn
from batchscribe_server.domain.transcript import DetectedLanguage
from batchscribe_server.operations.run_store import Advance, Outcome, ServerLoad
from batchscribe_server.operations.store import BatchChanges, Store
from batchscribe_server.operations.wakeups import QUEUE, Wakeups
from tests.contract.store.samples import (
    MEDIA,
    TENANT,
    Clock,
    all_events,
    check_history,
    claim_all,
    claim_one,
    details,
    new_job,
    running_job,
    scanned_batch,
    segment,
    step,
    succeed,
)

MAX_STALLED = 3


async def claimed_ids(store: Store, limit: int) -> list[str]:
    return [claim.job.id for claim in await store.claim("one", limit, 30)]


async def test_turns_go_round_by_batch_and_single_files_share_one(store: Store) -> None:
    _, large = await scanned_batch(store, 5)
    _, small = await scanned_batch(store, 2)
    lone = [await store.create_job(new_job()) for _ in range(2)]
    assert await claimed_ids(store, 1000) == [
        *(large[0].id, small[0].id, lone[0].id),
        *(large[1].id, small[1].id, lone[1].id),
        *(large[2].id, large[3].id, large[4].id),
    ]


async def test_turns_go_round_as_well_where_one_job_runs_at_a_time(store: Store) -> None:
    """Nobody runs any then, so that only who was served longest ago tells."""
    _, large = await scanned_batch(store, 6)
    order = []
    for number in range(9):
        if number == 2:
            lone = [await store.create_job(new_job()) for _ in range(3)]
        claim = await claim_one(store)
        order.append(claim.job.id)
        await succeed(store, claim)
    ids = [job.id for job in large]
    assert order == [*ids[:3], lone[0].id, ids[3], lone[1].id, ids[4], lone[2].id, ids[5]]


async def test_whoever_runs_fewest_is_next(store: Store) -> None:
    """However many files a batch has, a newcomer is served at once and then gets as many places."""
    await scanned_batch(store, 20)
    first = await store.claim("one", 6, 30)
    newcomer, _ = await scanned_batch(store, 20)
    for claim in first[:4]:
        await succeed(store, claim)
    second = await store.claim("one", 4, 30)
    assert [claim.job.batch_id for claim in second] == [newcomer.id] * 2 + [first[0].job.batch_id, newcomer.id]


async def test_tenants_take_turns_before_batches_and_whatever_their_priorities(store: Store) -> None:
    for _ in range(3):
        await scanned_batch(store, 5, tenant="many", priority=50)
    await scanned_batch(store, 5, tenant="one")
    claims = await store.claim("one", 8, 30)
    assert [claim.job.tenant for claim in claims] == ["many", "one"] * 4
    assert len({claim.job.batch_id for claim in claims}) == 4


async def test_a_higher_priority_goes_first_within_a_tenant(store: Store) -> None:
    _, jobs = await scanned_batch(store, 2, priority=1)
    await store.create_job(new_job())
    urgent = await store.create_job(new_job(priority=10))
    assert await claimed_ids(store, 3) == [urgent.id, jobs[0].id, jobs[1].id]


async def test_a_new_priority_moves_a_batch_at_once(store: Store) -> None:
    await scanned_batch(store, 3)
    late, jobs = await scanned_batch(store, 3)
    await store.update_batch(TENANT, late.id, BatchChanges(priority=5))
    assert await claimed_ids(store, 3) == [job.id for job in jobs]


async def test_the_last_places_are_kept_for_batches_that_fetch_nothing(store: Store) -> None:
    batch, _ = await scanned_batch(store, 10)
    assert len(await store.claim("one", 6, 30, reserved=2)) == 4
    load = ServerLoad(100, {Party(TENANT, batch.id): 4})
    assert await store.claim("one", 1, 30, 1, load) == []
    lone = await store.create_job(new_job())
    await store.create_job(new_job())
    assert [claim.job.id for claim in await store.claim("one", 2, 30, 2, load)] == [lone.id]
    assert len(await store.claim("one", 1, 30, 1, ServerLoad(100))) == 1


async def test_a_batch_that_fetches_leaves_places_to_others(store: Store) -> None:
    slow, _ = await scanned_batch(store, 10, priority=5)
    assert len(await store.claim("one", 20, 30, 0, ServerLoad(8))) == 3
    held = {Party(TENANT, slow.id): 3}
    assert await store.claim("one", 20, 30, 0, ServerLoad(8, held)) == []
    for files in (10, 10, 10):
        batch, _ = await scanned_batch(store, files)
        claims = await store.claim("one", 20, 30, 0, ServerLoad(8, held))
        assert {claim.job.batch_id for claim in claims} == {batch.id}
        held[Party(TENANT, batch.id)] = len(claims)
    assert sorted(held.values()) == [1, 1, 2, 3]


async def test_a_batch_that_cannot_write_its_outputs_gets_no_more_and_costs_others_nothing(store: Store) -> None:
    stuck, _ = await scanned_batch(store, 10, priority=5)
    load = ServerLoad(8, writing={Party(TENANT, stuck.id): 20})
    assert await store.claim("one", 20, 30, 0, load) == []
    other, _ = await scanned_batch(store, 10)
    claims = await store.claim("one", 20, 30, 0, load)
    assert [claim.job.batch_id for claim in claims] == [other.id] * 3


async def test_servers_that_have_room_share_a_small_batch(store: Store) -> None:
    batch, _ = await scanned_batch(store, 10)
    party = Party(TENANT, batch.id)
    claims = await store.claim("one", 20, 30, 0, ServerLoad(capacity=8, elsewhere=Capacity(16)))
    assert len(claims) == 4
    # What it has is its part, wherever that is; what it only writes any more is not of those to be shared.
    unloaded = ServerLoad(capacity=8, elsewhere=Capacity(16))
    for load in (replace(unloaded, fetching={party: 4}), replace(unloaded, heard={party: 4})):
        assert await store.claim("one", 20, 30, 0, load) == []
    writing = replace(unloaded, writing={party: 4})
    assert len(await store.claim("one", 20, 30, 0, writing)) == 2
    # A server without others beside it, or whose others are full, takes what there is.
    assert len(await store.claim("two", 20, 30, 0, ServerLoad(capacity=8))) == 4


@pytest.mark.parametrize("elsewhere", [0, 16])
async def test_the_last_of_a_batch_does_not_wait_for_a_server_to_hear_of_its_own_ends(
    store: Store, elsewhere: int
) -> None:
    batch, _ = await scanned_batch(store, 4)
    ended = await store.claim("one", 3, 30)
    for claim in ended:
        await succeed(store, claim)
    # By its own account the server still writes what it has ended a moment ago.
    load = ServerLoad(capacity=8, elsewhere=Capacity(elsewhere), writing={Party(TENANT, batch.id): len(ended)})
    assert len(await store.claim("one", 20, 30, 0, load)) == 1


async def test_a_batch_is_shared_with_those_that_have_its_model(store: Store) -> None:
    await scanned_batch(store, 12, config=RecognitionConfig(model="calls-de"))
    load = ServerLoad(capacity=8, elsewhere=Capacity(1_000, {"base": 1_000, "calls-de": 4}))
    assert len(await store.claim("one", 20, 30, 0, load)) == 8


async def test_each_server_that_has_none_of_a_batch_may_take_one(store: Store) -> None:
    await scanned_batch(store, 2)
    load = ServerLoad(capacity=1, elsewhere=Capacity(1_000))
    assert [len(await store.claim(owner, 20, 30, 0, load)) for owner in ("one", "two", "three")] == [1, 1, 0]


async def test_servers_share_a_tenants_single_files(store: Store) -> None:
    for priority in (1, 5) * 3:
        await store.create_job(new_job(priority=priority))
    load = ServerLoad(capacity=8, elsewhere=Capacity(8))
    first = await store.claim("one", 20, 30, 0, load)
    assert [claim.job.priority for claim in first] == [5, 5, 5]
    held = ServerLoad(capacity=8, elsewhere=Capacity(8), heard={Party(TENANT, ""): 3})
    assert await store.claim("one", 20, 30, 0, held) == []
    assert len(await store.claim("two", 20, 30, 0, load)) == 3


async def test_a_long_queue_of_single_files_fills_every_server(store: Store) -> None:
    for _ in range(40):
        await store.create_job(new_job())
    load = ServerLoad(capacity=8, elsewhere=Capacity(24))
    assert len(await store.claim("one", 16, 30, 0, load)) == 16


async def test_what_asks_for_a_model_that_a_server_lacks_is_left_to_others(store: Store) -> None:
    special = RecognitionConfig(model="calls-de")
    batch, _ = await scanned_batch(store, 2, priority=5, config=special)
    lone = await store.create_job(new_job(config=special, priority=5))
    any_model = await store.create_job(new_job())
    lacking = ServerLoad(lacking_models=frozenset({"calls-de", "calls-fr"}))
    assert [claim.job.id for claim in await store.claim("one", 20, 30, 0, lacking)] == [any_model.id]
    claims = await store.claim("two", 20, 30, 0, ServerLoad(lacking_models=frozenset({"calls-fr"})))
    assert {claim.job.id for claim in claims} - {lone.id} == {claim.job.id for claim in claims if claim.job.batch_id}
    assert Counter(claim.job.batch_id for claim in claims) == {batch.id: 2, "": 1}


async def test_a_run_goes_on_where_the_model_is_that_it_began_with(store: Store) -> None:
    """Also where the client named none."""
    job = await store.create_job(new_job())
    claim = await claim_one(store)
    await store.describe(claim, MEDIA, "calls-de", "fingerprint")
    await store.advance(claim, step(0))
    await store.release(claim)
    assert await store.claim("one", 20, 30, 0, ServerLoad(lacking_models=frozenset({"calls-de"}))) == []
    assert await claimed_ids(store, 1) == [job.id]


async def test_a_run_that_got_nowhere_is_tied_to_no_model(store: Store) -> None:
    job = await store.create_job(new_job())
    claim = await claim_one(store)
    await store.describe(claim, MEDIA, "calls-de", "fingerprint")
    await store.release(claim)
    lacking = ServerLoad(lacking_models=frozenset({"calls-de"}))
    assert [claim.job.id for claim in await store.claim("one", 20, 30, 0, lacking)] == [job.id]


async def test_a_tenant_that_transfers_leaves_some_of_the_places_to_others(store: Store) -> None:
    for _ in range(20):
        await scanned_batch(store, 1)
    claims = await store.claim("one", 100, 30, 0, ServerLoad(16))
    assert len(claims) == 15
    held = {claim.job.party: 1 for claim in claims}
    other = await store.create_job(new_job(tenant="other"))
    assert [claim.job.id for claim in await store.claim("one", 100, 30, 0, ServerLoad(16, held))] == [other.id]


async def test_what_only_transfers_does_not_count_as_running_when_turns_go_round(store: Store) -> None:
    slow, _ = await scanned_batch(store, 20)
    assert len(await claim_all(store)) == 20
    await scanned_batch(store, 20)
    await scanned_batch(store, 20, tenant="other")
    load = ServerLoad(100, {Party(TENANT, slow.id): 20})
    tenants = Counter(claim.job.tenant for claim in await store.claim("one", 10, 30, 0, load))
    assert tenants == {TENANT: 5, "other": 5}


async def test_a_claimed_job_runs_with_its_event(store: Store, wakeups: Wakeups) -> None:
    job = await store.create_job(new_job())
    with wakeups.listening(job.name) as watcher:
        claim = await claim_one(store)
        assert watcher.is_set()
    assert claim.job == await store.get_job(TENANT, job.id)
    assert (claim.job.state, claim.job.attempt, claim.job.stalled_attempts) == (State.RUNNING, 1, 0)
    assert claim.job.start_time is not None
    assert (await details(store, job.name))[-1] == StateChanged(State.RUNNING, attempt=1)


async def test_claims_of_two_owners_never_overlap(store: Store) -> None:
    jobs = {(await store.create_job(new_job())).id for _ in range(40)}
    taken: list[str] = []

    async def take(owner: str) -> None:
        while claims := await store.claim(owner, 3, 30):
            taken.extend(claim.job.id for claim in claims)

    await asyncio.gather(*(take(f"owner-{number}") for number in range(4)))
    assert len(taken) == len(set(taken))
    # An owner that found the rest locked by others may have gone home early.
    taken.extend(claim.job.id for claim in await claim_all(store))
    assert sorted(taken) == sorted(jobs)


async def test_a_run_stores_what_it_finds(store: Store) -> None:
    claim = await running_job(store)
    await store.advance(claim, step(0, detected_language=DetectedLanguage("en", 0.9)))
    await store.advance(claim, Advance((), media_segments_done=2, processed_ms=5_000, progress_event=True))
    await store.advance(claim, Advance((segment(1), segment(2)), media_segments_done=4, processed_ms=9_000))
    job = await store.get_job(TENANT, claim.job.id)
    assert (job.media, job.model, job.input_fingerprint) == (MEDIA, "base", "fingerprint")
    assert (job.segments, job.media_segments_done, job.processed_ms) == (3, 4, 9_000)
    assert job.detected_language == DetectedLanguage("en", 0.9)
    assert [heard async for heard in store.read_segments(job.id)] == [segment(0), segment(1), segment(2)]
    assert await details(store, job.name) == [
        StateChanged(State.QUEUED),
        StateChanged(State.RUNNING, attempt=1),
        JobProgressed(0, 10_000),
        SegmentHeard(segment(0)),
        JobProgressed(5_000, 10_000),
        SegmentHeard(segment(1)),
        SegmentHeard(segment(2)),
    ]
    outputs = (OutputFile(TranscriptFormat.SRT, "file:///out/a.srt", 120),)
    done = await store.finish(
        claim, Outcome(State.SUCCEEDED, outputs=outputs, warning="cut short", audio_duration_ms=9_500)
    )
    assert done == await store.get_job(TENANT, job.id)
    assert (done.state, done.outputs, done.warning) == (State.SUCCEEDED, outputs, "cut short")
    assert (done.audio_duration_ms, done.processed_ms) == (9_500, 9_500)
    await check_history(store, job.name, done.sequence, 1)


async def test_a_long_transcript_is_read_whole_and_in_order(store: Store) -> None:
    claim = await running_job(store)
    heard = tuple(segment(index, f"word {index}") for index in range(1203))
    await store.advance(claim, Advance(heard, media_segments_done=1203, processed_ms=1))
    assert tuple([read async for read in store.read_segments(claim.job.id)]) == heard


async def test_results_are_stored_once_and_in_order(store: Store) -> None:
    claim = await running_job(store)
    await store.advance(claim, step(0))
    for wrong in (step(0), step(2), Advance((), media_segments_done=0, processed_ms=0)):
        with pytest.raises(ValueError):
            await store.advance(claim, wrong)
    job = await store.get_job(TENANT, claim.job.id)
    assert (job.segments, job.media_segments_done) == (1, 1)
    await check_history(store, job.name, job.sequence, 1)


async def test_an_older_claim_is_fenced_off(store: Store) -> None:
    old = await running_job(store)
    await store.advance(old, step(0))
    assert await store.recover(MAX_STALLED, exclusive_owner=True) == 1
    with pytest.raises(LeaseLostError):
        await store.advance(old, step(1))
    new = await claim_one(store, "two")
    assert new.token > old.token
    before = await store.get_job(TENANT, new.job.id)
    for late in (
        store.begin_hearing(old),
        store.describe(old, MEDIA, "tiny", "other"),
        store.advance(old, step(1)),
        store.finish(old, Outcome(State.SUCCEEDED)),
        store.release(old),
    ):
        with pytest.raises(LeaseLostError):
            await late
    assert await store.get_job(TENANT, new.job.id) == before
    assert (await store.renew("one", 30, [new.job.id])).lost == {new.job.id}
    await store.advance(new, step(1))
    done = await succeed(store, new)
    assert done.segments == 2
    await check_history(store, done.name, done.sequence, 1)
    with pytest.raises(LeaseLostError):
        await store.release(new)


async def test_a_lease_lasts_as_long_as_its_heartbeat(store: Store, clock: Clock) -> None:
    claim = await running_job(store)
    clock.advance(29)
    report = await store.renew("one", 30, [claim.job.id, "unknown"])
    assert (report.lost, report.cancel_requested) == (frozenset({"unknown"}), frozenset())
    clock.advance(29)
    assert await store.recover(MAX_STALLED, exclusive_owner=False) == 0
    clock.advance(2)
    assert await store.recover(MAX_STALLED, exclusive_owner=False) == 1
    job = await store.get_job(TENANT, claim.job.id)
    assert (job.state, job.attempt) == (State.QUEUED, 1)
    assert (await details(store, job.name))[-1] == StateChanged(State.QUEUED, attempt=1)
    assert (await store.renew("one", 30, [job.id])).lost == {job.id}


async def test_a_recovered_job_goes_on_from_what_is_stored(store: Store, wakeups: Wakeups) -> None:
    claim = await running_job(store)
    await store.advance(claim, step(0))
    with wakeups.listening(QUEUE) as queue:
        await store.recover(MAX_STALLED, exclusive_owner=True)
        assert queue.is_set()
    again = await claim_one(store)
    assert (again.job.attempt, again.job.segments, again.job.media_segments_done) == (2, 1, 1)
    assert (again.job.input_fingerprint, again.job.media) == ("fingerprint", MEDIA)
    await store.advance(again, step(1))
    assert [heard async for heard in store.read_segments(again.job.id)] == [segment(0), segment(1)]


async def test_a_job_that_gets_nowhere_is_given_up(store: Store) -> None:
    job = await store.create_job(new_job())
    for _ in range(MAX_STALLED):
        await store.begin_hearing(await claim_one(store))
        await store.recover(MAX_STALLED, exclusive_owner=True)
    failed = await store.get_job(TENANT, job.id)
    assert failed.state is State.FAILED
    assert failed.error is not None
    assert failed.error.reason is Reason.ATTEMPTS_EXHAUSTED
    assert (await details(store, job.name))[-1] == StateChanged(State.FAILED, MAX_STALLED, failed.error)
    assert await claim_all(store) == []


async def test_a_job_that_gets_on_is_never_given_up(store: Store) -> None:
    await store.create_job(new_job())
    for index in range(2 * MAX_STALLED):
        claim = await claim_one(store)
        await store.begin_hearing(claim)
        await store.advance(claim, step(index))
        await store.recover(MAX_STALLED, exclusive_owner=True)
    claim = await claim_one(store)
    assert (claim.job.stalled_attempts, claim.job.attempt) == (0, 2 * MAX_STALLED + 1)


async def test_a_job_that_only_waits_to_be_heard_is_never_given_up(store: Store) -> None:
    job = await store.create_job(new_job())
    for _ in range(2 * MAX_STALLED):
        await claim_one(store)
        await store.recover(MAX_STALLED, exclusive_owner=True)
    waited = await store.get_job(TENANT, job.id)
    assert (waited.state, waited.stalled_attempts, waited.attempt) == (State.QUEUED, 0, 2 * MAX_STALLED)


async def test_a_job_that_is_released_while_it_waits_has_stalled_as_often_as_before(store: Store) -> None:
    await running_job(store)
    await store.recover(MAX_STALLED, exclusive_owner=True)
    claim = await claim_one(store)
    await store.release(claim)
    assert (await store.get_job(TENANT, claim.job.id)).stalled_attempts == 1


async def test_a_released_job_goes_on_and_has_not_stalled(store: Store, wakeups: Wakeups) -> None:
    claim = await running_job(store)
    with wakeups.listening(QUEUE) as queue:
        await store.release(claim)
        assert queue.is_set()
    job = await store.get_job(TENANT, claim.job.id)
    assert (job.state, job.stalled_attempts) == (State.QUEUED, 0)
    assert (await claim_one(store)).job.id == job.id


@pytest.mark.parametrize("end", ["release", "recover"])
async def test_a_job_asked_to_stop_is_not_queued_again(store: Store, end: str) -> None:
    claim = await running_job(store)
    await store.cancel_job(TENANT, claim.job.id)
    if end == "release":
        await store.release(claim)
    else:
        await store.recover(MAX_STALLED, exclusive_owner=True)
    assert (await store.get_job(TENANT, claim.job.id)).state is State.CANCELLED


async def test_a_failed_run_says_why(store: Store) -> None:
    claim = await running_job(store)
    error = Failure(Reason.NO_AUDIO, "The video has no sound.")
    failed = await store.finish(claim, Outcome(State.FAILED, error=error))
    assert (failed.state, failed.error) == (State.FAILED, error)
    assert (await details(store, failed.name))[-1] == StateChanged(State.FAILED, 1, error)


async def test_a_run_cannot_end_unfinished(store: Store) -> None:
    claim = await running_job(store)
    with pytest.raises(ValueError):
        await store.finish(claim, Outcome(State.QUEUED))


async def test_batches_follow_recovered_jobs(store: Store) -> None:
    batch, _ = await scanned_batch(store, 2)
    claims = await claim_all(store)
    for claim in claims:
        await store.begin_hearing(claim)
    await succeed(store, claims[0])
    await store.recover(1, exclusive_owner=True)
    ended = await store.get_batch(TENANT, batch.id)
    assert (ended.state, ended.counts.succeeded, ended.counts.failed) == (State.SUCCEEDED, 1, 1)


TURNS = [SpeakerTurn(0, 900, 0), SpeakerTurn(800, 2_000, 1, channel=1)]


async def test_turns_are_kept_with_their_job_in_place_of_earlier_ones(store: Store) -> None:
    claim = await running_job(store)
    assert await store.read_speaker_turns(claim.job.id) == []
    await store.tell_speakers(claim, [*TURNS, SpeakerTurn(3_000, 4_000, 0)])
    await store.tell_speakers(claim, TURNS)
    assert await store.read_speaker_turns(claim.job.id) == TURNS
    await succeed(store, claim)
    assert await store.read_speaker_turns(claim.job.id) == TURNS
    with pytest.raises(LeaseLostError):
        await store.tell_speakers(claim, [])
    await store.delete_job(TENANT, claim.job.id)
    assert await store.read_speaker_turns(claim.job.id) == []


async def test_a_job_that_begins_anew_has_no_turns(store: Store) -> None:
    claim = await running_job(store)
    await store.tell_speakers(claim, TURNS)
    await store.finish(claim, Outcome(State.FAILED, error=Failure(Reason.DECODE_FAILED, "No.")))
    await store.retry_job(TENANT, claim.job.id)
    assert await store.read_speaker_turns(claim.job.id) == []


async def test_the_times_of_a_record_go_forward_where_the_clock_goes_back(store: Store, clock: Clock) -> None:
    batch, _ = await scanned_batch(store, 1)
    clock.advance(-3_600)
    claim = await claim_one(store)
    clock.advance(-3_600)
    await store.describe(claim, MEDIA, "model", "fingerprint")
    clock.advance(-3_600)
    await succeed(store, claim)
    job = await store.get_job(TENANT, claim.job.id)
    batch = await store.get_batch(TENANT, batch.id)
    assert job.start_time is not None
    assert job.finish_time is not None
    assert job.create_time <= job.start_time <= job.finish_time <= job.update_time
    assert batch.start_time is not None
    assert batch.finish_time is not None
    assert batch.create_time <= batch.start_time <= batch.finish_time
    for name in (job.name, batch.name):
        times = [event.time for event in await all_events(store, name)]
        assert times == sorted(times)
