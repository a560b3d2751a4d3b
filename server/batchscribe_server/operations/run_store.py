"""The port to the store for running jobs: who has which, for how long, and what comes of it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from batchscribe_server.domain.analysis import Analysis
from batchscribe_server.domain.fair_share import BATCHES_FACTOR, may_take_more
from batchscribe_server.domain.job import Failure, Job, OutputFile, State, Waiting
from batchscribe_server.domain.party import Party
from batchscribe_server.domain.replica import NO_CAPACITY, Capacity
from batchscribe_server.domain.speakers import SpeakerTurn
from batchscribe_server.domain.transcript import DetectedLanguage, MediaDescription, Segment


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run a job until the lease ends. `token` fences: what is written under an older one is refused.

    `waited_s` is how long the job was queued.
    """

    job: Job
    token: int
    waited_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ServerLoad:
    """How many jobs of each party are at the claiming server: those that fetch their files, those that are heard, and
    those that write their outputs.

    Those that fetch or write are claimed and RUNNING, but take nothing that others want. `places` is how many each of
    the two are to be at most; those that write may be more. `capacity` is how many are heard here at once, and
    `elsewhere` the capacity of the other servers that have room. What asks for one of the `lacking_models` is left
    to others. So many more files of URLs are fetched here as `url_places` tells.
    """

    places: int = sys.maxsize
    fetching: Mapping[Party, int] = field(default_factory=dict)
    writing: Mapping[Party, int] = field(default_factory=dict)
    heard: Mapping[Party, int] = field(default_factory=dict)
    capacity: int = 1
    elsewhere: Capacity = NO_CAPACITY
    lacking_models: frozenset[str] = frozenset()
    url_places: int = sys.maxsize

    def held_back_by_writing(self, party: Party) -> bool:
        """Whether a party writes so much that it gets no more to fetch."""
        writing = self.writing.get(party, 0)
        free = self.places - sum(self.writing.values())
        return writing > 0 and not may_take_more(writing, free, BATCHES_FACTOR)

    def may_still_take(self, party: Party, queued: int, running: int, model: str = "") -> int:
        """How many more of a party this server may take, of which so many are queued, and so many run anywhere, on a
        model.

        Each server has its part of them, by what it hears at once: else the first one to be woken would take all of a
        small batch, or the last of a large one, and the others would have nothing to do.
        """
        here = self.fetching.get(party, 0) + self.heard.get(party, 0)
        # What is written here by this account may have ended in the store's: then it is not among those that run.
        shared = max(queued + running - self.writing.get(party, 0), queued + here)
        part = -(-shared * self.capacity // (self.capacity + self.elsewhere.of(model)))
        return part - here

    def transferring(self) -> Counter[Party]:
        """How many of each party fetch or write."""
        return Counter(self.fetching) + Counter(self.writing)

    def transferring_of_tenants(self) -> Counter[str]:
        """How many of each tenant fetch or write."""
        tenants: Counter[str] = Counter()
        for party, count in self.transferring().items():
            tenants[party.tenant] += count
        return tenants


NO_LOAD = ServerLoad()


@dataclass(frozen=True, slots=True)
class LeaseReport:
    """The answer to a heartbeat: leases no longer held, held ones whose job was asked to stop, and the priorities that
    those which are held have by now.
    """

    lost: frozenset[str]
    cancel_requested: frozenset[str]
    priorities: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Advance:
    """What one step of a run adds to a job: results are stored in order, each once.

    `media_segments_done` is the new number of speech segments done; `segments` continue the transcript's numbering.
    `progress_event` says whether watchers are told of `processed_ms` now (segments always are).
    """

    segments: tuple[Segment, ...]
    media_segments_done: int
    processed_ms: int
    detected_language: DetectedLanguage | None = None
    progress_event: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: `state` is SUCCEEDED, FAILED or CANCELLED."""

    state: State
    outputs: tuple[OutputFile, ...] = ()
    error: Failure | None = None
    warning: str = ""
    audio_duration_ms: int = 0


class RunStore(Protocol):
    """The running of jobs: claims, leases and results."""

    async def claim(
        self, owner: str, limit: int, lease_s: float, reserved: int = 0, load: ServerLoad = NO_LOAD
    ) -> Sequence[Claim]:
        """Take up to `limit` queued jobs, each the next of the tenant that runs fewest, and of that one's batch that
        runs fewest; among equals of the one served longest ago. A tenant's single files count as one batch. Within a
        tenant a higher priority goes first, within a batch the place in it. They become RUNNING with their event.

        Of jobs that run, those that fetch or write by the owner's `load` don't count there. Each new one begins by
        fetching: nobody gets more than `domain.fair_share` lets them have there, nor more than this server's part of
        them, and the last `reserved` go only to batches that fetch nothing.
        """
        ...

    async def renew(self, owner: str, lease_s: float, job_ids: Sequence[str]) -> LeaseReport:
        """The heartbeat of an owner for the jobs it runs."""
        ...

    async def begin_hearing(self, claim: Claim) -> None:
        """It is the job's turn: from now on its run is an attempt. Raises LeaseLostError, as all that follow."""
        ...

    async def check_claim(self, claim: Claim) -> None:
        """Raises LeaseLostError where the job is not run under this claim any more: asked before anything is written
        elsewhere.
        """
        ...

    async def claim_output(self, claim: Claim, key: str) -> bool:
        """Have the place of outputs for this job, unless another of its batch has it: then False."""
        ...

    async def inputs_among(self, batch_id: str, uris: Sequence[str]) -> Sequence[str]:
        """Those of the URIs that are inputs of a batch, as far as it is scanned."""
        ...

    async def describe(self, claim: Claim, media: MediaDescription, model: str, fingerprint: str) -> None:
        """The file was opened."""
        ...

    async def advance(self, claim: Claim, step: Advance) -> None:
        """Store results and their events."""
        ...

    async def tell_speakers(self, claim: Claim, turns: Sequence[SpeakerTurn]) -> None:
        """Store who speaks when, in place of what an earlier run stored."""
        ...

    async def begin_analysis(self, claim: Claim) -> None:
        """The transcript is being analysed from now on, which is told."""
        ...

    async def end_analysis(self, claim: Claim, analysis: Analysis | None) -> None:
        """Keep what was found, in the place of what an earlier run found: nothing where that is None. Outputs are
        being written from now on, which is told.
        """
        ...

    async def finish(self, claim: Claim, outcome: Outcome) -> Job:
        """End the run, and the batch when this was its last file."""
        ...

    async def release(self, claim: Claim) -> None:
        """Give an unfinished job back to the queue, with what is stored of it; it goes on from there."""
        ...

    async def put_off(self, claim: Claim, waiting: Waiting, pause_s: float) -> None:
        """Give an unfinished job back to the queue, to be claimed again in `pause_s`: its store does not answer. Tells
        why. That was no attempt of the job's.
        """
        ...

    async def recover(self, max_stalled_attempts: int, *, exclusive_owner: bool) -> int:
        """Queue running jobs whose lease ended again (all running jobs where `exclusive_owner` says that nobody else
        can be alive). A job that got nowhere in so many attempts fails with ATTEMPTS_EXHAUSTED. Returns how many.
        """
        ...
