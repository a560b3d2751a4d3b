"""The models that jobs can ask for: the calls of ModelService."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from batchscribe.connection import Connection
from batchscribe.v1.model_service_pb2 import GetModelRequest, ListModelsRequest, Model


class ModelCalls:
    """What AsyncClient does with models. Names are resource names: `models/{id}`."""

    _connection: Connection

    async def list_models(self) -> AsyncGenerator[Model]:
        """All models that the server knows."""
        request = ListModelsRequest()
        while True:
            page = await self._connection.call(self._connection.models.ListModels, request)
            for model in page.models:
                yield model
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def list_features(self) -> list[str]:
        """What the server can beyond plain recognition: `translation`, `word_time_offsets`, …"""
        page = await self._connection.call(self._connection.models.ListModels, ListModelsRequest())
        return list(page.features)

    async def get_model(self, name: str) -> Model:
        """Read one model. Raises ModelNotFoundError."""
        return await self._connection.call(self._connection.models.GetModel, GetModelRequest(name=name))
