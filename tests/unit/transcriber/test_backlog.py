"""The backlog: who may try again what failed, and what is known of the engines at work."""

from __future__ import annotations

from batchscribe_engine.messages import DecodeOptions, ModelSpec
from batchscribe_server.domain.errors import Reason
from batchscribe_server.operations.observers import EngineObserver
from batchscribe_server.transcriber.backlog import Backlog
from batchscribe_server.transcriber.batcher import BatchLimits
from batchscribe_server.transcriber.blame import Batch
from batchscribe_server.transcriber.pool import SegmentPool
from batchscribe_server.transcriber.segment import QueuedSegment
from batchscribe_server.transcriber.slots import Grant


class File:
    """An owner that wants its segments and is told nothing here."""

    wanted = True

    def heard(self, *_: object) -> None:
        raise AssertionError("nothing was decoded")

    def failed(self, segment: QueuedSegment, reason: Reason, message: str) -> None:
        raise AssertionError(message)


def segment(number: int, owner: File) -> QueuedSegment:
    return QueuedSegment(number, owner, number, Grant(number, number), 0, 16_000, ModelSpec("m", "/m"), DecodeOptions())


def batch(*numbers: int, owner: File | None = None, **changes: object) -> Batch:
    file = owner or File()
    return Batch(tuple(segment(number, file) for number in numbers), **changes)  # type: ignore[arg-type]


def backlog(*at_work: int) -> Backlog:
    made = Backlog(SegmentPool(BatchLimits(), lambda: 0.0, EngineObserver()))
    for engine in at_work:
        made.began(engine)
    return made


def test_a_batch_that_failed_in_one_engine_is_tried_by_another_one():
    waiting, failed = backlog(1, 2), batch(1, solo=True, failed_in=1)
    waiting.retry(failed)

    assert waiting.retry_for(1) is None
    assert waiting.retry_for(2) is failed


def test_where_no_other_engine_is_at_work_the_same_one_tries_it_again():
    waiting, failed = backlog(1, 2), batch(1, solo=True, failed_in=1)
    waiting.retry(failed)
    waiting.ended(2)

    assert waiting.retry_for(1) is failed


def test_an_engine_passes_over_what_is_not_for_it():
    waiting = backlog(1, 2)
    failed, innocent = batch(1, solo=True, failed_in=1), batch(2, 3)
    waiting.retry(failed)
    waiting.retry(innocent)

    assert waiting.retry_for(1) is innocent
    waiting.take_retry(innocent)
    assert waiting.retry_for(1) is None
    assert waiting.waiting_segments == 1


def test_a_batch_is_taken_once():
    waiting, one = backlog(1, 2, 3), batch(1)
    waiting.retry(one)
    waiting.take_retry(one)

    assert [waiting.retry_for(engine) for engine in (1, 2, 3)] == [None, None, None]


def test_a_closed_file_leaves_nothing_behind():
    file, other = File(), File()
    waiting = backlog(1)
    waiting.retry(batch(1, 2, owner=file))
    waiting.retry(batch(3, owner=other))
    waiting.add(segment(4, file))
    waiting.drop(file)

    assert waiting.waiting_segments == 1
    left = waiting.retry_for(1)
    assert left is not None
    assert [each.segment_id for each in left.segments] == [3]


def test_it_is_staffed_while_any_engine_is_at_work():
    waiting = backlog()
    assert not waiting.staffed.is_set()
    waiting.began(1)
    waiting.began(2)
    waiting.ended(1)
    assert waiting.staffed.is_set()
    waiting.ended(2)
    assert not waiting.staffed.is_set()
