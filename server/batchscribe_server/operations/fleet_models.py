"""The models of all servers that share a database: each may have some that others don't."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from batchscribe_server.domain.errors import JobFailure, ModelNotFoundError, Reason
from batchscribe_server.domain.model import Model, ModelSource
from batchscribe_server.operations.models import ModelElsewhereError, Models

REMEMBERED_S = 3_600.0
"""How long a model counts as one that another server has, after that was last heard of, or first presumed."""


class FleetModels:
    """The Models of this server, and by name those that only others have: jobs may ask for them, and run there.

    Others tell of theirs with their heartbeats. Whoever was to run a job may have left since, and this server may have
    heard nothing of it: so what is not known here at all is left to others for an hour, before it is given up.
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
            self._own.get(name)
        except ModelNotFoundError as error:
            if self._alone:
                raise JobFailure(Reason.MODEL_UNAVAILABLE, error.message) from None
            now_s = self._clock_s()
            given_up = now_s - self._missed_s.setdefault(name, now_s) >= REMEMBERED_S
            if given_up and name not in self._elsewhere:
                del self._missed_s[name]
                raise JobFailure(Reason.MODEL_UNAVAILABLE, f"{error.message}; nor has any other") from None
            raise ModelElsewhereError(f"another server has the model {name!r}") from None
        return await self._own.resolve(name)

    @property
    def lacking(self) -> frozenset[str]:
        """The names of models that this server leaves to others."""
        now_s = self._clock_s()
        missed = {name for name, since_s in self._missed_s.items() if now_s - since_s < REMEMBERED_S}
        return self._not_here | missed

    def offered(self) -> tuple[Model, ...]:
        """What this server tells the others of: the models whose files it has."""
        return tuple(
            replace(model, path="", default=False) for model in self._own.list() if model.source is not ModelSource.HUB
        )

    def learn(self, models: Iterable[Model]) -> None:
        """Others that serve have these now."""
        now_s = self._clock_s()
        for model in models:
            self._elsewhere[model.name] = replace(model, source=ModelSource.REPLICA)
            self._heard_s[model.name] = now_s
        for name in [name for name, heard_s in self._heard_s.items() if now_s - heard_s >= REMEMBERED_S]:
            del self._elsewhere[name], self._heard_s[name]
        # What is on the disk is looked up here, and not with each claim.
        self._not_here = frozenset(name for name in self._elsewhere if not self._has(name))

    def _has(self, name: str) -> bool:
        try:
            self._own.get(name)
        except ModelNotFoundError:
            return False
        return True
