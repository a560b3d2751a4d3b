"""The share of URLs among the files that are fetched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from batchscribe_server.operations.run_store import Claim, ServerLoad
from batchscribe_server.operations.store import ScanChunk, Store
from tests.contract.store.samples import LEASE_S, new_batch, new_job


async def test_urls_take_no_more_places_than_they_have_and_leave_the_others_to_other_files(store: Store) -> None:
    """Of a batch of URLs, of single URLs, and of both among other files; nothing of the rest waits for a URL."""
    web = [new_job(ordinal=number, input_uri=f"https://slow.example/{number}.wav") for number in range(6)]
    for batch_id in ("web-1", "web-2"):
        batch = await store.create_batch(new_batch(batch_id, priority=9))
        await store.add_scanned(batch, ScanChunk(tuple(replace(job, id=f"{batch_id}-{job.id}") for job in web), "end"))
        await store.finish_scan(batch)
    mixed = await store.create_batch(new_batch("mixed"))
    found = (replace(web[0], id="mixed-web"), new_job("mixed-file", ordinal=1))
    await store.add_scanned(mixed, ScanChunk(found, "end"))
    await store.finish_scan(mixed)
    await store.create_job(new_job("single-web", input_uri="HTTP://slow.example/a.wav"))
    await store.create_job(new_job("single-file"))

    def urls(claims: Sequence[Claim]) -> int:
        return sum(claim.job.input_uri.lower().startswith("http") for claim in claims)

    first = await store.claim("one", 4, LEASE_S, 0, ServerLoad(places=100, url_places=2))
    assert urls(first) == 2
    others = await store.claim("one", 4, LEASE_S, 4, ServerLoad(places=100, url_places=0))
    assert {claim.job.id for claim in [*first, *others] if not urls([claim])} == {"mixed-file", "single-file"}
    assert urls(others) == 0
    assert urls(await store.claim("one", 100, LEASE_S)) == 14 - 2
