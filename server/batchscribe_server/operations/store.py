"""The port to the store, the only truth: state and the event that tells of it are written in one transaction.

Every query is scoped by tenant. What changes a resource returns it as it is afterwards. All times are the store's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from batchscribe_server.domain.analysis import Analysis
from batchscribe_server.domain.batch import Batch
from batchscribe_server.domain.deletion import Deletion
from batchscribe_server.domain.event import Event
from batchscribe_server.domain.job import Failure, Job, State, Waiting
from batchscribe_server.domain.media import Media
from batchscribe_server.domain.speakers import SpeakerTurn
from batchscribe_server.domain.transcript import Segment
from batchscribe_server.operations.duties import DutyStore
from batchscribe_server.operations.fleet import FleetStore
from batchscribe_server.operations.run_store import RunStore

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

    async def put_off_batch(self, batch: Batch, waiting: Waiting, pause_s: float) -> None:
        """Its scan, or its report, goes on in `pause_s`: a store does not answer. Raises BatchNotFoundError."""
        ...

    async def unscanned_batches(self) -> Sequence[Batch]:
        """Batches whose scan is not finished, also those whose scan is put off."""
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
        """Batches that run on until their report is written, but for those that are being deleted. Those that are put
        off come last.
        """
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

    async def erase_removed(self) -> None:
        """Leave no copy of what was removed in the files of the database, as far as that is in this process's hands."""
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
    DutyStore,
    InstallationStore,
    Protocol,
):
    """All of it."""
