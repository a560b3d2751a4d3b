"""The port to the models that jobs can ask for by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from batchscribe_server.domain.model import Model


class ModelElsewhereError(Exception):
    """Another server has the model, and this one can't get it: the job is to be left to the other."""


class Models(Protocol):
    """What there is to transcribe with. The empty name means the default model."""

    def list(self) -> Sequence[Model]:
        """All models that can be asked for, the default first; one without a path is joined or downloaded when used."""
        ...

    def get(self, name: str) -> Model:
        """The model of that name, as it is now: nothing is fetched. Raises ModelNotFoundError."""
        ...

    async def resolve(self, name: str) -> Model:
        """The model with its files on this machine, joined or downloaded first if need be, its digest checked.

        However many ask for one model at once, it is fetched once. Raises JobFailure MODEL_UNAVAILABLE,
        and ModelElsewhereError where several servers share the jobs.
        """
        ...
