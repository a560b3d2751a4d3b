"""The tables. Times are microseconds since 1970; what is only read as a whole lies in JSON."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)

from batchscribe_server.domain.analysis import Analysis
from batchscribe_server.domain.batch import ManifestInput, ManifestObjectInput, PrefixInput, Report, SingleInput
from batchscribe_server.domain.deletion import Deletion
from batchscribe_server.domain.job import Failure, JobStage, OutputFile, State, Waiting
from batchscribe_server.domain.recognition import OutputConfig, RecognitionConfig
from batchscribe_server.domain.replica import ReplicaReport
from batchscribe_server.domain.transcript import DetectedLanguage, MediaDescription, Word
from batchscribe_server.store.columns import Moment, Named, Optional, Payload
from batchscribe_server.store.configs import BatchInputPayload, JobConfig

metadata = MetaData()

KEPT_HISTORY = text("NOT history_purged")
"""The condition of the indexes that purging goes by. A column of its own, since `sequence` would be part of an index:
PostgreSQL would then write into every index of a table with each event.
"""

CLAIM_ORDER = ("tenant", "batch_id", text("priority DESC"), "ordinal", "create_time", "id")

IS_QUEUED = text("state = 'QUEUED' AND not_before IS NULL")
IS_QUEUED_NOT_URL = text("state = 'QUEUED' AND not_before IS NULL AND lower(substr(input_uri, 1, 4)) <> 'http'")
WAS_QUEUED = text("state = 'QUEUED'")
IS_PUT_OFF = text("not_before IS NOT NULL")
IS_RUNNING = text("state = 'RUNNING'")
HAS_QUEUED = text("queued > 0")
"""The conditions of the indexes that claims go by, in these very words: with a bound value they would not be used.

A job that waits for its store is QUEUED as well, but is left out until its time has come and it is put back in line.
"""

HAS_OUTPUT = text("output_key IS NOT NULL")
"""The condition of the index by which no two jobs of a batch have the place of their outputs in common."""

EXPIRES = text("expire_time IS NOT NULL")
IS_BEING_DELETED = text("deletion IS NOT NULL")
REPORT_IS_DUE = text("report = 'DUE'")
"""The conditions of the indexes that the keeping of results goes by: few rows meet the last two at any time."""

tenants = Table(
    "tenants",
    metadata,
    Column("id", Text, primary_key=True),
    # When a job of theirs was last claimed, and one that belongs to no batch.
    Column("served_time", Moment),
    Column("single_files_served_time", Moment),
)

batches = Table(
    "batches",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("reference_id", Text, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("priority", Integer, nullable=False),
    Column(
        "input",
        BatchInputPayload(
            (
                ("single", SingleInput),
                ("prefix", PrefixInput),
                ("manifest", ManifestInput),
                ("manifest_object", ManifestObjectInput),
            )
        ),
        nullable=False,
    ),
    Column("config", Payload(RecognitionConfig), nullable=False),
    Column("output", Payload(OutputConfig), nullable=False),
    Column("state", Named(State), nullable=False),
    Column("scanned", Boolean, nullable=False),
    Column("scan_cursor", Text, nullable=False),
    Column("cancel_requested", Boolean, nullable=False),
    Column("error", Payload(Failure)),
    # How many of its jobs are in each state, and their audio: kept in step with the jobs by the ledger.
    Column("queued", Integer, nullable=False),
    Column("running", Integer, nullable=False),
    Column("succeeded", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("cancelled", Integer, nullable=False),
    Column("opened", Integer, nullable=False),
    Column("audio_total_ms", BigInteger, nullable=False),
    Column("audio_done_ms", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("history_start", BigInteger, nullable=False),
    Column("progress_time", Moment),  # of the last event that told the counts
    Column("create_time", Moment, nullable=False),
    Column("update_time", Moment, nullable=False),
    Column("start_time", Moment),
    Column("finish_time", Moment),
    Column("served_time", Moment),  # when a job of it was last claimed; before, when it was created
    Column("retention_ms", BigInteger, nullable=False),
    Column("expire_time", Moment),
    Column("report", Named(Report)),
    Column("report_uri", Optional),
    Column("warning", Optional),
    Column("deletion", Named(Deletion)),
    Column("traceparent", Optional),
    Column("history_purged", Boolean, nullable=False, server_default=text("false")),  # of what ended: no events left
    Column("wanted_model", Text, nullable=False, server_default=""),  # that of its config
    Column("waiting", Payload(Waiting)),
    Column("not_before", Moment),
    Index(
        "ix_batches_queue",
        "tenant",
        text("priority DESC"),
        "running",
        "served_time",
        "id",
        sqlite_where=HAS_QUEUED,
        postgresql_where=HAS_QUEUED,
    ),
    Index("ix_batches_tenant", "tenant", "create_time", "id"),
    Index("ix_batches_history", "finish_time", sqlite_where=KEPT_HISTORY, postgresql_where=KEPT_HISTORY),
    Index("ix_batches_expire", "expire_time", sqlite_where=EXPIRES, postgresql_where=EXPIRES),
    Index("ix_batches_deletion", "id", sqlite_where=IS_BEING_DELETED, postgresql_where=IS_BEING_DELETED),
    Index("ix_batches_report", "id", sqlite_where=REPORT_IS_DUE, postgresql_where=REPORT_IS_DUE),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("batch_id", Optional, ForeignKey("batches.id", ondelete="CASCADE")),
    Column("ordinal", BigInteger, nullable=False),
    Column("input_uri", Text, nullable=False),
    Column("media_id", Optional),  # of the upload that `input_uri` names
    Column("relative_path", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("reference_id", Text, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("config", JobConfig, nullable=False),
    Column("output", Payload(OutputConfig), nullable=False),
    Column("state", Named(State), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("stalled_attempts", Integer, nullable=False),
    Column("token", BigInteger, nullable=False),  # counts the claims; fences off the writes of earlier ones
    Column("lease_owner", Optional),
    Column("lease_expire_time", Moment),
    Column("sequence", BigInteger, nullable=False),
    Column("history_start", BigInteger, nullable=False),
    Column("media", Payload(MediaDescription)),
    Column("input_fingerprint", Text, nullable=False),
    Column("audio_duration_ms", BigInteger, nullable=False),
    Column("processed_ms", BigInteger, nullable=False),
    Column("media_segments_done", Integer, nullable=False),
    Column("segments", Integer, nullable=False),
    Column("model", Text, nullable=False),
    Column("detected_language", Payload(DetectedLanguage)),
    Column("outputs", Payload(tuple[OutputFile, ...]), nullable=False),
    Column("error", Payload(Failure)),
    Column("warning", Text, nullable=False),
    Column("cancel_requested", Boolean, nullable=False),
    Column("create_time", Moment, nullable=False),
    Column("update_time", Moment, nullable=False),
    Column("start_time", Moment),
    Column("finish_time", Moment),
    Column("is_fetch", Boolean, nullable=False, server_default=text("false")),
    Column("retention_ms", BigInteger, nullable=False),
    Column("expire_time", Moment),
    Column("deletion", Named(Deletion)),
    Column("listed_fingerprint", Optional),  # of the input, when a scan listed it
    Column("stage", Named(JobStage)),
    Column("traceparent", Optional),  # of the call that created it
    Column("history_purged", Boolean, nullable=False, server_default=text("false")),  # of what ended: no events left
    Column("wanted_model", Text, nullable=False, server_default=""),  # that of its config; `model` once it has run
    Column("output_key", Optional),  # of the place of its outputs
    Column("waiting", Payload(Waiting)),
    Column("not_before", Moment),
    Index("ix_jobs_claimable", *CLAIM_ORDER, sqlite_where=IS_QUEUED, postgresql_where=IS_QUEUED),
    Index(
        "ix_jobs_claimable_not_url",
        *CLAIM_ORDER,
        sqlite_where=IS_QUEUED_NOT_URL,
        postgresql_where=IS_QUEUED_NOT_URL,
    ),
    # Replicas of the version before claim by this one.
    Index("ix_jobs_queue", *CLAIM_ORDER, sqlite_where=WAS_QUEUED, postgresql_where=WAS_QUEUED),
    Index("ix_jobs_put_off", "not_before", sqlite_where=IS_PUT_OFF, postgresql_where=IS_PUT_OFF),
    Index("ix_jobs_put_off_of_batch", "batch_id", sqlite_where=IS_PUT_OFF, postgresql_where=IS_PUT_OFF),
    Index("ix_jobs_running", "state", "id", "tenant", "batch_id", sqlite_where=IS_RUNNING, postgresql_where=IS_RUNNING),
    Index("ix_jobs_tenant", "tenant", "create_time", "id"),
    Index("ix_jobs_reference", "tenant", "reference_id", "create_time", "id"),
    Index("ix_jobs_batch", "tenant", "batch_id", "create_time", "id"),
    Index("ix_jobs_batch_state", "batch_id", "state", "id"),
    Index("ix_jobs_state", "tenant", "state", "create_time", "id"),
    Index("ix_jobs_input", "input_uri", postgresql_using="hash"),  # a B-tree takes no more than 2,700 bytes
    # SQLite has none for keys that anybody may make up: it reads the tenant's jobs.
    Index("ix_jobs_labels", text("CAST(labels AS JSONB) jsonb_path_ops"), postgresql_using="gin").ddl_if("postgresql"),
    Index("ix_jobs_media", "media_id"),
    Index(
        "ix_jobs_output", "batch_id", "output_key", unique=True, sqlite_where=HAS_OUTPUT, postgresql_where=HAS_OUTPUT
    ),
    Index("ix_jobs_history", "finish_time", sqlite_where=KEPT_HISTORY, postgresql_where=KEPT_HISTORY),
    Index("ix_jobs_expire", "expire_time", sqlite_where=EXPIRES, postgresql_where=EXPIRES),
    Index("ix_jobs_deletion", "batch_id", "id", sqlite_where=IS_BEING_DELETED, postgresql_where=IS_BEING_DELETED),
)

batch_configs = Table(
    "batch_configs",
    metadata,
    Column("batch_id", Text, ForeignKey("batches.id", ondelete="CASCADE"), primary_key=True),
    Column("digest", Text, primary_key=True),  # SHA-256 of the JSON
    Column("config", Payload(RecognitionConfig), nullable=False),  # of jobs whose row names it
)

segments = Table(
    "segments",
    metadata,
    Column("job_id", Text, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("index", Integer, primary_key=True),
    Column("start_ms", BigInteger, nullable=False),
    Column("end_ms", BigInteger, nullable=False),
    Column("text", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("confidence", Float, nullable=False),
    Column("words", Payload(tuple[Word, ...]), nullable=False),
    Column("channel", Integer),
)

speaker_turns = Table(
    "speaker_turns",
    metadata,
    Column("job_id", Text, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("index", Integer, primary_key=True),
    Column("start_ms", BigInteger, nullable=False),
    Column("end_ms", BigInteger, nullable=False),
    Column("speaker", Integer, nullable=False),
    Column("channel", Integer),
)

analyses = Table(
    "analyses",
    metadata,
    Column("job_id", Text, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("analysis", Payload(Analysis), nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("resource", Text, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("time", Moment, nullable=False),
    Column("kind", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("segment_index", Integer),  # of the segment an event tells of, whose text is stored once, in `segments`
    sqlite_with_rowid=False,
)

media = Table(
    "media",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("file_name", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("create_time", Moment, nullable=False),
    Column("expire_time", Moment, nullable=False),
    Index("ix_media_expire", "expire_time"),
)

access = Table(
    "access",
    metadata,
    Column("resource", Text, primary_key=True),  # batches/{id}, or jobs/{id} of a job that belongs to none
    Column("sealed", LargeBinary),  # NULL once it was deleted
    Column("holds_secrets", Boolean, nullable=False),
    Column("remaining", LargeBinary),  # in place of `sealed` once that was deleted; NULL where outputs need its secrets
)

replicas = Table(
    "replicas",
    metadata,
    Column("id", Text, primary_key=True),
    Column("report", Payload(ReplicaReport), nullable=False),
    Column("start_time", Moment, nullable=False),
    Column("seen_time", Moment, nullable=False),
    Column("drain_requested", Boolean, nullable=False),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("collection", Text, primary_key=True),  # jobs or batches
    Column("request_id", Text, primary_key=True),
    Column("body_digest", Text, nullable=False),
    Column("resource_id", Text, nullable=False),
    Column("create_time", Moment, nullable=False),
    Index("ix_idempotency_create", "create_time"),
)

commit_marks = Table(
    "commit_marks",
    metadata,
    Column("writer", Text, primary_key=True),  # a connection to PostgreSQL, of any replica
    Column("serial", BigInteger, nullable=False),  # of its last transaction
    Column("time", Moment, nullable=False),
)

duties = Table(
    "duties",
    metadata,
    Column("name", Text, primary_key=True),
    Column("owner", Text, nullable=False),  # the server that does this work for all
    Column("lease_expire_time", Moment, nullable=False),
)

installation = Table(
    "installation",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
