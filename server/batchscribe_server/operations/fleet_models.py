"""The models of all servers that share a database: each may have some that others don't."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import structlog

from batchscribe_server.domain.errors import JobFailure, ModelNotFoundError, Reason
from batchscribe_server.domain.model import Model, ModelSource
from batchscribe_server.operations.models import ModelElsewhereError, Models

log = structlog.get_logger()

REMEMBERED_S = 3_600.0
"""How long a model counts as one that another server has, after that was last heard of, or first presumed."""


RETRIED_AFTER_S = 300.0
"""How long jobs are left to others after their model could not be loaded here; then some try it again."""


HEARD_WITHIN_S = 30.0
"""How long a server may not yet have heard of another one that is there, or that it is not any more."""


@dataclass(frozen=True, slots=True)
class _LoadFailure:
    """Why a model could not be loaded, and when that was first and last."""

    why: str
    default: bool
    first_s: float
    last_s: float


class FleetModels:
    """The Models of this server, and by name those that only others have: jobs may ask for them, and run there.

    Others tell of theirs with their heartbeats. Whoever was to run a job may have left since, and this server may have
    heard nothing of it: so what is not known here at all is left to others for an hour, before it is given up.

    A model that can't be loaded here is left to others as well, and not offered until it was loaded: else the server
    that fails fastest would take, and fail, what the others could run.
    """

    def __init__(self, own: Models, *, alone: bool, clock_s: Callable[[], float] = time.monotonic) -> None:
        """`alone` is a server that has its database for itself."""
        self._own = own
        self._alone = alone
        self._clock_s = clock_s
        self._elsewhere: dict[str, Model] = {}
        self._heard_s: dict[str, float] = {}
        self._missed_s: dict[str, float] = {}
        self._not_here: frozenset[str] = frozenset()
        self._failures: dict[str, _LoadFailure] = {}

    def list(self) -> Sequence[Model]:
        """This server's, then the others'."""
        own = self._own.list()
        names = {model.name for model in own}
        return [*own, *(model for name, model in sorted(self._elsewhere.items()) if name not in names)]

    def get(self, name: str) -> Model:
        """This server's model of that name, or else another one's. Raises ModelNotFoundError."""
        try:
            return self._own.get(name)
        except ModelNotFoundError:
            elsewhere = self._elsewhere.get(name)
            if elsewhere is None:
                raise
            return elsewhere

    async def resolve(self, name: str) -> Model:
        """This server's model. Raises JobFailure MODEL_UNAVAILABLE, and ModelElsewhereError where the job is to be left
        to the others.
        """
        try:
            known = self._own.get(name)
        except ModelNotFoundError as error:
            if self._alone:
                raise JobFailure(Reason.MODEL_UNAVAILABLE, error.message) from None
            now_s = self._clock_s()
            given_up = now_s - self._missed_s.setdefault(name, now_s) >= REMEMBERED_S
            if given_up and name not in self._elsewhere:
                del self._missed_s[name]
                raise JobFailure(Reason.MODEL_UNAVAILABLE, f"{error.message}; nor has any other") from None
            raise ModelElsewhereError(f"another server has the model {name!r}") from None
        try:
            return await self._own.resolve(name)
        except JobFailure as failure:
            self.load_failed(name, known, failure)
            raise

    def load_failed(self, wanted: str, model: Model, failure: JobFailure) -> None:
        """A job's model can't be loaded here; `wanted` is the name that it asked for. Raises ModelElsewhereError where
        the job is to be left to the others; else it fails.
        """
        if failure.reason is not Reason.MODEL_UNAVAILABLE:
            return
        now_s = self._clock_s()
        known = self._failures.get(model.name)
        first_s = known.first_s if known else now_s
        self._failures[model.name] = _LoadFailure(failure.message, model.default, first_s, now_s)
        log.error("model_not_loaded", model=model.name, why=failure.message)
        if wanted in self.lacking:
            raise ModelElsewhereError(f"the model {model.name!r} can't be loaded on this server") from failure

    def loaded(self, model: Model) -> None:
        """The model was loaded here, and used."""
        if self._failures.pop(model.name, None):
            log.info("model_loaded_again", model=model.name)

    @property
    def default_loads(self) -> bool:
        """Whether the default model could be loaded when that was last tried, or no other server can run anything: then
        callers had better be told why their jobs fail.
        """
        return not any(failure.default for failure in self._failures.values()) or not self._told_lately()

    @property
    def problem(self) -> str:
        """Which models can't be loaded here, and why; empty where there are none."""
        return "; ".join(f"{name} can't be loaded: {failure.why}" for name, failure in sorted(self._failures.items()))

    @property
    def lacking(self) -> frozenset[str]:
        """The names of models that this server leaves to others; the empty one where the default is among them."""
        now_s = self._clock_s()
        missed = {name for name, since_s in self._missed_s.items() if now_s - since_s < REMEMBERED_S}
        return self._not_here | missed | frozenset(self._left_to_others(now_s))

    def _left_to_others(self, now_s: float) -> Iterator[str]:
        """The names of models that can't be loaded here, and may be elsewhere."""
        if self._alone:
            return
        for name, failure in self._failures.items():
            if now_s - failure.last_s < RETRIED_AFTER_S:
                early, elsewhere = now_s - failure.first_s < HEARD_WITHIN_S, self._told_lately()
                if early or name in elsewhere:
                    yield name
                if failure.default and (early or elsewhere):
                    yield ""

    def _told_lately(self) -> frozenset[str]:
        """The names of models that other servers offer, and not only did in the last hour: they may be damaged too."""
        now_s = self._clock_s()
        return frozenset(name for name, heard_s in self._heard_s.items() if now_s - heard_s < HEARD_WITHIN_S)

    def offered(self) -> tuple[Model, ...]:
        """What this server tells the others of: the models whose files it has, but for those that can't be loaded."""
        return tuple(
            replace(model, path="", default=False)
            for model in self._own.list()
            if model.source is not ModelSource.HUB and model.name not in self._failures
        )

    def learn(self, models: Iterable[Model]) -> None:
        """Others that serve have these now."""
        now_s = self._clock_s()
        for model in models:
            self._elsewhere[model.name] = replace(model, source=ModelSource.REPLICA)
            self._heard_s[model.name] = now_s
        for name in [name for name, heard_s in self._heard_s.items() if now_s - heard_s >= REMEMBERED_S]:
            del self._elsewhere[name], self._heard_s[name]
        # Where none but this server is left to ask, and nobody does, it is as if it had just started.
        for name in [name for name, each in self._failures.items() if now_s - each.last_s >= REMEMBERED_S]:
            del self._failures[name]
        # What is on the disk is looked up here, and not with each claim.
        self._not_here = frozenset(name for name in self._elsewhere if not self._has(name))

    def _has(self, name: str) -> bool:
        try:
            self._own.get(name)
        except ModelNotFoundError:
            return False
        return True
