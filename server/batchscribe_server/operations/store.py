"""The port to the store, the only truth: state and the event that tells of it are written in one transaction.

Every query is scoped by tenant. What changes a resource returns it as it is afterwards. All times are the store's.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from batchscribe_server.domain.analysis import Analysis
from batchscribe_server.domain.batch import Batch
from batchscribe_server.domain.deletion import Deletion
from batchscribe_server.domain.event import Event
from batchscribe_server.domain.fair_share import BATCHES_FACTOR, may_take_more
from batchscribe_server.domain.job import Failure, Job, OutputFile, State
from batchscribe_server.domain.media import Media
from batchscribe_server.domain.party import Party
from batchscribe_server.domain.speakers import SpeakerTurn
from batchscribe_server.domain.transcript import DetectedLanguage, MediaDescription, Segment
from batchscribe_server.operations.fleet import FleetStore

Resource = TypeVar("Resource")


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A client's request id with a digest of the request's body: a repeat gives the first answer."""

    request_id: str
    body_digest: str


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What to list. `page_token` is opaque and bound to the other fields: with other ones it is refused.

    `states` empty means all. `batch_id` None means jobs of any batch and of none. `labels` must all match.
    `reference_id`, `uri` and `uri_prefix` are ignored when empty. `oldest_first` orders by creation; the default is
    newest first.
    """

    tenant: str
    page_size: int
    page_token: str = ""
    batch_id: str | None = None
    states: tuple[State, ...] = ()
    labels: Mapping[str, str] | None = None
    reference_id: str = ""
    uri: str = ""
    uri_prefix: str = ""
    oldest_first: bool = False


@dataclass(frozen=True, slots=True)
class Page(Generic[Resource]):
    """One page of a listing; an empty token ends it."""

    items: Sequence[Resource]
    next_page_token: str
    total: int


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run a job until the lease ends. `token` fences: what is written under an older one is refused.

    `waited_s` is how long the job was queued.
    """

    job: Job
    token: int
    waited_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Transfers:
    """How many jobs of each party fetch their files at the claiming server, and how many write their outputs.

    These are claimed and RUNNING, but take nothing that others want. `places` is how many each of the two are to be at
    most; those that write may be more.
    """

    places: int = sys.maxsize
    fetching: Mapping[Party, int] = field(default_factory=dict)
    writing: Mapping[Party, int] = field(default_factory=dict)

    def held_back_by_writing(self, party: Party) -> bool:
        """Whether a party writes so much that it gets no more to fetch."""
        writing = self.writing.get(party, 0)
        free = self.places - sum(self.writing.values())
        return writing > 0 and not may_take_more(writing, free, BATCHES_FACTOR)

    def of_parties(self) -> Counter[Party]:
        """How many there are of each party."""
        return Counter(self.fetching) + Counter(self.writing)

    def of_tenants(self) -> Counter[str]:
        """How many there are of each tenant."""
        tenants: Counter[str] = Counter()
        for party, count in self.of_parties().items():
            tenants[party.tenant] += count
        return tenants


NO_TRANSFERS = Transfers()


@dataclass(frozen=True, slots=True)
class LeaseReport:
    """The answer to a heartbeat: leases no longer held, and held ones whose job was asked to stop."""

    lost: frozenset[str]
    cancel_requested: frozenset[str]


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


@dataclass(frozen=True, slots=True)
class ScanChunk:
    """Jobs found by a scan, with the cursor after them. Jobs up to the cursor exist once this is stored."""

    jobs: tuple[Job, ...]
    cursor: str


@dataclass(frozen=True, slots=True)
class SealedAccess:
    """An encrypted `StorageAccess`. One that holds secrets is deleted when the batch or the job ends, and `remaining`,
    encrypted as well, takes its place: what the outputs are reached with then, None where that takes a secret.
    """

    data: bytes
    holds_secrets: bool
    remaining: bytes | None = None


@dataclass(frozen=True, slots=True)
class BatchChanges:
    """What UpdateBatch may change; None leaves a value as it is. A new priority reaches the queued jobs too, and a new
    retention (0: for ever) counts from the end, also of a batch that has ended.
    """

    display_name: str | None = None
    labels: Mapping[str, str] | None = None
    priority: int | None = None
    retention_ms: int | None = None


class BatchStore(Protocol):
    """Batches and what a scan adds to them."""

    async def create_batch(
        self, batch: Batch, key: IdempotencyKey | None = None, access: SealedAccess | None = None
    ) -> Batch:
        """Store a new INITIALIZING batch with its first event, and what it reaches stores with.

        A repeated key gives the batch created first; with another digest InvalidArgumentError on `request_id`.
        Raises AlreadyExistsError when the id is taken.
        """
        ...

    async def get_batch(self, tenant: str, batch_id: str) -> Batch:
        """Raises BatchNotFoundError."""
        ...

    async def list_batches(self, query: ListQuery) -> Page[Batch]:
        """A page of batches. Raises InvalidArgumentError on a token of another query."""
        ...

    async def update_batch(self, tenant: str, batch_id: str, changes: BatchChanges, etag: str = "") -> Batch:
        """Raises BatchNotFoundError, EtagMismatchError."""
        ...

    async def add_scanned(self, batch: Batch, chunk: ScanChunk) -> Batch:
        """Store a chunk of a scan. Does nothing more once the batch was cancelled (the result tells).

        Raises BatchNotFoundError for a batch that was deleted, as the two that follow, also where another one was
        created under its id since: that has a create time of its own.
        """
        ...

    async def finish_scan(self, batch: Batch) -> Batch:
        """The scan is complete: a batch without jobs, or whose jobs have all ended, ends here."""
        ...

    async def fail_batch(self, batch: Batch, error: Failure) -> Batch:
        """The batch as a whole cannot be scanned or run: FAILED, jobs that are not terminal are cancelled."""
        ...

    async def cancel_batch(self, tenant: str, batch_id: str, created: datetime | None = None) -> Batch:
        """Queued jobs become CANCELLED now, running ones are asked to stop; a terminal batch comes back unchanged.

        Raises BatchNotFoundError, also where a time is given and the batch was `created` at another one.
        """
        ...

    async def retry_batch(self, tenant: str, batch_id: str) -> Batch:
        """Queue the failed jobs again. Raises NotTerminalError, NothingToRetryError, CredentialsDeletedError."""
        ...

    async def unscanned_batches(self) -> Sequence[Batch]:
        """Batches whose scan a stopped server left unfinished."""
        ...


class JobStore(Protocol):
    """Jobs as clients see them."""

    async def create_job(self, job: Job, key: IdempotencyKey | None = None, access: SealedAccess | None = None) -> Job:
        """Store a new QUEUED job with its first event; keys, taken ids and access as for batches."""
        ...

    async def get_job(self, tenant: str, job_id: str) -> Job:
        """Raises JobNotFoundError."""
        ...

    async def queue_position(self, job: Job) -> int:
        """About the place from 1 at which a QUEUED job will be claimed, if none of higher rank comes and turns go
        round evenly; 0 in other states.
        """
        ...

    async def list_jobs(self, query: ListQuery) -> Page[Job]:
        """A page of jobs."""
        ...

    async def cancel_job(self, tenant: str, job_id: str) -> Job:
        """A queued job becomes CANCELLED now, a running one is asked to stop; a terminal one comes back unchanged."""
        ...

    async def retry_job(self, tenant: str, job_id: str) -> Job:
        """Queue a failed or cancelled job again, from its beginning: earlier segments go, its history starts anew
        after the last sequence. A batch that had ended runs again. Raises NotTerminalError, NothingToRetryError,
        CredentialsDeletedError.
        """
        ...

    def read_segments(self, job_id: str) -> AsyncIterator[Segment]:
        """All segments of a job in order, a page at a time."""
        ...

    async def read_speaker_turns(self, job_id: str) -> Sequence[SpeakerTurn]:
        """Who speaks when in a job's file, in order; nothing where voices were not told apart."""
        ...

    async def read_events(self, resource: str, after: int, limit: int) -> Sequence[Event]:
        """Events of a resource with a sequence above `after`, at most `limit`, in order."""
        ...


class RunStore(Protocol):
    """The running of jobs: claims, leases and results."""

    async def claim(
        self, owner: str, limit: int, lease_s: float, reserved: int = 0, transfers: Transfers = NO_TRANSFERS
    ) -> Sequence[Claim]:
        """Take up to `limit` queued jobs, each the next of the tenant that runs fewest, and of that one's batch that
        runs fewest; among equals of the one served longest ago. A tenant's single files count as one batch. Within a
        tenant a higher priority goes first, within a batch the place in it. They become RUNNING with their event.

        Of jobs that run, those among `transfers` don't count there. Each new one begins by fetching: nobody gets more
        than `domain.fair_share` lets them have there, and the last `reserved` go only to batches that fetch nothing.
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

    async def recover(self, max_stalled_attempts: int, *, exclusive_owner: bool) -> int:
        """Queue running jobs whose lease ended again (all running jobs where `exclusive_owner` says that nobody else
        can be alive). A job that got nowhere in so many attempts fails with ATTEMPTS_EXHAUSTED. Returns how many.
        """
        ...


class MediaStore(Protocol):
    """Uploads."""

    async def create_media(self, media: Media) -> None:
        """Record a finished upload."""
        ...

    async def get_media(self, tenant: str, media_id: str) -> Media:
        """Raises MediaNotFoundError."""
        ...

    async def known_media(self, media_ids: Sequence[str]) -> frozenset[str]:
        """Which of these uploads are recorded, whoever's they are."""
        ...

    async def unused_media(self, limit: int) -> Sequence[Media]:
        """Uploads to drop: expired, and named by no job that is not terminal."""
        ...

    async def delete_media(self, media_id: str) -> None:
        """Forget an upload."""
        ...


class AccessStore(Protocol):
    """What batches, and jobs of no batch, reach object stores with, encrypted."""

    async def get_access(self, resource: str) -> bytes | None:
        """The sealed access of `batches/{id}` or `jobs/{id}`; None where it has none, or none any more."""
        ...


class AnalysisStore(Protocol):
    """What was found in transcripts. It goes with its job, and when that is run again."""

    async def get_analysis(self, job_id: str) -> Analysis | None:
        """None where nothing was found, or looked for."""
        ...


class HistoryStore(Protocol):
    """The keeping of history."""

    async def purge_history(self, older_than_s: float, limit: int) -> int:
        """Drop events of resources that ended so long ago; moves their `history_start`. Returns how many events."""
        ...


class ReportStore(Protocol):
    """Batches whose files are done and whose report is not."""

    async def unreported_batches(self, limit: int) -> Sequence[Batch]:
        """Batches that run on until their report is written, but for those that are being deleted."""
        ...

    def read_jobs(self, batch: Batch) -> AsyncIterator[Sequence[Job]]:
        """All jobs of a batch in the order in which they were found, in pages. Raises BatchNotFoundError."""
        ...

    async def finish_report(self, batch: Batch, uri: str, warning: str) -> Batch:
        """The report of the batch as it was read is written to `uri`, or can't be, as `warning` tells: the batch ends.
        It comes back unchanged where it has another sequence by now. Raises BatchNotFoundError.
        """
        ...


class DeletionStore(Protocol):
    """Deletion: what is to go is marked, then removed piece by piece. A mark outlives whoever made it.

    Several may be removing the same thing. Whoever comes late harms nothing that was created under its name since.
    """

    async def begin_delete_batch(
        self, tenant: str, batch_id: str, etag: str = "", deletion: Deletion = Deletion.RECORD
    ) -> Batch:
        """Mark a batch, and ask what is active to stop. It starts no job any more, and does not end as long as the mark
        stays: with its end its credentials would go. A mark for its OUTPUTS is not replaced by another one.

        Raises BatchNotFoundError, EtagMismatchError and, for OUTPUTS, CredentialsDeletedError.
        """
        ...

    async def begin_delete_job(self, tenant: str, job_id: str, etag: str = "") -> Job:
        """Mark a job whose OUTPUTS are to go with it: a queued one is cancelled, a running one asked to stop. Its batch
        does not end before it is gone. Raises JobNotFoundError, EtagMismatchError, CredentialsDeletedError.
        """
        ...

    async def delete_job(self, tenant: str, job_id: str, etag: str = "") -> None:
        """Remove a job's record at once; a running one loses its lease. Its batch's counts leave it out from then on.

        Raises JobNotFoundError, EtagMismatchError.
        """
        ...

    async def withdraw_deletion(self, resource: Batch | Job, warning: str) -> None:
        """What is marked can't be deleted, as `warning` tells: what is left of it stays, and ends where it waits to.

        Raises BatchNotFoundError or JobNotFoundError where it is gone.
        """
        ...

    async def remove_jobs(self, jobs: Sequence[Job]) -> None:
        """Remove the records of a few jobs; running ones lose their leases. Their batch's counts leave them out."""
        ...

    async def remove_batch(self, batch: Batch) -> None:
        """Remove the record of a marked batch with its jobs and events; running jobs lose their leases.

        Raises BatchNotFoundError where it is gone, also where there is another one of its id by now.
        """
        ...

    async def deletions(self, limit: int) -> Sequence[Batch | Job]:
        """What is marked: at most `limit` batches, and as many jobs."""
        ...


class ExpiryStore(Protocol):
    """The end of retention."""

    async def expire_jobs(self, limit: int) -> int:
        """Remove jobs of no batch whose time is over, and let uploads go that they alone named. Returns how many."""
        ...

    async def expire_batches(self, limit: int) -> int:
        """Mark batches whose time is over as EXPIRED. Returns how many were found."""
        ...


class InstallationStore(Protocol):
    """What all servers that share a database are to agree on, by name."""

    async def agreed(self, name: str, proposed: str) -> str:
        """What is agreed on: what is `proposed`, where nothing was yet."""
        ...

    async def agree(self, name: str, value: str) -> None:
        """Agree on something else."""
        ...


class Store(
    BatchStore,
    JobStore,
    RunStore,
    MediaStore,
    AccessStore,
    AnalysisStore,
    HistoryStore,
    ReportStore,
    DeletionStore,
    ExpiryStore,
    FleetStore,
    InstallationStore,
    Protocol,
):
    """All of it."""
