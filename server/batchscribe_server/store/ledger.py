"""The ledger: one transaction's changes to jobs and batches, with the events that tell of them.

This is the one place where sequences are allotted, where a batch's counts follow its jobs and where a batch begins and
ends, so that no use case can change a state and forget its event. Nothing is visible before the transaction commits.

Locks are taken on jobs first and on batches after them, so that two transactions seldom wait for each other. All that
run jobs of one batch meet at its row, so it is locked only once everything else but its own events is written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Table, Update, bindparam, delete, exists, insert, select, update

from batchscribe_server.domain.batch import Batch, Counts, ManifestObjectInput, Report
from batchscribe_server.domain.deletion import Deletion
from batchscribe_server.domain.errors import BatchNotFoundError, EtagMismatchError, JobNotFoundError
from batchscribe_server.domain.event import BatchJobChanged, BatchProgressed, Event, EventDetail, StateChanged
from batchscribe_server.domain.job import Failure, Job, State
from batchscribe_server.domain.media import is_upload, shown_input
from batchscribe_server.domain.speakers import SpeakerTurn
from batchscribe_server.domain.transcript import Segment
from batchscribe_server.operations.wakeups import DELETIONS, QUEUE, REPORTS
from batchscribe_server.store import tables
from batchscribe_server.store.access import forget_secrets, remove_access
from batchscribe_server.store.job_configs import ConfigWriter, job_from_row, jobs_from_rows
from batchscribe_server.store.rows import (
    COUNT_FIELDS,
    count_values,
    counts_from_row,
    event_values,
    job_values,
    segment_values,
    speaker_turn_values,
)
from batchscribe_server.store.tally import shifted
from batchscribe_server.store.unused_uploads import release_uploads

PROGRESS_INTERVAL = timedelta(seconds=1)
"""How often a batch tells its counts while its files only advance; changes of state are always told."""

Result = TypeVar("Result")


@dataclass(slots=True)
class BatchRecord:
    """What changes of a batch as its jobs do; its input and config, which may be large, stay in the database."""

    id: str
    tenant: str
    create_time: datetime
    update_time: datetime
    state: State
    scanned: bool
    cancel_requested: bool
    error: Failure | None
    priority: int
    counts: Counts
    sequence: int
    history_start: int
    history_purged: bool
    progress_time: datetime | None
    start_time: datetime | None
    finish_time: datetime | None
    retention_ms: int
    expire_time: datetime | None
    report: Report | None
    deletion: Deletion | None
    progress_due: bool = False

    @property
    def name(self) -> str:
        """The resource name."""
        return f"batches/{self.id}"

    @property
    def stopping(self) -> bool:
        """True when no further file may start, and a scan is over as far as it got."""
        return self.cancel_requested or self.error is not None

    @property
    def waiting(self) -> int:
        """Files that are not done."""
        return self.counts.queued + self.counts.running


_KEPT_COLUMNS = ("id", "tenant", "create_time", "update_time", "priority")

_RECORD_COLUMNS = (
    "state",
    "scanned",
    "cancel_requested",
    "error",
    "sequence",
    "history_start",
    "history_purged",
    "progress_time",
    "start_time",
    "finish_time",
    "retention_ms",
    "expire_time",
    "report",
    "deletion",
)

# Statements that every step of a run executes are built once: building them costs more than executing them.
_JOB_BY_ID = select(tables.jobs).where(tables.jobs.c.id == bindparam("job_id")).with_for_update()
_BATCH_BY_ID = (
    select(*(tables.batches.c[name] for name in (*_KEPT_COLUMNS, *_RECORD_COLUMNS, *COUNT_FIELDS)))
    .where(tables.batches.c.id == bindparam("batch_id"))
    .with_for_update()
)
_DELETED_JOB_OF_BATCH = select(exists().where(tables.jobs.c.batch_id == bindparam("of_batch"), tables.IS_BEING_DELETED))
_INSERT_SEGMENT = insert(tables.segments)
_INSERT_EVENT = insert(tables.events)


@cache
def _update(table: Table, columns: tuple[str, ...]) -> Update:
    """Sets these columns of the row with the id `changed_id`. There are few such sets."""
    values: dict[str, Any] = {name: bindparam(name) for name in columns}
    return update(table).where(table.c.id == bindparam("changed_id")).values(values)


class Ledger:
    """Reads what an operation needs, takes its changes and writes them when flushed, once, at its end.

    Belongs to one operation in one transaction. `topics` are to be woken once that is committed.
    """

    def __init__(self, connection: Connection, now: datetime) -> None:
        self.connection = connection
        self.now = now
        self.topics: set[str] = set()
        self._batches: dict[str, BatchRecord] = {}
        self._batches_as_read: dict[str, BatchRecord] = {}
        self._batch_columns: defaultdict[str, dict[str, Any]] = defaultdict(dict)
        self._job_changes: defaultdict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
        self._segments: list[dict[str, Any]] = []
        self._events: list[dict[str, Any]] = []
        self._ended: set[str] = set()
        self._changed_jobs: defaultdict[str, list[tuple[Job | None, Job | None]]] = defaultdict(list)

    # reading

    def find_job(self, job_id: str) -> tuple[Job, int] | None:
        """A job, locked, with the token of its last claim; None when there is none."""
        row = self.connection.execute(_JOB_BY_ID, {"job_id": job_id}).mappings().one_or_none()
        return None if row is None else (job_from_row(self.connection, row), row["token"])

    def job(self, tenant: str, job_id: str) -> Job:
        """A job, locked. Raises JobNotFoundError."""
        found = self.find_job(job_id)
        if found is None or found[0].tenant != tenant:
            raise JobNotFoundError(f"There is no job {job_id!r}.", job=job_id)
        return found[0]

    def jobs(self, *conditions: ColumnElement[bool], limit: int) -> Sequence[Job]:
        """The first jobs that meet all conditions, locked."""
        query = select(tables.jobs).where(*conditions).order_by(tables.jobs.c.state, tables.jobs.c.id).limit(limit)
        return jobs_from_rows(self.connection, self.connection.execute(query.with_for_update()).mappings())

    def batch(self, batch_id: str) -> BatchRecord:
        """A batch, locked; the same record each time, to be changed in place. Raises BatchNotFoundError."""
        record = self._batches.get(batch_id)
        if record is None:
            row = self.connection.execute(_BATCH_BY_ID, {"batch_id": batch_id}).mappings().one_or_none()
            if row is None:
                raise BatchNotFoundError(f"There is no batch {batch_id!r}.", batch=batch_id)
            record = BatchRecord(
                counts=counts_from_row(row),
                **{name: row[name] for name in (*_KEPT_COLUMNS, *_RECORD_COLUMNS)},
            )
            self._batches[batch_id] = record
            self._batches_as_read[batch_id] = replace(record)
        return record

    def batch_of(self, tenant: str, batch_id: str, etag: str = "", created: datetime | None = None) -> BatchRecord:
        """A batch of a tenant, as `batch` gives it. Raises EtagMismatchError where an etag is given and it changed,
        and BatchNotFoundError also where the id is one's that was created at another time.
        """
        record = self.batch(batch_id)
        if record.tenant != tenant or created not in (None, record.create_time):
            raise BatchNotFoundError(f"There is no batch {batch_id!r}.", batch=batch_id)
        if etag and etag != str(record.sequence):
            raise EtagMismatchError(f"The batch {batch_id!r} changed since.", batch=batch_id)
        return record

    def itself(self, batch: Batch) -> BatchRecord:
        """This batch, as `batch` gives it. Raises BatchNotFoundError where its id is another one's by now."""
        return self.batch_of(batch.tenant, batch.id, created=batch.create_time)

    # changing jobs

    def add_jobs(self, jobs: Iterable[Job]) -> None:
        """Insert new QUEUED jobs, each with its first event. All times are set here."""
        rows = []
        configs = ConfigWriter(self.connection)
        for job in jobs:
            queued = self.queued(job)
            rows.append(job_values(queued) | {"token": 0, "config": configs.column(queued)})
            self.job_added(queued)
        if rows:
            self.connection.execute(insert(tables.jobs), rows)

    def queued(self, job: Job) -> Job:
        """A new job as it is stored."""
        return replace(job, state=State.QUEUED, sequence=1, create_time=self.now, update_time=self.now)

    def job_added(self, job: Job) -> None:
        """Tell of a job that was inserted."""
        self._tell(job.name, 1, StateChanged(State.QUEUED, job.attempt), self.now)
        self.topics.add(QUEUE)
        self._account(None, job)

    def change_job(self, job: Job, *details: EventDetail, lease: dict[str, Any] | None = None, **changes: Any) -> Job:
        """Change fields of a job, telling `details` and then, where its state changes, the state.

        `lease` holds the columns of the lease; a job that stops running loses it.
        """
        state = changes.get("state", job.state)
        columns = dict(lease or {})
        time = self.time_after(job.update_time)
        if state is not job.state:
            waits = changes.get("waiting") if "not_before" in changes else None
            attempt, error = changes.get("attempt", job.attempt), changes.get("error", job.error)
            details = (*details, StateChanged(state, attempt, waits.why if waits else error))
            if job.not_before is not None:
                changes.setdefault("not_before", None)
            if state.terminal:
                if job.waiting is not None:
                    changes["waiting"] = None
                changes["finish_time"] = time
                changes["expire_time"] = expiry(time, job.retention_ms)
                # Its outputs can't be deleted without the credentials: then they go with the record.
                if not job.batch_id and changes.get("deletion", job.deletion) is None:
                    self._ended.add(job.name)
            if state is State.QUEUED:
                self.topics.add(QUEUE)
            if job.state is State.RUNNING:
                columns |= {"lease_owner": "", "lease_expire_time": None}
        changed = replace(job, sequence=job.sequence + len(details), update_time=time, **changes)
        for sequence, detail in enumerate(details, start=job.sequence + 1):
            self._tell(job.name, sequence, detail, time)
        columns |= {name: getattr(changed, name) for name in (*changes, "sequence", "update_time")}
        if job.state.terminal and details:
            columns["history_purged"] = False
        self._job_changes[tuple(columns)].append(columns | {"changed_id": job.id})
        self._account(job, changed)
        return changed

    def time_after(self, *earlier: datetime | None) -> datetime:
        """Now, or the latest of what a record tells already: its times go forward, also where the clock goes back."""
        return max([self.now, *filter(None, earlier)])

    def add_segments(self, job: Job, heard: Sequence[Segment]) -> None:
        """Append segments to a job's transcript."""
        self._segments += [segment_values(job.id, segment) for segment in heard]

    def set_speaker_turns(self, job: Job, turns: Sequence[SpeakerTurn]) -> None:
        """Say who speaks when in a job's file, in place of what was said before."""
        self.connection.execute(delete(tables.speaker_turns).where(tables.speaker_turns.c.job_id == job.id))
        if turns:
            rows = [speaker_turn_values(job.id, index, turn) for index, turn in enumerate(turns)]
            self.connection.execute(insert(tables.speaker_turns), rows)

    def ask_to_stop(self, *conditions: ColumnElement[bool]) -> None:
        """Mark the running jobs that meet all conditions; whoever runs them learns of it at the next heartbeat."""
        running = update(tables.jobs).where(tables.jobs.c.state == State.RUNNING, *conditions)
        self.connection.execute(running.values(cancel_requested=True, update_time=self.now))
        self.topics.add(QUEUE)

    def restart_jobs(self, jobs: Sequence[Job]) -> None:
        """Queue finished jobs again from their beginning: what earlier runs left goes, and their history with it."""
        if not jobs:
            return
        ids = [job.id for job in jobs]
        for table in (tables.segments, tables.speaker_turns, tables.analyses):
            self.connection.execute(delete(table).where(table.c.job_id.in_(ids)))
        self._delete_events([job.name for job in jobs])
        for job in jobs:
            self.change_job(
                job,
                state=State.QUEUED,
                stage=None,
                stalled_attempts=0,
                history_start=job.sequence + 1,
                media=None,
                input_fingerprint="",
                audio_duration_ms=0,
                processed_ms=0,
                media_segments_done=0,
                segments=0,
                model="",
                detected_language=None,
                outputs=(),
                error=None,
                warning="",
                cancel_requested=False,
                start_time=None,
                finish_time=None,
                expire_time=None,
                waiting=None,
            )

    def remove_jobs(self, jobs: Sequence[Job]) -> None:
        """Delete jobs with all that belongs to them, uploads too that nothing else names; their batches' counts leave
        them out.
        """
        if not jobs:
            return
        self._delete_events([job.name for job in jobs])
        remove_access(self.connection, [job.name for job in jobs if not job.batch_id])
        self.connection.execute(delete(tables.jobs).where(tables.jobs.c.id.in_([job.id for job in jobs])))
        release_uploads(self.connection, self.now, [job.input_uri for job in jobs])
        for job in jobs:
            self.topics.add(job.name)
            if job.state is State.RUNNING:
                self.topics.add(QUEUE)
            self._account(job, None)

    # changing batches

    def mark_batch(self, batch: BatchRecord, deletion: Deletion | None) -> None:
        """Say that a batch is being deleted, so that whoever comes after a kill goes on; or that it is not any more."""
        batch.deletion = deletion
        self.topics |= {DELETIONS, batch.name}

    def change_batch(self, batch: BatchRecord, **columns: Any) -> None:
        """Set columns that the record does not hold."""
        self._batch_columns[batch.id] |= columns

    def enter(self, batch: BatchRecord, state: State) -> None:
        """Change the state of a batch, and tell of it."""
        batch.state = state
        time = self.time_after(batch.update_time)
        batch.finish_time = time if state.terminal else None
        batch.expire_time = expiry(time, batch.retention_ms) if state.terminal else None
        if state.terminal:
            self._ended.add(batch.name)
        self._tell_of(batch, StateChanged(state, error=batch.error))

    def reopen(self, batch: BatchRecord) -> None:
        """Make an ended batch run again. Its history starts anew, so that its earlier end ends no watch."""
        batch.cancel_requested = False
        batch.scanned = True
        batch.start_time = None
        batch.history_start = batch.sequence + 1
        if batch.report is not None:
            batch.report = Report.WANTED
        self.change_batch(batch, report_uri="", warning="")
        self.enter(batch, State.QUEUED)

    def remove_batch(self, batch: BatchRecord) -> None:
        """Delete a batch that has no jobs any more."""
        del self._batches[batch.id]
        self._delete_events([batch.name])
        self._events = [event for event in self._events if event["resource"] != batch.name]
        remove_access(self.connection, [batch.name])
        itself = tables.batches.c.id == batch.id
        input = self.connection.execute(select(tables.batches.c.input).where(itself)).scalar_one_or_none()
        self.connection.execute(delete(tables.batches).where(itself))
        if isinstance(input, ManifestObjectInput):
            release_uploads(self.connection, self.now, [input.uri])
        self.topics |= {DELETIONS, batch.name}

    # writing

    def flush(self) -> None:
        """Write what is left to write. Called once by the database at the end; earlier by who reads what it changed."""
        for columns, rows in self._job_changes.items():
            self.connection.execute(_update(tables.jobs, columns), rows)
        self._job_changes.clear()
        if self._segments:
            self.connection.execute(_INSERT_SEGMENT, self._segments)
            self._segments = []
        for batch_id in sorted(self._changed_jobs):  # in order, so that no two wait for each other crosswise
            for before, after in self._changed_jobs[batch_id]:
                self._count(self.batch(batch_id), before, after)
        self._changed_jobs.clear()
        for batch in self._batches.values():
            self._write_batch(batch)
        self._batches.clear()
        self._batch_columns.clear()
        if self._events:
            self.connection.execute(_INSERT_EVENT, self._events)
            self._events = []
        forget_secrets(self.connection, self._ended)
        self._ended.clear()

    def _write_batch(self, batch: BatchRecord) -> None:
        if batch.progress_due:
            batch.progress_time = self.now
            self._tell_of(batch, BatchProgressed(batch.counts))
        self._settle(batch)
        if batch == self._batches_as_read[batch.id] and batch.id not in self._batch_columns:
            return
        columns = {name: getattr(batch, name) for name in _RECORD_COLUMNS}
        columns |= count_values(batch.counts) | self._batch_columns.get(batch.id, {})
        columns["update_time"] = self.time_after(batch.update_time)
        self.connection.execute(_update(tables.batches, tuple(columns)), columns | {"changed_id": batch.id})

    def _settle(self, batch: BatchRecord) -> None:
        """Let a batch begin or end as its jobs have. One that is to have a report runs on until that is written."""
        if batch.state.terminal:
            return
        if (batch.scanned or batch.stopping) and not batch.waiting:
            self._end(batch)
            return
        if batch.report is not None:  # also where it was written, and a file was retried since
            batch.report = Report.WANTED
        if batch.scanned:
            self._be(batch, State.RUNNING if batch.start_time is not None else State.QUEUED)

    def _end(self, batch: BatchRecord) -> None:
        """End a batch whose jobs have all ended, or leave that to whoever writes its report."""
        if self._is_being_deleted(batch):
            return  # with its end its credentials would go, which outputs are deleted with
        if batch.report is Report.WANTED:
            batch.report = Report.DUE
            self.topics.add(REPORTS)
        if batch.report is Report.DUE:
            self._be(batch, State.RUNNING)
        else:
            self.enter(batch, _end_of(batch))

    def _be(self, batch: BatchRecord, state: State) -> None:
        if batch.state is not state:
            self.enter(batch, state)

    def _is_being_deleted(self, batch: BatchRecord) -> bool:
        """Whether a batch, or a job of it, is on its way out."""
        if batch.deletion is not None:
            return True
        return bool(self.connection.execute(_DELETED_JOB_OF_BATCH, {"of_batch": batch.id}).scalar_one())

    def _account(self, before: Job | None, after: Job | None) -> None:
        """Have the batch's counts follow a job when all is written; None stands for a job that is not there."""
        job = after or before
        if job is not None and job.batch_id:
            self._changed_jobs[job.batch_id].append((before, after))

    def _count(self, batch: BatchRecord, before: Job | None, after: Job | None) -> None:
        """Keep a batch's counts in step with a job, and tell of it."""
        counts = shifted(batch.counts, before, after)
        if before is None or after is None or before.state is not after.state:
            batch.progress_due = True
            if after is not None:
                name = shown_input(after) if is_upload(after.input_uri) else ""
                waits = after.waiting if after.not_before is not None else None
                error = waits.why if waits else after.error
                self._tell_of(batch, BatchJobChanged(after.id, after.input_uri, after.state, error, name))
            job = after or before
            if job is not None and job.state is State.RUNNING and batch.start_time is None:
                batch.start_time = self.time_after(batch.update_time)
        else:  # also where the counts stay: what changed them before may not have been told
            told = batch.progress_time
            batch.progress_due = batch.progress_due or told is None or self.now - told >= PROGRESS_INTERVAL
        batch.counts = counts

    def _tell_of(self, batch: BatchRecord, detail: EventDetail) -> None:
        batch.sequence += 1
        batch.history_purged = False
        self._tell(batch.name, batch.sequence, detail, self.time_after(batch.update_time))

    def _tell(self, resource: str, sequence: int, detail: EventDetail, time: datetime) -> None:
        self._events.append(event_values(Event(resource, sequence, time, detail)))
        self.topics.add(resource)

    def _delete_events(self, resources: Sequence[str]) -> None:
        self.connection.execute(delete(tables.events).where(tables.events.c.resource.in_(resources)))


def expiry(end: datetime, retention_ms: int) -> datetime | None:
    """When what ended then is to be removed; None where it is kept for ever."""
    return end + timedelta(milliseconds=retention_ms) if retention_ms else None


def check_is_kept(batch: BatchRecord) -> None:
    """Raises BatchNotFoundError for a batch that is being deleted: nothing new begins with it."""
    if batch.deletion is not None:
        raise BatchNotFoundError(f"The batch {batch.id!r} is being deleted.", batch=batch.id)


Operation = Callable[[Ledger], Result]
"""What one writer does in one transaction: all of it is committed, or none when it raises."""


def _end_of(batch: BatchRecord) -> State:
    if batch.error is not None:
        return State.FAILED
    # Files of a scan that was cut off were cancelled too, though nobody knows their names.
    if batch.cancel_requested and (batch.counts.cancelled or not batch.scanned):
        return State.CANCELLED
    return State.SUCCEEDED
