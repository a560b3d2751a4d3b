"""What people see of the events of a batch."""

from __future__ import annotations

import pytest

from batchscribe.cli.screen import PlainScreen
from batchscribe.cli.views import BatchView, JobView
from batchscribe.v1.batch_pb2 import Batch
from batchscribe.v1.event_pb2 import BatchEvent, Heartbeat, JobEvent
from batchscribe.v1.job_pb2 import Job


def test_why_nothing_runs_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    screen = PlainScreen()
    batch, job = BatchView(screen), JobView(screen, segments_to_stdout=False)
    batch.show(BatchEvent(snapshot=Batch(waiting_reason="no engine")))
    for reason in ("no engine", "", "no engine", "no model"):
        batch.show(BatchEvent(heartbeat=Heartbeat(waiting_reason=reason)))
    job.show(JobEvent(snapshot=Job(name="jobs/1", waiting_reason="no engine")))
    job.show(JobEvent(heartbeat=Heartbeat()))
    said = capsys.readouterr().err.splitlines()
    assert said == [f"waiting: {reason}" for reason in ("no engine", "no engine", "no model", "no engine")]
