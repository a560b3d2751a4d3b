"""What a job adds to the counts of its batch."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from batchscribe_server.domain.batch import Counts
from batchscribe_server.domain.job import Job, State
from batchscribe_server.store.tally import shifted, tally

NOW = datetime(2026, 1, 1, tzinfo=UTC)

jobs = st.builds(
    Job,
    id=st.just("one"),
    input_uri=st.just("file:///a.wav"),
    create_time=st.just(NOW),
    update_time=st.just(NOW),
    state=st.sampled_from([state for state in State if state is not State.INITIALIZING]),
    audio_duration_ms=st.integers(0, 5_000),
    processed_ms=st.integers(0, 9_000),
)


def job(state: State, duration_ms: int = 0, processed_ms: int = 0) -> Job:
    return Job("one", "file:///a.wav", NOW, NOW, state=state, audio_duration_ms=duration_ms, processed_ms=processed_ms)


def test_a_queued_file_has_no_audio_yet() -> None:
    assert tally(job(State.QUEUED)) == Counts(total=1, queued=1)


def test_a_running_file_has_done_what_it_processed_of_its_audio() -> None:
    expected = Counts(total=1, running=1, opened=1, audio_total_ms=10, audio_done_ms=4)
    assert tally(job(State.RUNNING, duration_ms=10, processed_ms=4)) == expected


def test_a_container_that_declared_too_little_never_makes_more_than_all() -> None:
    assert tally(job(State.RUNNING, duration_ms=10, processed_ms=40)).audio_done_ms == 10


def test_audio_of_unknown_duration_counts_once_it_is_known() -> None:
    assert tally(job(State.RUNNING, processed_ms=40)) == Counts(total=1, running=1)


def test_a_failed_file_is_done_with_all_its_audio() -> None:
    expected = Counts(total=1, failed=1, opened=1, audio_total_ms=10, audio_done_ms=10)
    assert tally(job(State.FAILED, duration_ms=10, processed_ms=4)) == expected


def test_of_a_cancelled_file_what_was_transcribed_is_done() -> None:
    expected = Counts(total=1, cancelled=1, opened=1, audio_total_ms=10, audio_done_ms=4)
    assert tally(job(State.CANCELLED, duration_ms=10, processed_ms=4)) == expected
    assert tally(job(State.CANCELLED)) == Counts(total=1, cancelled=1)


def test_progress_stays_where_a_cancelled_batch_stopped() -> None:
    running, waiting = job(State.RUNNING, duration_ms=10, processed_ms=4), job(State.QUEUED)
    before = shifted(shifted(Counts(), None, running), None, waiting)
    stopped = shifted(before, running, job(State.CANCELLED, duration_ms=10, processed_ms=4))
    ended = shifted(stopped, waiting, job(State.CANCELLED))
    assert [counts.progress for counts in (before, stopped, ended)] == [0.2, 0.2, 0.2]
    assert shifted(Counts(), None, job(State.CANCELLED)).progress == 0


@given(st.lists(jobs), st.one_of(st.none(), jobs), st.one_of(st.none(), jobs))
def test_counts_shifted_job_by_job_are_those_of_all_jobs(
    others: list[Job], before: Job | None, after: Job | None
) -> None:
    counts = Counts()
    for other in others:
        counts = shifted(counts, None, other)
    changed = shifted(shifted(counts, None, before), before, after)
    expected = [*others, *([after] if after else [])]
    for field in fields(Counts):
        assert getattr(changed, field.name) == sum(getattr(tally(other), field.name) for other in expected)
    assert 0 <= changed.progress <= 1
