"""The port to whoever traces: the way of a request through the service, as spans of one trace.

It goes from the call that creates a job, over the job in the store, to the run, and there to each of its steps. A job
of a batch has a trace of its own, which is linked to the call that created its batch: a trace of a hundred thousand
files would help nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext

from batchscribe_server.operations.observers import DecodedBatch
from batchscribe_server.operations.run_store import Claim

Ended = Callable[[str], None]
"""Tells how something ended: the reason why it failed, or an empty one where it did not."""


def _untold(_: str) -> None:
    pass


class Tracing:
    """This one traces nothing, and costs nothing. Spans tell names, times and reasons, and never what was said, URIs
    or the words of an error.
    """

    def traceparent(self) -> str:
        """Where the trace of the current call goes on, as in W3C Trace Context; empty where there is none."""
        return ""

    def call(self, method: str, metadata: Iterable[tuple[str, str | bytes]]) -> AbstractContextManager[Ended]:
        """A call of a method, part of the trace that its metadata names; gives whom to tell its status."""
        return nullcontext(_untold)

    def run(self, claim: Claim) -> AbstractContextManager[Ended]:
        """A run of a job, and how long it was queued before; gives whom to tell why it failed, if it does."""
        return nullcontext(_untold)

    def step(self, name: str, **attributes: str) -> AbstractContextManager[None]:
        """What is done within is a step of the call or the run that is current."""
        return nullcontext()

    def hearing(self, job_id: str, model: str) -> AbstractContextManager[None]:
        """A step, which the work of the children on the job's file is part of."""
        return nullcontext()

    def media_read(self, job_id: str, elapsed_s: float) -> None:
        """A media worker has just read a job's file to its end, in so long."""

    def batch_decoded(self, batch: DecodedBatch) -> None:
        """The engine has just answered a batch of segments."""
